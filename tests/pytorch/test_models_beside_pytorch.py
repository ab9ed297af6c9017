"""Whole models against PyTorch: the loss and the gradient of every parameter.

The networks are written out here once more, by hand, so that a model that is not what its
name says is noticed too.
"""

from typing import Any

import numpy as np
import pytest
import torch_training
from agreement import assert_agree
from networks import MODELS, Model
from torch import nn

import fcnn
from fcnn import tree
from fcnn.proof.pytorch import LOSSES


def batch(model: Model, n: int, dtype: Any) -> tuple[Any, Any]:
    rng = np.random.default_rng(n)
    return rng.random((n, *model.in_shape)).astype(dtype), rng.integers(0, model.classes, n)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("n", [1, 5, 70])  # 70: three shards
@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_loss_and_gradients_agree_with_torch(model: Model, n: int, dtype: Any) -> None:
    f = fcnn.value_and_grad(model.make(), fcnn.softmax_cross_entropy)
    params, (x, labels) = model.params(dtype), batch(model, n, dtype)
    value, grads = f(params, x, labels)
    loss = LOSSES["softmax_cross_entropy"]
    leaves = tree.leaves(params)
    expected = torch_training.value_and_grad(model.network(), loss, leaves, x, labels)
    agree(value, grads, expected, dtype)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_network_that_ends_in_softmax_agrees_with_torch(dtype: Any) -> None:
    """The derivative of the softmax is taken once, by the layer, and not by the loss."""
    model = MODELS[1]
    f = fcnn.value_and_grad(fcnn.chain(*model.make().children, fcnn.softmax), fcnn.cross_entropy)
    params, (x, labels) = model.params(dtype), batch(model, 40, dtype)
    value, grads = f((*params, ()), x, labels)
    network = nn.Sequential(model.network(), nn.Softmax(-1))
    loss = LOSSES["cross_entropy"]
    expected = torch_training.value_and_grad(network, loss, tree.leaves(params), x, labels)
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
