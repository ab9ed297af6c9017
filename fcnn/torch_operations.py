"""The PyTorch side: the same operations by the same names, NumPy arrays in and out.

The inputs and outputs have the names that `fcnn.reference` gives them. Nothing of fcnn
computes anything here. PyTorch is imported inside the functions: who does not compare with
it need not have it.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from fcnn.arrays import Array

if TYPE_CHECKING:
    from torch import Tensor, nn

Tensors: TypeAlias = "Mapping[str, Tensor]"
TorchLoss: TypeAlias = "Callable[[Tensor, Tensor], Tensor]"


def cross_entropy(probabilities: Tensor, labels: Tensor) -> Tensor:
    """The cross-entropy of probabilities, which PyTorch has for their logarithms only."""
    from torch.nn import functional

    return functional.nll_loss(probabilities.log(), labels)


def softmax_cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """The cross-entropy of logits."""
    from torch.nn import functional

    return functional.cross_entropy(logits, labels)


LOSSES: dict[str, TorchLoss] = {
    "cross_entropy": cross_entropy,
    "softmax_cross_entropy": softmax_cross_entropy,
}


def conv2d(
    inputs: Tensors, stride: Any = 1, padding: Any = 0, dilation: Any = 1, groups: int = 1
) -> Tensor:
    """(N, C, H, W) -> (N, F, OH, OW)."""
    from torch.nn import functional

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
    from torch.nn import functional

    return functional.max_pool2d(inputs["x"], window, stride, padding)


def avg_pool2d(inputs: Tensors, window: Any = 2, stride: Any = None, padding: Any = 0) -> Tensor:
    """(N, C, H, W) -> (N, C, OH, OW); by default zeros of the padding count in the mean."""
    from torch.nn import functional

    return functional.avg_pool2d(inputs["x"], window, stride, padding)


def leaky_relu(inputs: Tensors, slope: float = 0.01) -> Tensor:
    """Of any shape."""
    from torch.nn import functional

    return functional.leaky_relu(inputs["x"], slope)


def gelu(inputs: Tensors) -> Tensor:
    """Of any shape, by erf."""
    from torch.nn import functional

    return functional.gelu(inputs["x"])


OPERATIONS: dict[str, Callable[..., Tensor]] = {
    "avg_pool2d": avg_pool2d,
    "conv2d": conv2d,
    "dense": dense,
    "flatten": lambda inputs: inputs["x"].flatten(1),
    "gelu": gelu,
    "global_avg_pool": lambda inputs: inputs["x"].mean((2, 3)),
    "leaky_relu": leaky_relu,
    "max_pool2d": max_pool2d,
    "relu": lambda inputs: inputs["x"].relu(),
    "sigmoid": lambda inputs: inputs["x"].sigmoid(),
    "softmax": lambda inputs: inputs["x"].softmax(-1),
    "tanh": lambda inputs: inputs["x"].tanh(),
}


def mnist_cnn() -> nn.Module:
    """The reference network on images (1, 28, 28), written out."""
    from torch import nn

    return nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(8, 16, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(16 * 7 * 7, 128),
        nn.ReLU(),
        nn.Linear(128, 10),
    )


@contextmanager
def threads(count: int) -> Iterator[None]:
    """That many threads of PyTorch in the block, and as many as before after it."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def compute(
    operation: str, settings: Mapping[str, Any], inputs: Mapping[str, Array]
) -> dict[str, Array]:
    """The output of an operation or loss, and the gradient of every input that has one."""
    import torch

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
    import torch

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
    found = list(steps(network, loss, params, batches, learning_rate, momentum))
    return [value for value, _ in found], found[-1][1]


def steps(
    network: nn.Module,
    loss: TorchLoss,
    params: Iterable[Array],
    batches: Iterable[tuple[Array, Array]],
    learning_rate: float,
    momentum: float,
) -> Iterator[tuple[float, list[Array]]]:
    """Training step by step: the loss of each, and the parameters after it, which the next
    step overwrites.
    """
    import torch

    set_parameters(network, params)
    optimizer = torch.optim.SGD(network.parameters(), learning_rate, momentum)
    for x, labels in batches:
        optimizer.zero_grad()
        value = loss(network(torch.from_numpy(x)), torch.from_numpy(labels))
        value.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        parameters = [_turned(parameter.detach().numpy()) for parameter in network.parameters()]
        yield value.item(), parameters


def outputs(network: nn.Module, x: Array) -> Array:
    """What a network makes of examples."""
    import torch

    with torch.no_grad():
        y: Array = network(torch.from_numpy(x)).numpy()
    return y


def set_parameters(network: nn.Module, params: Iterable[Array]) -> None:
    """Give a network, which takes their dtype, the parameters of an fcnn model, leaf by leaf."""
    import torch

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
