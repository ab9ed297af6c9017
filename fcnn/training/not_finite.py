"""Where a training step went wrong: the first layer whose numbers are no longer finite."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any, TypeAlias

import numpy as np

from fcnn import tree
from fcnn.layers.layer import Layer, call_backward, call_forward
from fcnn.losses.loss import Loss
from fcnn.networks.chain import chain
from fcnn.numerics.arrays import Array
from fcnn.tree import Tree

Stage: TypeAlias = tuple[str, Layer, Tree]  # a layer that is no chain, with name and parameters


def are_finite(arrays: Tree) -> bool:
    """Whether all numbers in a tree of arrays are finite."""
    with np.errstate(over="ignore", invalid="ignore"):
        # The sum is finite only if all numbers are, and takes half the time; it may be
        # infinite though they are not.
        return all(
            math.isfinite(array.sum()) or bool(np.isfinite(array).all())
            for array in tree.leaves(arrays)
        )


def first_not_finite(
    model: Layer,
    params: Tree,
    shards: Sequence[tuple[Loss, Array, Array, np.random.Generator | None]],
) -> str:
    """What was first not finite in a step, in words: the parameters, the output or the
    gradient of a layer. Goes through the step again, layer by layer, one shard (loss, x,
    labels, rng) after the other.
    """
    stages = list(_stages(model, params, ""))
    with np.errstate(all="ignore"):
        for shard in shards:
            found = _in_shard(stages, *shard)
            if found:
                return found
    return "the sum over the shards of the batch"


def _in_shard(
    stages: list[Stage], loss: Loss, x: Array, labels: Array, rng: np.random.Generator | None
) -> str | None:
    if not are_finite(x):
        return "the inputs"
    caches: list[Any] = []
    for name, layer, params in stages:
        if not are_finite(params):
            return f"the parameters of {name}"
        x, cache = call_forward(layer, params, x, rng)
        if not are_finite(x):
            return f"the output of {name}"
        caches.append(cache)
    value, cache = loss.forward(x, labels)
    dy = loss.backward(cache)
    if not math.isfinite(value):
        return f"the loss, {loss.name}"
    if not are_finite(dy):
        return f"the gradient of the loss, {loss.name}"
    for (name, layer, _), cache in zip(reversed(stages), reversed(caches), strict=True):
        dparams, dy = call_backward(layer, cache, dy)
        if not are_finite((dparams, dy)):
            return f"the gradient of {name}"
    return None


def _stages(layer: Layer, params: Tree, place: str) -> Iterator[Stage]:
    if layer.make is not chain:
        yield f"layer {place or 0}, {layer!r}", layer, params
        return
    for i, child in enumerate(layer.children):
        yield from _stages(child, params[i], f"{place}.{i}" if place else f"{i}")
