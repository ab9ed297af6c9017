"""The PyTorch side: the same operations by the same names, NumPy arrays in and out.

The inputs and outputs have the names that `fcnn.proof.shipped_values` gives them. Nothing of fcnn
computes anything here. PyTorch is imported inside the functions: who does not compare with
it need not have it.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from fcnn.numerics.arrays import Array

if TYPE_CHECKING:
    from torch import Tensor, nn
    from torch.optim import Optimizer

Tensors: TypeAlias = "Mapping[str, Tensor]"
TorchLoss: TypeAlias = "Callable[..., Tensor]"  # of outputs, labels and settings


def cross_entropy(probabilities: Tensor, labels: Tensor) -> Tensor:
    """The cross-entropy of probabilities, which PyTorch has for their logarithms only."""
    from torch.nn import functional

    return functional.nll_loss(probabilities.log(), labels)


def softmax_cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """The cross-entropy of logits."""
    from torch.nn import functional

    return functional.cross_entropy(logits, labels)


def smoothed_cross_entropy(
    logits: Tensor,
    labels: Tensor,
    class_weights: Tensor | None = None,
    label_smoothing: float = 0.0,
) -> Tensor:
    """The cross-entropy of logits, smoothed, of classes with weights."""
    from torch.nn import functional

    return functional.cross_entropy(logits, labels, class_weights, label_smoothing=label_smoothing)


LOSSES: dict[str, TorchLoss] = {
    "cross_entropy": cross_entropy,
    "smoothed_cross_entropy": smoothed_cross_entropy,
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


def batch_norm(inputs: Tensors, training: bool = False, epsilon: float = 1e-5) -> Tensor:
    """(N, C, H, W) or (N, C); mean and var count in inference alone."""
    from torch.nn import functional

    mean, var = (None, None) if training else (inputs["mean"], inputs["var"])
    return functional.batch_norm(
        inputs["x"], mean, var, inputs["scale"], inputs["shift"], training, eps=epsilon
    )


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
    "batch_norm": batch_norm,
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

# No gradient changes statistics: fcnn's is 0, and for PyTorch they are buffers.
_STATISTICS = ("mean", "var")
_GIVEN = ("dy", "labels", "class_weights", *_STATISTICS)


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
        name: tensor.requires_grad_() for name, tensor in tensors.items() if name not in _GIVEN
    }
    if operation in LOSSES:
        weights = {name: tensors[name] for name in ("class_weights",) if name in tensors}
        y = LOSSES[operation](tensors["outputs"], tensors["labels"], **weights, **settings)
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
    optimizer: Optimizer,
) -> Iterator[tuple[float, list[Array]]]:
    """Training step by step: the loss of each, and the parameters after it, which the next
    step overwrites.
    """
    import torch

    set_parameters(network, params)
    for x, labels in batches:
        optimizer.zero_grad()
        value = loss(network(torch.from_numpy(x)), torch.from_numpy(labels))
        value.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        parameters = [turned(parameter.detach().numpy()) for parameter in network.parameters()]
        yield value.item(), parameters


def sgd(network: nn.Module, learning_rate: float, **settings: Any) -> Optimizer:
    """Of the parameters of a network."""
    from torch import optim

    return optim.SGD(list(network.parameters()), learning_rate, **settings)


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
