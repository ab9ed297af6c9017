"""The PyTorch side: the same operations by the same names, NumPy arrays in and out.

The inputs and outputs have the names that `fcnn.reference` gives them.
"""

import warnings
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from fcnn.arrays import Array

# The arrays here are small: waking a second thread costs more than it saves.
torch.set_num_threads(1)

Tensors = Mapping[str, Tensor]
TorchLoss = Callable[[Tensor, Tensor], Tensor]


def cross_entropy(probabilities: Tensor, labels: Tensor) -> Tensor:
    """The cross-entropy of probabilities, which PyTorch has for their logarithms only."""
    return functional.nll_loss(torch.log(probabilities), labels)


LOSSES: dict[str, TorchLoss] = {
    "cross_entropy": cross_entropy,
    "softmax_cross_entropy": functional.cross_entropy,
}


def conv2d(
    inputs: Tensors, stride: Any = 1, padding: Any = 0, dilation: Any = 1, groups: int = 1
) -> Tensor:
    """(N, C, H, W) -> (N, F, OH, OW)."""
    with warnings.catch_warnings():
        # Uneven padding "same" costs PyTorch a copy, and it says so.
        warnings.filterwarnings("ignore", "Using padding='same'", UserWarning)
        return functional.conv2d(
            inputs["x"], inputs["w"], inputs.get("b"), stride, padding, dilation, groups
        )


def dense(inputs: Tensors) -> Tensor:
    """(N, D) -> (N, K)."""
    y = inputs["x"] @ inputs["w"]
    return y + inputs["b"] if "b" in inputs else y


def max_pool2d(inputs: Tensors, window: Any = 2, stride: Any = None, padding: Any = 0) -> Tensor:
    """(N, C, H, W) -> (N, C, OH, OW)."""
    return functional.max_pool2d(inputs["x"], window, stride, padding)


def avg_pool2d(inputs: Tensors, window: Any = 2, stride: Any = None, padding: Any = 0) -> Tensor:
    """(N, C, H, W) -> (N, C, OH, OW); by default zeros of the padding count in the mean."""
    return functional.avg_pool2d(inputs["x"], window, stride, padding)


OPERATIONS: dict[str, Callable[..., Tensor]] = {
    "avg_pool2d": avg_pool2d,
    "conv2d": conv2d,
    "dense": dense,
    "flatten": lambda inputs: torch.flatten(inputs["x"], 1),
    "gelu": lambda inputs: functional.gelu(inputs["x"]),
    "global_avg_pool": lambda inputs: functional.adaptive_avg_pool2d(inputs["x"], 1)[:, :, 0, 0],
    "leaky_relu": lambda inputs, slope=0.01: functional.leaky_relu(inputs["x"], slope),
    "max_pool2d": max_pool2d,
    "relu": lambda inputs: functional.relu(inputs["x"]),
    "sigmoid": lambda inputs: torch.sigmoid(inputs["x"]),
    "softmax": lambda inputs: functional.softmax(inputs["x"], -1),
    "tanh": lambda inputs: torch.tanh(inputs["x"]),
}


def compute(
    operation: str, settings: Mapping[str, Any], inputs: Mapping[str, Array]
) -> dict[str, Array]:
    """The output of an operation or loss, and the gradient of every input that has one."""
    tensors = {name: torch.from_numpy(np.array(array)) for name, array in inputs.items()}
    differentiable = {
        name: tensor.requires_grad_()
        for name, tensor in tensors.items()
        if name not in ("dy", "labels")
    }
    if operation in LOSSES:
        y = LOSSES[operation](tensors["outputs"], tensors["labels"])
        y.backward()  # type: ignore[no-untyped-call]
    else:
        y = OPERATIONS[operation](tensors, **settings)
        y.backward(tensors["dy"])  # type: ignore[no-untyped-call]
    found = {"loss" if operation in LOSSES else "y": y.detach().numpy()}
    return found | {f"d{name}": _gradient(tensor) for name, tensor in differentiable.items()}


def value_and_grad(
    network: nn.Module, loss: TorchLoss, params: Iterable[Array], x: Array, labels: Array
) -> tuple[float, list[Array]]:
    """The loss and the gradients, in the order and layout of fcnn's parameters."""
    set_parameters(network, params)
    value = loss(network(torch.from_numpy(x)), torch.from_numpy(labels))
    network.zero_grad()
    value.backward()  # type: ignore[no-untyped-call]
    return value.item(), [_turned(_gradient(parameter)) for parameter in network.parameters()]


def train(
    network: nn.Module,
    loss: TorchLoss,
    params: Iterable[Array],
    batches: Iterable[tuple[Array, Array]],
    learning_rate: float,
    momentum: float,
) -> tuple[list[float], list[Array]]:
    """The losses of the steps, and the parameters after them, as fcnn lays them out."""
    set_parameters(network, params)
    optimizer = torch.optim.SGD(network.parameters(), learning_rate, momentum)
    values = []
    for x, labels in batches:
        optimizer.zero_grad()
        value = loss(network(torch.from_numpy(x)), torch.from_numpy(labels))
        value.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        values.append(value.item())
    return values, [_turned(parameter.detach().numpy()) for parameter in network.parameters()]


def set_parameters(network: nn.Module, params: Iterable[Array]) -> None:
    """Give a network, which takes their dtype, the parameters of an fcnn model, leaf by leaf."""
    for parameter, array in zip(network.parameters(), params, strict=True):
        own = np.array(_turned(array))
        if tuple(parameter.shape) != own.shape:
            raise ValueError(f"PyTorch has {tuple(parameter.shape)}, fcnn {own.shape}")
        parameter.data = torch.from_numpy(own)


def _turned(array: Array) -> Array:
    """The weights of a dense layer are (K, D) in PyTorch and (D, K) in fcnn."""
    return array.T if array.ndim == 2 else array


def _gradient(tensor: Tensor) -> Array:
    if tensor.grad is None:
        raise ValueError("PyTorch gives no gradient")
    gradient: Array = tensor.grad.numpy()
    return gradient
