"""Residuals, branches and dropout against PyTorch: output, gradient of x and of every parameter.

The functions are written out here once more, by hand, for tensors.
"""

from collections.abc import Callable, Sequence
from typing import Any

import attrs
import numpy as np
import pytest
import torch
from agreement import assert_agree
from torch import Tensor
from torch.nn import functional

import fcnn
from fcnn import tree
from fcnn.numerics.arrays import Array
from fcnn.proof.pytorch import LOSSES

Function = Callable[..., Tensor]  # of x and the leaves of the parameters

DTYPES = [np.float32, np.float64]


@attrs.frozen
class Branch:
    """A layer of fcnn, the same function in PyTorch, and the shape of an example."""

    name: str
    layer: fcnn.Layer
    function: Function
    in_shape: tuple[int, ...]


def conv(x: Tensor, w: Tensor, b: Tensor | None = None) -> Tensor:
    return functional.conv2d(x, w, b, padding=w.shape[-1] // 2)


def dense(x: Tensor, w: Tensor, b: Tensor) -> Tensor:
    return x @ w + b


def pyramid(merge: Callable[[Sequence[Tensor]], Tensor]) -> Function:
    """Kernels of 1 and 3 pixels and the input itself, each on all of x."""
    return lambda x, w1, w3, b3: merge([conv(x, w1), conv(x, w3, b3).tanh(), x])


PYRAMID = (
    fcnn.conv2d(3, 1, bias=False),
    fcnn.chain(fcnn.conv2d(3, 3, padding="same"), fcnn.tanh),
    fcnn.chain(),
)

BRANCHES = [
    Branch(
        "residual of a convolution",
        fcnn.residual(fcnn.conv2d(3, 3, padding="same")),
        lambda x, w, b: x + conv(x, w, b),
        (3, 6, 5),
    ),
    Branch(
        "residual of a chain that is rewritten",
        fcnn.residual(
            fcnn.chain(
                fcnn.conv2d(3, padding=1), fcnn.relu, fcnn.max_pool2d(3, stride=1, padding=1)
            )
        ),
        lambda x, w, b: x + functional.max_pool2d(conv(x, w, b).relu(), 3, 1, 1),
        (3, 6, 5),
    ),
    Branch(
        "residual of a residual",
        fcnn.residual(fcnn.chain(fcnn.residual(fcnn.dense(7)), fcnn.gelu)),
        lambda x, w, b: x + functional.gelu(x + dense(x, w, b)),
        (7,),
    ),
    Branch("channels", fcnn.parallel(*PYRAMID), pyramid(lambda ys: torch.cat([*ys], 1)), (3, 6, 5)),
    Branch(
        "sum",
        fcnn.parallel(*PYRAMID, merge="add"),
        pyramid(lambda ys: ys[0] + ys[1] + ys[2]),
        (3, 6, 5),
    ),
    Branch(
        "features",
        fcnn.parallel(fcnn.dense(4), fcnn.chain(fcnn.dense(2), fcnn.sigmoid)),
        lambda x, w, b, v, c: torch.cat([dense(x, w, b), dense(x, v, c).sigmoid()], 1),
        (5,),
    ),
    Branch(
        "sum of features",
        fcnn.parallel(fcnn.dense(4), fcnn.dense(4), merge="add"),
        lambda x, w, b, v, c: dense(x, w, b) + dense(x, v, c),
        (5,),
    ),
]


def draw(branch: Branch, n: int, dtype: Any) -> tuple[Any, Array]:
    """Parameters, with biases that are not zero, and inputs."""
    rng = np.random.default_rng(n)
    params, _ = branch.layer.init(rng, branch.in_shape)
    params = tree.map(lambda a: (a + 0.1 * rng.standard_normal(a.shape)).astype(dtype), params)
    return params, np.asarray(rng.standard_normal((n, *branch.in_shape)), dtype)


def tensors_of(arrays: Sequence[Array]) -> list[Tensor]:
    return [torch.from_numpy(np.array(array)).requires_grad_() for array in arrays]


def gradient_of(tensor: Tensor) -> Array:
    assert tensor.grad is not None
    gradient: Array = tensor.grad.numpy()
    return gradient


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n", [1, 5])
@pytest.mark.parametrize("branch", BRANCHES, ids=lambda branch: branch.name)
def test_branches_agree_with_torch(branch: Branch, n: int, dtype: Any) -> None:
    params, x = draw(branch, n, dtype)
    y, cache = branch.layer.forward(params, x)
    dy = np.asarray(np.random.default_rng(7).standard_normal(y.shape), dtype)
    dparams, dx = branch.layer.backward(cache, dy)
    leaves = tree.leaves(params)
    own, *tensors = tensors_of([x, *leaves])
    expected = branch.function(own, *tensors)
    expected.backward(torch.from_numpy(dy))  # type: ignore[no-untyped-call, unused-ignore]
    paths = [path for path, _ in tree.leaves_with_path(params)]
    assert_agree(
        {"y": y, "dx": dx, **dict(tree.leaves_with_path(dparams))},
        {
            "y": expected.detach().numpy(),
            "dx": gradient_of(own),
            **dict(zip(paths, map(gradient_of, tensors), strict=True)),
        },
        dtype,
    )


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("branch", BRANCHES, ids=lambda branch: branch.name)
def test_networks_of_branches_agree_with_torch(branch: Branch, dtype: Any) -> None:
    """As a network is trained: rewritten for speed, in three shards."""
    params, x = draw(branch, 70, dtype)
    labels = np.random.default_rng(7).integers(0, 3, 70)
    model = fcnn.chain(branch.layer, fcnn.flatten, fcnn.dense(3))
    (_, _, top), _ = model.init(np.random.default_rng(8), branch.in_shape)
    top = tree.map(lambda a: a.astype(dtype), top)
    params = (params, (), top)
    value, grads = fcnn.value_and_grad(model, fcnn.softmax_cross_entropy)(params, x, labels)
    *leaves, w, b = tensors_of(tree.leaves(params))
    logits = dense(branch.function(torch.from_numpy(x), *leaves).flatten(1), w, b)
    loss = LOSSES["softmax_cross_entropy"](logits, torch.from_numpy(labels))
    loss.backward()  # type: ignore[no-untyped-call, unused-ignore]
    paths = [path for path, _ in tree.leaves_with_path(params)]
    assert_agree(
        {"loss": np.asarray(value), **dict(tree.leaves_with_path(grads))},
        {
            "loss": np.asarray(loss.item()),
            **dict(zip(paths, map(gradient_of, [*leaves, w, b]), strict=True)),
        },
        dtype,
    )


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(1, 1), (5, 7), (2, 3, 4), (3, 4, 6, 5)])
@pytest.mark.parametrize("rate", [0.0, 0.1, 0.5, 0.9])
def test_dropout_agrees_with_torch_under_the_mask_that_it_drew(
    rate: float, shape: tuple[int, ...], dtype: Any
) -> None:
    rng = np.random.default_rng(0)
    # No zeros but those of dropout.
    x, dy = (np.asarray(rng.uniform(1, 2, shape), dtype) for _ in range(2))
    y, cache = fcnn.dropout_forward(x, np.random.default_rng(1), rate=rate)
    mask = torch.from_numpy(y != 0)
    (own,) = tensors_of([x])
    expected = own * mask / (1 - rate)
    expected.backward(torch.from_numpy(dy))  # type: ignore[no-untyped-call, unused-ignore]
    assert_agree(
        {"y": y, "dx": fcnn.dropout_backward(cache, dy)},
        {"y": expected.detach().numpy(), "dx": gradient_of(own)},
        dtype,
    )


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
def test_dropout_keeps_as_many_as_torch_does(rate: float) -> None:
    """Of 40,000 values each, so that a standard deviation is at most 0.0025."""
    kept = fcnn.dropout_forward(np.ones((200, 200)), np.random.default_rng(0), rate=rate)[0] != 0
    torch.manual_seed(0)
    theirs = functional.dropout(torch.ones(200, 200), rate).numpy() != 0
    assert abs(float(kept.mean()) - float(theirs.mean())) < 0.0125
    assert abs(float(kept.mean()) - (1 - rate)) < 0.0125
