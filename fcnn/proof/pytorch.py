"""The PyTorch side: the same operations by the same names, NumPy arrays in and out.

The inputs and outputs have the names that `fcnn.proof.shipped_values` gives them. Nothing of fcnn
computes anything here. Who does not compare with PyTorch need not have it: this module, which
imports it, is imported by `fcnn.proof.beside_pytorch` alone.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeAlias

import numpy as np
import torch
from torch import Tensor, nn, optim
from torch.nn import functional

from fcnn.numerics.arrays import Array

Tensors: TypeAlias = Mapping[str, Tensor]
TorchLoss: TypeAlias = Callable[..., Tensor]  # of outputs, labels and settings


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


def batch_norm(inputs: Tensors, training: bool = False, epsilon: float = 1e-5) -> Tensor:
    """(N, C, H, W) or (N, C); mean and var count in inference alone."""
    mean, var = (None, None) if training else (inputs["mean"], inputs["var"])
    return functional.batch_norm(
        inputs["x"], mean, var, inputs["scale"], inputs["shift"], training, eps=epsilon
    )


# Each of the inputs and the settings that the plain function in fcnn has.
OPERATIONS: dict[str, Callable[..., Tensor]] = {
    "avg_pool2d": lambda inputs, window=2, stride=None, padding=0: functional.avg_pool2d(
        inputs["x"], window, stride, padding
    ),
    "batch_norm": batch_norm,
    "conv2d": conv2d,
    "dense": lambda inputs: inputs["x"] @ inputs["w"] + inputs.get("b", 0),
    "flatten": lambda inputs: inputs["x"].flatten(1),
    "gelu": lambda inputs: functional.gelu(inputs["x"]),
    "global_avg_pool": lambda inputs: inputs["x"].mean((2, 3)),
    "leaky_relu": lambda inputs, slope=0.01: functional.leaky_relu(inputs["x"], slope),
    "max_pool2d": lambda inputs, window=2, stride=None, padding=0: functional.max_pool2d(
        inputs["x"], window, stride, padding
    ),
    "relu": lambda inputs: inputs["x"].relu(),
    "sigmoid": lambda inputs: inputs["x"].sigmoid(),
    "softmax": lambda inputs: inputs["x"].softmax(-1),
    "tanh": lambda inputs: inputs["x"].tanh(),
}

# PyTorch has the cross-entropy of probabilities for their logarithms only.
LOSSES: dict[str, TorchLoss] = {
    "cross_entropy": lambda p, labels: functional.nll_loss(p.log(), labels),
    "mean_squared_error": functional.mse_loss,
    "smoothed_cross_entropy": lambda logits, labels, class_weights=None, label_smoothing=0.0: (
        functional.cross_entropy(logits, labels, class_weights, label_smoothing=label_smoothing)
    ),
    "softmax_cross_entropy": functional.cross_entropy,
}

# No gradient changes statistics: fcnn's is 0, and for PyTorch they are buffers.
_STATISTICS = ("mean", "var")
_GIVEN = ("dy", "labels", "targets", "class_weights", *_STATISTICS)


def mnist_cnn() -> nn.Module:
    """The reference network on images (1, 28, 28), written out."""
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
    tensors = {name: torch.from_numpy(np.array(array)) for name, array in inputs.items()}
    differentiable = {
        name: tensor.requires_grad_() for name, tensor in tensors.items() if name not in _GIVEN
    }
    if operation in LOSSES:
        weights = {name: tensors[name] for name in ("class_weights",) if name in tensors}
        targets = tensors["labels" if "labels" in tensors else "targets"]
        y = LOSSES[operation](tensors["outputs"], targets, **weights, **settings)
        y.backward()  # type: ignore[no-untyped-call]
    else:
        y = OPERATIONS[operation](tensors, **settings)
        y.backward(tensors["dy"])  # type: ignore[no-untyped-call]
    found = {"loss" if operation in LOSSES else "y": y.detach().numpy()}
    found |= {f"d{name}": gradient(tensor) for name, tensor in differentiable.items()}
    return found | {f"d{n}": np.zeros_like(inputs[n]) for n in _STATISTICS if n in inputs}


def steps(
    network: nn.Module,
    loss: TorchLoss,
    params: Iterable[Array],
    batches: Iterable[tuple[Array, Array]],
    optimizer: optim.Optimizer,
) -> Iterator[tuple[float, list[Array]]]:
    """Training step by step: the loss of each, and the parameters after it, which the next
    step overwrites.
    """
    set_parameters(network, params)
    for x, labels in batches:
        optimizer.zero_grad()
        value = loss(network(torch.from_numpy(x)), torch.from_numpy(labels))
        value.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        parameters = [turned(parameter.detach().numpy()) for parameter in network.parameters()]
        yield value.item(), parameters


def sgd(network: nn.Module, learning_rate: float, **settings: Any) -> optim.Optimizer:
    """Of the parameters of a network."""
    return optim.SGD(list(network.parameters()), learning_rate, **settings)


def outputs(network: nn.Module, x: Array) -> Array:
    """What a network makes of examples."""
    with torch.no_grad():
        y: Array = network(torch.from_numpy(x)).numpy()
    return y


def set_parameters(network: nn.Module, params: Iterable[Array]) -> None:
    """Give a network, which takes their dtype, the parameters of an fcnn model, leaf by leaf."""
    for parameter, array in zip(network.parameters(), params, strict=True):
        own = np.array(turned(array))
        if tuple(parameter.shape) != own.shape:
            raise ValueError(f"PyTorch has {tuple(parameter.shape)}, fcnn {own.shape}")
        parameter.data = torch.from_numpy(own)


def turned(array: Array) -> Array:
    """The weights of a dense layer are (K, D) in PyTorch and (D, K) in fcnn."""
    return array.T if array.ndim == 2 else array


def gradient(tensor: Tensor) -> Array:
    """Of what was differentiated, by the tensor."""
    if tensor.grad is None:
        raise ValueError("PyTorch gives no gradient")
    found: Array = tensor.grad.numpy()
    return found
