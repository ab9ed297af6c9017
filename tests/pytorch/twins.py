"""A network of fcnn in modules of PyTorch, as somebody would have written it there."""

from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor, nn

import fcnn
from fcnn.networks.documents import public_name
from fcnn.numerics.arrays import Shape


class Residual(nn.Sequential):
    """x + f(x)."""

    def forward(self, x: Tensor) -> Tensor:
        return x + super().forward(x)


class Parallel(nn.ModuleList):
    """Branches that each get the same x; their outputs concatenated, or added."""

    def __init__(self, *branches: nn.Module, merge: str = "concatenate") -> None:
        super().__init__(branches)
        self.merge = merge

    def forward(self, x: Tensor) -> Tensor:
        ys = [branch(x) for branch in self]
        return torch.cat(ys, 1) if self.merge == "concatenate" else torch.stack(ys).sum(0)


def twin(layer: fcnn.Layer, in_shape: Shape) -> nn.Module:
    """The same layer in PyTorch, of examples of that shape; the parameters are its own."""
    name, children = public_name(layer), layer.children
    assert name is not None, f"{layer} is no layer of fcnn"
    if name == "chain":
        return nn.Sequential(*_in_sequence(children, in_shape))
    if name == "residual":
        inner = children[0]
        chained = public_name(inner) == "chain"
        return Residual(*_in_sequence(inner.children if chained else children, in_shape))
    if name == "parallel":
        return Parallel(*[twin(child, in_shape) for child in children], **layer.settings)
    return MODULES[name](in_shape, **layer.settings)


def outputs(module: nn.Module, x: Any) -> Any:
    """What a module makes of an array in inference, as an array."""
    with torch.no_grad():
        return module.eval()(torch.from_numpy(x)).numpy()


def _in_sequence(layers: tuple[fcnn.Layer, ...], shape: Shape) -> list[nn.Module]:
    modules = []
    for layer in layers:
        modules.append(twin(layer, shape))
        shape = layer.init(np.random.default_rng(0), shape)[1]
    return modules


def _conv2d(in_shape: Shape, features: int, kernel: Any, **settings: Any) -> nn.Module:
    settings.pop("initializer", None)
    return nn.Conv2d(in_shape[0], features, kernel, **settings)


def _dense(in_shape: Shape, features: int, bias: bool = True, initializer: Any = "") -> nn.Module:
    return nn.Linear(in_shape[0], features, bias)


def _batch_norm(in_shape: Shape, epsilon: float = 1e-5) -> nn.Module:
    kind = nn.BatchNorm2d if len(in_shape) == 3 else nn.BatchNorm1d
    return kind(in_shape[0], epsilon)


# By its public name, what stands for a layer: of the shape of an example, and its settings.
MODULES: Final[Mapping[str, Callable[..., nn.Module]]] = {
    "avg_pool2d": lambda shape, window, stride, padding: nn.AvgPool2d(window, stride, padding),
    "batch_norm": _batch_norm,
    "conv2d": _conv2d,
    "dense": _dense,
    "dropout": lambda shape, rate: nn.Dropout(rate),
    "flatten": lambda shape: nn.Flatten(),
    "gelu": lambda shape: nn.GELU(),
    "global_avg_pool": lambda shape: nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten()),
    "leaky_relu": lambda shape, slope: nn.LeakyReLU(slope),
    "max_pool2d": lambda shape, window, stride, padding: nn.MaxPool2d(window, stride, padding),
    "relu": lambda shape: nn.ReLU(),
    "sigmoid": lambda shape: nn.Sigmoid(),
    "softmax": lambda shape: nn.Softmax(-1),
    "tanh": lambda shape: nn.Tanh(),
}
