"""The value and gradient of a loss over a batch, shard by shard."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from typing import Any, Final, TypeAlias

import attrs
import numpy as np

from fcnn import tree
from fcnn.arguments.arrays import check_like
from fcnn.arguments.examples import check_examples
from fcnn.arguments.settings import check_kind, positive, thread_count
from fcnn.distributed.balanced_tree import shards
from fcnn.distributed.pool import Pool
from fcnn.distributed.world import World
from fcnn.layers.layer import Layer, call_forward, parameter_gradients
from fcnn.losses import loss as losses
from fcnn.losses.loss import Loss, call_weight
from fcnn.networks.rewriting import by_faster
from fcnn.numerics.arrays import Array
from fcnn.tree import Structure, Tree
from fcnn.tree.comparison import check_alike

SHARD: Final = 32  # examples: small enough for the caches of a core, large enough for its calls

ValueAndGrad: TypeAlias = Callable[..., tuple[float, Tree]]
Augmentation: TypeAlias = "Callable[[np.random.Generator, Array], Array]"


@attrs.frozen
class Shards:
    """How a batch is cut: what each shard is, how much of the loss, and what it draws from.

    Attributes
    ----------
    parts
        The examples of each.
    divisors
        What the loss of each was divided by: what it weighs, or 1 if it weighs nothing, for then
        it is a sum.
    total, weight
        What they weigh together: their sum, or 1 if that is nothing; and as the loss says it of
        the whole batch, which may be rounded otherwise.
    streams
        The kind of the generator, and the seed of each shard; None without a generator.
    """

    parts: tuple[slice, ...]
    divisors: tuple[float, ...]
    total: float
    weight: float
    streams: tuple[Callable[[Any], Any], tuple[Any, ...]] | None

    def stream(self, i: int) -> np.random.Generator | None:
        """A generator for that shard, as if nothing had been drawn yet."""
        if self.streams is None:
            return None
        kind, seeds = self.streams
        return np.random.Generator(kind(seeds[i]))


@attrs.frozen(eq=False)
class BatchGradient:
    """The mean loss of a batch, what the batch weighs in a mean over batches, how many of its
    examples were told right, and the gradients. The loss and gradients of a batch that weighs
    nothing say nothing.
    """

    value: float
    weight: float
    right: int
    grads: Tree


@attrs.frozen(eq=False)
class GradientOfShards:
    """What computes shards of a batch, and what makes a `BatchGradient` of their sums.

    The arrays of a shard are its loss and how many of its examples were told right, then the
    gradients, each C-contiguous, weighted so that their sums are those of the batch.
    """

    model: Layer
    loss: Loss
    augment: Augmentation | None = None
    counts_right: bool = False

    def cut(self, labels: Array, rng: np.random.Generator | None, size: int = SHARD) -> Shards:
        """How a batch with these labels is cut into shards."""
        parts = tuple(shards(len(labels), size))
        weights = [call_weight(self.loss, labels[part]) for part in parts]
        return Shards(
            parts,
            divisors=tuple(own or 1.0 for own in weights),
            total=sum(weights) or 1.0,
            weight=call_weight(self.loss, labels),
            streams=None if rng is None else _spawned(rng, len(parts)),
        )

    def arrays(
        self, structure: Structure, leaves: list[Array], x: Array, labels: Array,
        cut: Shards, i: int,
    ) -> list[Array]:  # fmt: skip
        """Those of shard i, from its inputs and labels and the leaves of the parameters."""

        def run(model: Layer) -> list[Array]:
            return self._arrays(model, structure, leaves, x, labels, cut, i)

        return by_faster(self.model, run)

    def _arrays(
        self, model: Layer, structure: Structure, leaves: list[Array], x: Array, labels: Array,
        cut: Shards, i: int,
    ) -> list[Array]:  # fmt: skip
        rng, divisor = cut.stream(i), cut.divisors[i]
        inputs = augmented(self.augment, rng, x)
        outputs, cache = call_forward(model, tree.unflatten(structure, leaves), inputs, rng)
        value, loss_cache = losses.call_loss(self.loss, outputs, labels)
        doutputs = losses.call_loss_backward(self.loss, loss_cache, outputs)
        doutputs = _scaled(doutputs, divisor / cut.total)
        grads, found = tree.flatten(parameter_gradients(model, cache, doutputs))
        if found != structure:
            raise ValueError(
                f"value_and_grad: parameters and gradient differ at {structure.difference(found)}"
            )
        check_alike("value_and_grad", "gradient", structure, leaves, grads)
        right = np.count_nonzero(outputs.argmax(1) == labels) if self.counts_right else 0
        figures = np.array([divisor * float(value), right])
        return [figures, *(np.asarray(grad, order="C") for grad in grads)]

    def result(self, structure: Structure, sums: Sequence[Array], cut: Shards) -> BatchGradient:
        """What the sums over all shards are."""
        (value, right), *grads = sums
        return BatchGradient(
            float(value) / cut.total, cut.weight, int(right), tree.unflatten(structure, grads)
        )


def like_sums(leaves: list[Array]) -> list[Array]:
    """Arrays of the shapes and dtypes of those of a shard."""
    return [np.zeros(2), *leaves]


def value_and_grad(
    model: Layer,
    loss: Loss,
    *,
    threads: int | None = None,
    shard: int = SHARD,
    world: World | None = None,
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
        gradients are summed over a balanced tree (see `distributed.balanced_tree`), weighted by
        what the loss says each one weighs.
    world
        The processes that all call the function with the whole batch, and each compute their
        own shards, on so many threads each; see `fcnn.distributed.mpi_world`. None: this
        machine's cores.

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
    if world is not None:
        check_kind("value_and_grad", "world", world, World)
    gradient = _batch_gradients(model, loss, threads, shard, world)

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


def _batch_gradients(
    model: Layer, loss: Loss, threads: int | None, shard: int, world: World | None
) -> Callable[[Tree, Array, Array, np.random.Generator | None], BatchGradient]:
    """What `value_and_grad` gives and more, without its checks of what is given."""
    gradient = GradientOfShards(model, loss)

    @lru_cache(maxsize=1)
    def pool_for(structure: Structure) -> Pool:
        return Pool(partial(_arrays_of_call, gradient, structure), threads)

    def f(params: Tree, x: Array, labels: Array, rng: np.random.Generator | None) -> BatchGradient:
        leaves, structure = tree.flatten(params)
        check_alike("value_and_grad", "parameter", structure, leaves, leaves)  # are arrays
        cut = gradient.cut(labels, rng, shard)
        count, like, arrays = len(cut.parts), like_sums(leaves), [x, labels, *leaves]
        if world is None:
            sums = pool_for(structure).total(arrays, cut, count, like)
        else:
            arrays_of = partial(_arrays_of_call, gradient, structure, arrays, cut)
            sums = world.total(count, arrays_of, like=like, threads=threads)
        return gradient.result(structure, sums, cut)

    return f


def _arrays_of_call(
    gradient: GradientOfShards, structure: Structure, arrays: list[Array], cut: Shards, i: int
) -> list[Array]:
    """Those of a shard, from what a call of the gradient function is given."""
    x, labels, *leaves = arrays
    part = cut.parts[i]
    return gradient.arrays(structure, leaves, x[part], labels[part], cut, i)


def _scaled(doutputs: Array, fraction: float) -> Array:
    """Weighting the few numbers at the top weights every gradient below."""
    if fraction == 1:
        return doutputs
    # The fraction of a shard that weighs nothing is 1 / total, which may exceed float32.
    wide = doutputs.dtype if fraction < 1 else np.float64
    return np.multiply(doutputs, fraction, dtype=wide).astype(doutputs.dtype, copy=False)


def _spawned(rng: np.random.Generator, count: int) -> tuple[Callable[[Any], Any], tuple[Any, ...]]:
    """The kind of the bits of a generator, and the seeds of as many as `rng.spawn` would give."""
    seed: Any = rng.bit_generator.seed_seq
    if not hasattr(seed, "spawn"):
        rng.spawn(count)  # raises
    return type(rng.bit_generator), tuple(seed.spawn(count))


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
