"""The value and gradient of a loss over a batch, shard by shard."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, partial
from typing import Final, TypeAlias

import attrs
import numpy as np

from fcnn import tree
from fcnn.arguments.arrays import check_like
from fcnn.arguments.examples import check_examples
from fcnn.arguments.settings import check_kind, positive, thread_count
from fcnn.distributed.balanced_tree import shards
from fcnn.distributed.pool import Pool
from fcnn.layers.layer import Layer, call_forward, parameter_gradients
from fcnn.losses import loss as losses
from fcnn.losses.loss import Loss, call_weight
from fcnn.networks.rewriting import faster
from fcnn.numerics.arrays import Array, sum_in_order
from fcnn.tree import Structure, Tree
from fcnn.tree.comparison import check_alike

SHARD: Final = 32  # examples: small enough for the caches of a core, large enough for its calls

ValueAndGrad: TypeAlias = Callable[..., tuple[float, Tree]]
Augmentation: TypeAlias = "Callable[[np.random.Generator, Array], Array]"


@attrs.frozen(eq=False)
class BatchGradient:
    """The mean loss of a batch, what the batch weighs in a mean over batches, the outputs of the
    model shard by shard, and the gradients. The loss and gradients of a batch that weighs nothing
    say nothing.
    """

    value: float
    weight: float
    outputs: list[Array]
    grads: Tree


BatchGradients: TypeAlias = Callable[
    [Tree, Array, Array, "np.random.Generator | None"], BatchGradient
]


def value_and_grad(
    model: Layer, loss: Loss, *, threads: int | None = None, shard: int = SHARD
) -> ValueAndGrad:
    """The function that gives the loss of a batch and its gradients.

    Parameters
    ----------
    model, loss
        What maps x to outputs, and what maps outputs and labels to a number.
    threads
        How many threads, or helper processes where they can be had (see
        `distributed.helper_processes`), the shards are spread over; None: as many as there are
        cores for this process. The bits of the result do not depend on it.
    shard
        A batch of n is cut into ceil(n / shard) nearly equal shards, whose values and
        gradients are summed in order, weighted by what the loss says each one weighs.

    Returns
    -------
    f
        `f(params, x, labels, rng=None) -> (value, grads)`: value a Python float, grads of
        the structure, shapes and dtypes of params. The numbers in x are not looked at: a
        NaN there makes the loss and gradients NaN.

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
    shard = positive("value_and_grad", "shard", shard)
    threads = thread_count("value_and_grad", threads)
    gradient = batch_gradients(model, loss, threads=threads, shard=shard)

    def f(
        params: Tree, x: Array, labels: Array, rng: np.random.Generator | None = None
    ) -> tuple[float, Tree]:
        check_examples("value_and_grad", x, labels)
        if rng is not None:
            check_kind("value_and_grad", "rng", rng, np.random.Generator)
        elif model.needs_rng:
            raise ValueError(
                f"value_and_grad: {_first_that_needs_rng(model)} does something else in training "
                "than in inference; hand over rng, a NumPy generator"
            )
        result = gradient(params, x, labels, rng)
        losses.check_some_weight("value_and_grad", result.weight)
        return result.value, result.grads

    return f


def batch_gradients(
    model: Layer,
    loss: Loss,
    *,
    threads: int | None = None,
    shard: int = SHARD,
    augment: Augmentation | None = None,
) -> BatchGradients:
    """What `value_and_grad` gives and more, without its checks of what is given. Each shard of the
    inputs is augmented first, if rng is given.
    """
    model = faster(model)

    @lru_cache(maxsize=1)
    def pool_for(structure: Structure) -> Pool:
        return Pool(partial(_gradient_of_shard, model, loss, augment, structure), threads)

    def f(params: Tree, x: Array, labels: Array, rng: np.random.Generator | None) -> BatchGradient:
        parts = shards(len(x), shard)
        streams = [None] * len(parts) if rng is None else rng.spawn(len(parts))
        weight = call_weight(loss, labels)  # may be rounded otherwise than the sum of its shards
        weights = [call_weight(loss, labels[part]) for part in parts]
        # What a shard's loss was divided by: of one that weighs nothing, it is the sum.
        divisors = [own or 1.0 for own in weights]
        total = sum(weights) or 1.0
        leaves, structure = tree.flatten(params)
        check_alike("value_and_grad", "parameter", structure, leaves, leaves)  # are arrays

        def combine(results: list[list[Array]]) -> BatchGradient:
            values, outputs, *columns = zip(*results, strict=True)
            value = sum(d * float(v) for d, v in zip(divisors, values, strict=True)) / total
            grads = tree.unflatten(structure, map(sum_in_order, columns))
            return BatchGradient(value, weight, [y.copy() for y in outputs], grads)

        fractions = [divisor / total for divisor in divisors]
        items = list(zip(parts, streams, fractions, strict=True))
        return pool_for(structure).run([x, labels, *leaves], items, combine)

    return f


def _gradient_of_shard(
    model: Layer,
    loss: Loss,
    augment: Augmentation | None,
    structure: Structure,
    arrays: list[Array],
    shard: tuple[slice, np.random.Generator | None, float],
) -> list[Array]:
    """The loss, the outputs and the leaves of the gradient of one shard of a batch, from the
    inputs, the labels and the leaves of the parameters.
    """
    x, labels, *leaves = arrays
    part, rng, fraction = shard
    inputs = augmented(augment, rng, x[part])
    outputs, cache = call_forward(model, tree.unflatten(structure, leaves), inputs, rng)
    value, loss_cache = losses.call_loss(loss, outputs, labels[part])
    doutputs = losses.call_loss_backward(loss, loss_cache, outputs)
    if fraction != 1:
        # Weighting the few numbers at the top weights every gradient below. The fraction of a
        # shard that weighs nothing is 1 / total, which may exceed float32.
        wide = doutputs.dtype if fraction < 1 else np.float64
        doutputs = np.multiply(doutputs, fraction, dtype=wide).astype(doutputs.dtype, copy=False)
    grads, found = tree.flatten(parameter_gradients(model, cache, doutputs))
    if found != structure:
        raise ValueError(
            f"value_and_grad: parameters and gradient differ at {structure.difference(found)}"
        )
    check_alike("value_and_grad", "gradient", structure, leaves, grads)
    return [np.asarray(value), outputs, *grads]


def augmented(augment: Augmentation | None, rng: np.random.Generator | None, x: Array) -> Array:
    """`augment(rng, x)`, x itself without one; TypeError or ValueError unless it is like x."""
    if augment is None or rng is None:
        return x
    found = augment(rng, x)
    check_like("fit", "what augment returns", found, "what it was given", x.shape, x.dtype)
    return found


def _first_that_needs_rng(layer: Layer) -> str:
    for index, child in enumerate(layer.children):
        if child.needs_rng:
            return f"layer {index} ({_first_that_needs_rng(child)})"
    return layer.name
