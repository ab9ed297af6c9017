"""The value and gradient of a loss over a batch, shard by shard."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import attrs
import numpy as np

from fcnn import tree, workers
from fcnn.arrays import Array
from fcnn.layer import Layer, call_forward, parameter_gradients
from fcnn.losses import Loss
from fcnn.rewriting import faster
from fcnn.tree import Tree
from fcnn.validation import check_examples, check_kind, positive

ValueAndGrad: TypeAlias = Callable[..., tuple[float, Tree]]


@attrs.frozen(eq=False)
class BatchGradient:
    """The loss of a batch, the outputs of the model shard by shard, and the gradients."""

    value: float
    outputs: list[Array]
    grads: Tree


def value_and_grad(
    model: Layer, loss: Loss, *, threads: int | None = None, shard: int = 32
) -> ValueAndGrad:
    """The function that gives the loss of a batch and its gradients.

    Parameters
    ----------
    model, loss
        What maps x to outputs, and what maps outputs and labels to a number.
    threads
        How many threads the shards are spread over; None: as many as the process has
        cores. The bits of the result do not depend on it.
    shard
        A batch of n is cut into ceil(n / shard) nearly equal shards, whose values and
        gradients are summed in order, weighted by what the loss says each one weighs.

    Returns
    -------
    f
        `f(params, x, labels, rng=None) -> (value, grads)`: value a Python float, grads of
        the structure, shapes and dtypes of params.

    Examples
    --------
    >>> import fcnn, numpy as np
    >>> model = fcnn.chain(fcnn.flatten, fcnn.dense(2))
    >>> params, _ = model.init(np.random.default_rng(0), (1, 2, 2))
    >>> f = fcnn.value_and_grad(model, fcnn.softmax_cross_entropy)
    >>> value, grads = f(params, np.zeros((3, 1, 2, 2), np.float32), np.array([0, 1, 1]))
    >>> round(value, 4), grads[1].b.round(4)
    (0.6931, array([ 0.1667, -0.1667], dtype=float32))
    """
    check_kind("value_and_grad", "model", model, Layer)
    check_kind("value_and_grad", "loss", loss, Loss)
    positive("value_and_grad", "shard", shard)
    if threads is not None:
        positive("value_and_grad", "threads", threads)

    def f(
        params: Tree, x: Array, labels: Array, rng: np.random.Generator | None = None
    ) -> tuple[float, Tree]:
        result = batch_gradient(model, loss, params, x, labels, rng, threads=threads, shard=shard)
        return result.value, result.grads

    return f


def batch_gradient(
    model: Layer,
    loss: Loss,
    params: Tree,
    x: Array,
    labels: Array,
    rng: np.random.Generator | None = None,
    *,
    threads: int | None = None,
    shard: int = 32,
) -> BatchGradient:
    """What `value_and_grad` computes, together with the outputs of the model."""
    check_examples("value_and_grad", x, labels)
    parts = shards(len(x), shard)
    streams = [None] * len(parts) if rng is None else rng.spawn(len(parts))
    model = faster(model)
    weights = [float(loss.weight(labels[part])) for part in parts]
    total = sum(weights)
    if not total > 0:
        raise ValueError(f"value_and_grad: the examples weigh {total} in all, expected more than 0")

    def one_shard(i: int) -> BatchGradient:
        outputs, cache = call_forward(model, params, x[parts[i]], streams[i])
        value, loss_cache = loss.forward(outputs, labels[parts[i]])
        doutputs = loss.backward(loss_cache)
        if len(parts) > 1:
            # Weighting the few numbers at the top weights every gradient below.
            doutputs = doutputs * (weights[i] / total)
        return BatchGradient(value, [outputs], parameter_gradients(model, cache, doutputs))

    results = workers.run(one_shard, range(len(parts)), threads)
    if len(parts) == 1:
        return results[0]
    value = sum(w * result.value for w, result in zip(weights, results, strict=True)) / total
    outputs = [result.outputs[0] for result in results]
    return BatchGradient(float(value), outputs, _sum_in_order([result.grads for result in results]))


def shards(n: int, size: int) -> list[slice]:
    """Cut n examples into ceil(n / size) nearly equal parts, a function of these alone."""
    count = -(-n // size)
    return [slice(i * n // count, (i + 1) * n // count) for i in range(count)]


def _sum_in_order(trees: list[Tree]) -> Tree:
    def add(first: Array, second: Array, *rest: Array) -> Array:
        total = first + second
        for other in rest:
            total += other
        return total

    return tree.map(add, *trees)
