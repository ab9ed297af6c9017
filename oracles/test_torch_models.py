"""Whole models against PyTorch: the loss and the gradient of every parameter.

The networks are written out here once more, by hand, so that a model that is not what its
name says is noticed too.
"""

from collections.abc import Callable
from typing import Any

import attrs
import numpy as np
import pytest
from agreement import assert_agree
from torch import nn

import fcnn
from fcnn import losses, torch_operations, tree


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
    Model("mnist_cnn", torch_operations.mnist_cnn, (1, 28, 28), 10),
    Model("lines_cnn", lines_cnn, (1, 14, 14), 3),
    Model("lenet5", lenet5, (1, 28, 28), 10),
    Model("linear", linear, (1, 28, 28), 10),
]


def batch(model: Model, n: int, dtype: Any) -> tuple[Any, Any]:
    rng = np.random.default_rng(n)
    return rng.random((n, *model.in_shape)).astype(dtype), rng.integers(0, model.classes, n)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("n", [1, 5, 70])  # 70: three shards
@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_loss_and_gradients_agree_with_torch(model: Model, n: int, dtype: Any) -> None:
    f = fcnn.value_and_grad(model.make(), losses.softmax_cross_entropy)
    params, (x, labels) = model.params(dtype), batch(model, n, dtype)
    value, grads = f(params, x, labels)
    loss = torch_operations.LOSSES["softmax_cross_entropy"]
    leaves = tree.leaves(params)
    expected = torch_operations.value_and_grad(model.network(), loss, leaves, x, labels)
    agree(value, grads, expected, dtype)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_network_that_ends_in_softmax_agrees_with_torch(dtype: Any) -> None:
    """The derivative of the softmax is taken once, by the layer, and not by the loss."""
    model = MODELS[1]
    f = fcnn.value_and_grad(fcnn.chain(*model.make().children, fcnn.softmax), losses.cross_entropy)
    params, (x, labels) = model.params(dtype), batch(model, 40, dtype)
    value, grads = f((*params, ()), x, labels)
    network = nn.Sequential(model.network(), nn.Softmax(-1))
    loss = torch_operations.LOSSES["cross_entropy"]
    expected = torch_operations.value_and_grad(network, loss, tree.leaves(params), x, labels)
    agree(value, grads, expected, dtype)


def agree(value: float, grads: Any, expected: tuple[float, list[Any]], dtype: Any) -> None:
    expected_value, expected_grads = expected
    paths = [path for path, _ in tree.leaves_with_path(grads)]
    assert_agree(
        {"loss": np.asarray(value), **dict(tree.leaves_with_path(grads))},
        {
            "loss": np.asarray(expected_value),
            **dict(zip(paths, expected_grads, strict=True)),
        },
        dtype,
    )
