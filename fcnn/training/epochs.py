"""The program of training, which every process of a world runs, and one record per epoch.

All processes hold the same parameters and take the same steps. Each computes the shards of a batch
that are its own; the sums over all shards are the same in all of them, to the last bit. So are
the statistics that are calibrated, and the outputs that are evaluated.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, nullcontext
from functools import partial
from typing import Any, Final, TypeAlias

import attrs
import numpy as np

from fcnn.distributed.balanced_tree import shards
from fcnn.distributed.blas_threads import one_blas_thread
from fcnn.distributed.copies import Copies, GivenWorld, Processes
from fcnn.distributed.helper_processes import Link, next_message
from fcnn.distributed.interrupts import StopWish
from fcnn.distributed.shared_memory import room_for
from fcnn.distributed.threads import useful_threads
from fcnn.distributed.world import World
from fcnn.layers.layer import Layer, call_apply
from fcnn.losses.loss import Loss, call_loss
from fcnn.numerics.arrays import Array, Shape
from fcnn.numerics.random_streams import ORDER, SAMPLE, generator, generator_of_shard
from fcnn.optimizers.optimizer import Optimizer
from fcnn.optimizers.parameter_average import AverageState
from fcnn.training.agreement import check_same, written
from fcnn.training.batch_gradient import (
    SHARD,
    Augmentation,
    BatchGradient,
    GradientOfShards,
    Like,
    Shards,
    augmented,
)
from fcnn.training.calibration import with_statistics
from fcnn.training.inference import check_classes, figures_of, outputs_of
from fcnn.training.not_finite import are_finite, first_not_finite
from fcnn.tree import Tree

HELD_OUT: Final = ("test_loss", "test_accuracy", "validation_loss", "validation_accuracy")
_SAMPLE_SIZE: Final = 1000

Examples: TypeAlias = tuple[Array, Array]
OnBatch: TypeAlias = Callable[[int, int], None]


class NotFiniteError(ArithmeticError):
    """The loss or the gradient of a training step has become infinite or not a number."""


@attrs.frozen(eq=False)
class Epoch:
    """What stands after an epoch: parameters, optimizer state, and how well it went.

    Losses are means over examples (weighted, if the loss is), accuracies fractions, or None if
    the targets of the loss are no classes. Those
    of the training set are taken batch by batch, as the parameters were at the time; those
    of the test set and of the validation set, None without one, after the epoch, with what is
    `evaluated`. Seconds are wall time, evaluation included. in_shape is the shape of an example,
    which a checkpoint needs to be read again.
    """

    epoch: int
    params: Tree = attrs.field(repr=False)
    state: Any = attrs.field(repr=False)
    train_loss: float
    train_accuracy: float | Any  # None, as in `Evaluation`
    test_loss: float | None
    test_accuracy: float | None
    validation_loss: float | None = attrs.field(default=None, kw_only=True)
    validation_accuracy: float | None = attrs.field(default=None, kw_only=True)
    seconds: float
    in_shape: Shape = ()

    @property
    def evaluated(self) -> Tree:
        """The parameters to use; if the optimizer is `with_average`, that is their average."""
        return _evaluated(self.params, self.state)


@attrs.frozen(eq=False)
class Standing:
    """Where training stands: after how many epochs, with what parameters and optimizer state."""

    epoch: int
    params: Tree
    state: Any


@attrs.frozen(eq=False, kw_only=True)
class Training:
    """What is the same in all epochs: arguments of `fit`, checked."""

    model: Layer
    optimizer: Optimizer
    x: Array
    labels: Array
    weights: Array | None
    held_out: dict[str, Examples]
    epochs: int
    batch_size: int
    seed: int
    loss: Loss
    augment: Augmentation | None
    gradient: GradientOfShards
    on_batch: OnBatch | None
    threads: int | None
    world: World | None

    def records(self, start: Standing) -> Iterator[Epoch]:
        """The record of each epoch after the start."""
        if self.world is not None:
            return self._epochs(GivenWorld(self.world), start)
        count = useful_threads(self.threads, len(shards(self.batch_size, SHARD)))
        room = room_for([np.zeros(()), *Like.of(start.params).arrays])
        return self._epochs(Copies(count, room), start)

    def _epochs(self, processes: Processes, standing: Standing) -> Iterator[Epoch]:
        wish = StopWish()
        with closing(processes):
            self._check_same_arguments(standing)
            for epoch in range(standing.epoch + 1, self.epochs + 1):
                with processes.round(partial(_follow, self, standing)), self._noting(wish):
                    record = self._epoch(processes, wish, epoch, standing)
                standing = Standing(epoch, record.params, record.state)
                yield record
        if wish.made:
            raise KeyboardInterrupt

    def _epoch(self, processes: Processes, wish: StopWish, epoch: int, standing: Standing) -> Epoch:
        begun = time.perf_counter()
        params, state, train_loss, train_accuracy = self._train(processes, wish, epoch, standing)
        params = self._calibrated(processes, params)
        if isinstance(state, AverageState):
            state = attrs.evolve(state, average=self._calibrated(processes, state.average))
        found = {f"what functions make of the parameters in epoch {epoch}": (params, state)}
        processes.together(lambda world: check_same("fit", world, found))
        if self._in_company:  # the wish of one without shards has not ridden with any gradients
            own = "stop" if wish.made else ""
            wish.made = any(processes.together(lambda world: world.texts(own)))
        return Epoch(
            epoch=epoch, params=params, state=state,
            train_loss=train_loss, train_accuracy=train_accuracy,
            **dict.fromkeys(HELD_OUT) | self._figures(processes, _evaluated(params, state)),
            seconds=time.perf_counter() - begun, in_shape=self.x.shape[1:],
        )  # fmt: skip

    def _train(
        self, processes: Processes, wish: StopWish, epoch: int, standing: Standing
    ) -> tuple[Tree, Any, float, float | None]:
        """Parameters and optimizer state after a step for each batch; mean loss and accuracy."""
        params, state = standing.params, standing.state
        like = Like.of(params)
        order = generator(self.seed, ORDER, epoch).permutation(len(self.x))
        batches = [order[i : i + self.batch_size] for i in range(0, len(order), self.batch_size)]
        total_loss, total_weight, right = 0.0, 0.0, 0
        for step, batch in enumerate(batches, 1):
            cut = self._cut(epoch, step, batch)
            found, stop = self._gradient_of(processes, wish, params, like, batch, cut)
            if step == 1:
                self._check_targets(params, batch)
            if found.weight > 0:
                if not (math.isfinite(found.value) and are_finite(found.grads)):
                    raise NotFiniteError(
                        f"epoch {epoch}, step {step}: the loss is {found.value:.4g}; first not "
                        f"finite: {self._first_not_finite(params, batch, cut)}"
                    )
                params, state = self._step(params, found.grads, state)
                total_loss += found.weight * found.value
                total_weight += found.weight
            right += found.right
            self._tell(wish, step, len(batches))
            if stop:
                raise KeyboardInterrupt
        accuracy = right / len(order) if self.loss.of_classes else None
        return params, state, total_loss / total_weight, accuracy

    def _cut(self, epoch: int, step: int, batch: Array) -> Shards:
        """How the batch of a step is cut; each shard of an epoch has a stream of its own."""
        before = (step - 1) * len(shards(self.batch_size, SHARD))
        stream = partial(generator_of_shard, self.seed, epoch, before)
        return self.gradient.cut(self.labels[batch], stream)

    def _gradient_of(
        self,
        processes: Processes,
        wish: StopWish,
        params: Tree,
        like: Like,
        batch: Array,
        cut: Shards,
    ) -> tuple[BatchGradient, bool]:
        """What the step needs, and whether somebody wishes to stop after it."""

        def arrays_of(i: int) -> list[Array]:
            part = batch[cut.parts[i]]
            x, labels, weights = self.x[part], self.labels[part], self._weights_of(part)
            arrays = self.gradient.arrays(params, like, x, labels, cut, i, weights)
            return [np.array(float(wish.made)), *arrays]

        def total(world: World) -> list[Array]:
            return world.total(
                len(cut.parts),
                arrays_of,
                like=[np.zeros(()), *like.arrays],
                threads=self._threads_in(world),
            )

        stop, *sums = processes.together(total)
        return self.gradient.result(like, sums, cut), bool(stop)

    def _step(self, params: Tree, grads: Tree, state: Any) -> tuple[Tree, Any]:
        """On one BLAS thread, as in the copies of this process: the same bits in all."""
        with one_blas_thread() as interrupts:
            return interrupts.allowed_in(self.optimizer.step, params, grads, state)

    def _calibrated(self, processes: Processes, params: Tree) -> Tree:
        if self.model.calibrate is None:
            return params
        # The same examples after each epoch.
        order = generator(self.seed, SAMPLE).permutation(len(self.x))
        sample = self.x[order[:_SAMPLE_SIZE]]
        return processes.together(
            lambda world: with_statistics(
                self.model, params, sample, world=world, threads=self._threads_in(world)
            )
        )

    def _figures(self, processes: Processes, params: Tree) -> dict[str, float | None]:
        """Loss and accuracy on what is held out, as `Epoch` calls them."""
        figures: dict[str, float | None] = {}
        for name, (x, labels) in self.held_out.items():
            outputs = processes.together(partial(self._outputs, params, x))
            found = figures_of(self.loss, outputs, labels)
            figures |= {f"{name}_loss": found.loss, f"{name}_accuracy": found.accuracy}
        return figures

    def _outputs(self, params: Tree, x: Array, world: World) -> Array:
        return outputs_of(self.model, params, x, self._threads_in(world), world)

    def _check_same_arguments(self, standing: Standing) -> None:
        if self.world is not None:
            check_same("fit", self.world, {
                "the model": written(self.model),
                "the optimizer": written(self.optimizer),
                "the loss": written(self.loss),
                "the augmentation": written(self.augment),
                "the training set": (self.x, self.labels),
                "the weights of its examples": self.weights,
                **{f"the {name} set": pair for name, pair in self.held_out.items()},
                "the epoch to start from": standing.epoch,
                "the parameters and the state of the optimizer": (standing.params, standing.state),
                "epochs": self.epochs,
                "batch_size": self.batch_size,
                "seed": self.seed,
            })  # fmt: skip

    def _check_targets(self, params: Tree, batch: Array) -> None:
        """What would be noticed when the epoch is over."""
        for name, (_, known) in self.held_out.items():
            outputs = call_apply(self.model, params, self.x[batch[:1]])
            if self.loss.of_classes:
                check_classes(f"fit: {name}", outputs, known)
            else:
                call_loss(self.loss, outputs, known[:1])

    def _first_not_finite(self, params: Tree, batch: Array, cut: Shards) -> str:
        """What went wrong in a step: goes through it again, with what it drew."""
        again = []
        for i, part in enumerate(cut.parts):
            x, labels, rng = self.x[batch[part]], self.labels[batch[part]], cut.stream(i)
            loss = self.gradient.loss_of(self._weights_of(batch[part]))
            again.append((loss, augmented(self.augment, rng, x), labels, rng))
        return first_not_finite(self.model, params, again)

    def _weights_of(self, examples: Array) -> Array | None:
        return None if self.weights is None else self.weights[examples]

    def _threads_in(self, world: World) -> int | None:
        """How many threads this process uses: of those that it shares with its copies, its own."""
        is_copied = self.world is None and world.links is not None
        return None if is_copied else self.threads

    @property
    def _in_company(self) -> bool:
        return self.world is not None and self.world.size > 1

    def _noting(self, wish: StopWish) -> AbstractContextManager[None]:
        return wish.noted() if self._in_company else nullcontext()

    def _tell(self, wish: StopWish, step: int, steps: int) -> None:
        """Call on_batch. In company, who interrupts there waits for the others."""
        try:
            if self.on_batch is not None:
                self.on_batch(step, steps)
        except KeyboardInterrupt:
            if not self._in_company:
                raise
            wish.made = True


def _evaluated(params: Tree, state: Any) -> Tree:
    return state.average if isinstance(state, AverageState) else params


def _follow(training: Training, start: Standing, world: World, link: Link) -> None:
    """In a copy of this process: the same epochs, of which nobody hears."""
    copy = attrs.evolve(training, on_batch=None)
    for _ in copy._epochs(GivenWorld(world), start):
        next_message(link)
