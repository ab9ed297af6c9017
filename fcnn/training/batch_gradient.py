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
from fcnn.losses.weighted import weighted
from fcnn.networks.rewriting import by_faster
from fcnn.numerics.arrays import Array, compact
from fcnn.training.agreement import check_same, written
from fcnn.tree import Structure, Tree
from fcnn.tree.comparison import check_alike

SHARD: Final = 32  # examples: small enough for the caches of a core, large enough for its calls

ValueAndGrad: TypeAlias = Callable[..., tuple[float, Tree]]
Stream: TypeAlias = "Callable[[int], np.random.Generator | None]"
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
    stream
        `stream(i)` is a generator for shard i, as if nothing had been drawn from it yet; or None.
    """

    parts: tuple[slice, ...]
    divisors: tuple[float, ...]
    total: float
    weight: float
    stream: Stream


@attrs.frozen(eq=False)
class Like:
    """What gradients are like: the structure and the leaves of the parameters of a model."""

    structure: Structure
    leaves: list[Array]

    @classmethod
    def of(cls, params: Tree) -> Like:
        """Raises TypeError for leaves that are no arrays."""
        leaves, structure = tree.flatten(params)
        check_alike("value_and_grad", "parameter", structure, leaves, leaves)
        return cls(structure, leaves)

    @property
    def arrays(self) -> list[Array]:
        """What those of a shard are like."""
        return [np.zeros(2), *self.leaves]


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

    def cut(self, labels: Array, stream: Stream, size: int = SHARD) -> Shards:
        """How a batch with these labels is cut into shards."""
        parts = tuple(shards(len(labels), size))
        weights = [call_weight(self.loss, labels[part]) for part in parts]
        return Shards(
            parts,
            divisors=tuple(own or 1.0 for own in weights),
            total=sum(weights) or 1.0,
            weight=call_weight(self.loss, labels),
            stream=stream,
        )

    def loss_of(self, weights: Array | None) -> Loss:
        """The loss of examples with these weights."""
        return self.loss if weights is None else weighted(self.loss, weights)

    def arrays(
        self,
        params: Tree,
        like: Like,
        x: Array,
        labels: Array,
        cut: Shards,
        i: int,
        weights: Array | None = None,
    ) -> list[Array]:
        """Those of shard i, from its inputs and labels, and the weights of its examples."""
        loss = self.loss_of(weights)

        def run(model: Layer) -> list[Array]:
            return self._arrays(model, loss, params, like, x, labels, cut, i)

        return by_faster(self.model, run)

    def _arrays(
        self,
        model: Layer,
        loss: Loss,
        params: Tree,
        like: Like,
        x: Array,
        labels: Array,
        cut: Shards,
        i: int,
    ) -> list[Array]:
        rng, divisor = cut.stream(i), cut.divisors[i]
        inputs = augmented(self.augment, rng, x)
        outputs, cache = call_forward(model, params, inputs, rng)
        value, loss_cache = losses.call_loss(loss, outputs, labels)
        doutputs = losses.call_loss_backward(loss, loss_cache, outputs)
        doutputs = _scaled(doutputs, divisor / cut.total)
        grads, found = tree.flatten(parameter_gradients(model, cache, doutputs))
        if found != like.structure:
            place = like.structure.difference(found)
            raise ValueError(f"value_and_grad: parameters and gradient differ at {place}")
        check_alike("value_and_grad", "gradient", like.structure, like.leaves, grads)
        right = np.count_nonzero(outputs.argmax(1) == labels) if self.counts_right else 0
        figures = np.array([divisor * float(value), right])
        return [figures, *(np.asarray(grad, order="C") for grad in grads)]

    def result(self, like: Like, sums: Sequence[Array], cut: Shards) -> BatchGradient:
        """What the sums over all shards are."""
        (value, right), *grads = sums
        return BatchGradient(
            float(value) / cut.total, cut.weight, int(right), tree.unflatten(like.structure, grads)
        )


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
        machine's cores. In the first call they compare what they are given: DisagreementError if
        that is not the same.

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
    is_first_call = True

    @lru_cache(maxsize=1)
    def pool_for(structure: Structure) -> Pool:
        return Pool(partial(_arrays_of_call, gradient, structure), threads)

    def f(params: Tree, x: Array, labels: Array, rng: np.random.Generator | None) -> BatchGradient:
        nonlocal is_first_call
        like, cut = Like.of(params), gradient.cut(labels, _streams_of(rng, len(x), shard), shard)
        arrays, count = [x, labels, *like.leaves], len(cut.parts)
        if world is None:
            sums = pool_for(like.structure).total(arrays, cut, count, like.arrays)
        else:
            if is_first_call:
                check_same("value_and_grad", world, {
                    "the model": written(model),
                    "the loss": written(loss),
                    "the parameters": like.leaves,
                    "the batch": (x, labels),
                    "shard": shard,
                    "the state of rng": _state_of(rng),
                })  # fmt: skip
            arrays_of = _arrays_of_call(gradient, like.structure, [*map(compact, arrays)], cut)
            sums = world.total(count, arrays_of, like=like.arrays, threads=threads)
        is_first_call = False
        return gradient.result(like, sums, cut)

    return f


def _arrays_of_call(
    gradient: GradientOfShards, structure: Structure, arrays: list[Array], cut: Shards
) -> Callable[[int], list[Array]]:
    """What gives those of a shard, from what a call of the gradient function is given."""
    x, labels, *leaves = arrays
    params, like = tree.unflatten(structure, leaves), Like(structure, leaves)

    def arrays_of(i: int) -> list[Array]:
        part = cut.parts[i]
        return gradient.arrays(params, like, x[part], labels[part], cut, i)

    return arrays_of


def _scaled(doutputs: Array, fraction: float) -> Array:
    """Weighting the few numbers at the top weights every gradient below."""
    if fraction == 1:
        return doutputs
    # The fraction of a shard that weighs nothing is 1 / total, which may exceed float32.
    wide = doutputs.dtype if fraction < 1 else np.float64
    return np.multiply(doutputs, fraction, dtype=wide).astype(doutputs.dtype, copy=False)


def _state_of(rng: np.random.Generator | None) -> Array:
    state = None if rng is None else rng.bit_generator.state
    return np.frombuffer(str(state).encode(), np.uint8)


def _streams_of(rng: np.random.Generator | None, n: int, size: int) -> Stream:
    """The generators that `rng.spawn` would give for the shards of n examples, made when asked."""
    if rng is None:
        return _no_stream
    seed: Any = rng.bit_generator.seed_seq
    count = len(shards(n, size))
    seeds = seed.spawn(count) if hasattr(seed, "spawn") else rng.spawn(count)  # which raises
    return partial(_stream, type(rng.bit_generator), seeds)


def _no_stream(i: int) -> None:
    return None


def _stream(kind: Callable[[Any], Any], seeds: list[Any], i: int) -> np.random.Generator:
    return np.random.Generator(kind(seeds[i]))


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
