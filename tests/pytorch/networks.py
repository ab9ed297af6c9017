"""The models of fcnn, written out by hand in PyTorch."""

from collections.abc import Callable
from typing import Any

import attrs
import numpy as np
from torch import nn

import fcnn
from fcnn import tree
from fcnn.proof.pytorch import mnist_cnn


@attrs.frozen
class Model:
    """A model of fcnn, the same network in PyTorch, and its kind of images and classes."""

    name: str
    network: Callable[[], nn.Module]
    in_shape: tuple[int, int, int]
    classes: int

    def make(self) -> fcnn.Layer:
        """The model of fcnn."""
        model: fcnn.Layer = getattr(fcnn.models, self.name)()
        return model

    def params(self, dtype: Any) -> Any:
        """Initial parameters, with biases that are not zero."""
        rng = np.random.default_rng(0)
        params, _ = self.make().init(rng, self.in_shape)
        biases = tree.map(lambda a: (0.1 * rng.standard_normal(a.shape)) * (a.ndim == 1), params)
        return tree.map(lambda a, b: (a + b).astype(dtype), params, biases)


def lines_cnn() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(8, 16, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(16 * 3 * 3, 32),
        nn.ReLU(),
        nn.Linear(32, 3),
    )


def lenet5() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(6, 16, 5),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(16 * 5 * 5, 120),
        nn.ReLU(),
        nn.Linear(120, 84),
        nn.ReLU(),
        nn.Linear(84, 10),
    )


def linear() -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(28 * 28, 10))


MODELS = [
    Model("mnist_cnn", mnist_cnn, (1, 28, 28), 10),
    Model("lines_cnn", lines_cnn, (1, 14, 14), 3),
    Model("lenet5", lenet5, (1, 28, 28), 10),
    Model("linear", linear, (1, 28, 28), 10),
]
