"""Training: one frozen record per epoch, and nothing written anywhere."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from typing import Any, Final, TypeAlias

import attrs
import numpy as np

from fcnn.arguments import settings
from fcnn.arguments.examples import examples
from fcnn.arguments.settings import check_kind, positive, whole_number
from fcnn.distributed.balanced_tree import shards
from fcnn.layers.layer import Layer
from fcnn.losses.cross_entropy import softmax_cross_entropy
from fcnn.losses.loss import Loss, call_weight, check_some_weight
from fcnn.numerics.arrays import Array, Shape
from fcnn.numerics.random_streams import FORWARD, ORDER, SAMPLE, generator
from fcnn.optimizers.optimizer import Optimizer
from fcnn.training import batch_gradient
from fcnn.training.batch_gradient import SHARD, Augmentation, augmented
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

    Losses are means over examples (weighted, if the loss is), accuracies fractions. Those
    of the training set are taken batch by batch, as the parameters were at the time; those
    of the test set and of the validation set, None without one, after the epoch. Seconds are
    wall time, evaluation included. in_shape is the shape of an example, which a checkpoint
    needs to be read again.
    """

    epoch: int
    params: Tree = attrs.field(repr=False)
    state: Any = attrs.field(repr=False)
    train_loss: float
    train_accuracy: float
    test_loss: float | None
    test_accuracy: float | None
    validation_loss: float | None = attrs.field(default=None, kw_only=True)
    validation_accuracy: float | None = attrs.field(default=None, kw_only=True)
    seconds: float
    in_shape: Shape = ()


def fit(
    model: Layer,
    params: Tree,
    optimizer: Optimizer,
    train: Examples,
    *,
    epochs: int,
    batch_size: int,
    seed: int,
    loss: Loss = softmax_cross_entropy,
    test: Examples | None = None,
    validation: Examples | None = None,
    threads: int | None = None,
    start: Epoch | None = None,
    on_batch: OnBatch | None = None,
    augment: Augmentation | None = None,
) -> Iterator[Epoch]:
    """Train a model; yields one record, an `Epoch`, after each epoch.

    Parameters
    ----------
    model, params, optimizer
        Where to begin: params as `model.init` gives them.
    train, test, validation
        Pairs of finite inputs and integer labels. Every example of train is trained on once an
        epoch; the last batch is smaller if the batch size does not divide their number. The
        others are evaluated after each epoch: examples that decide something, such as when
        training stops, are the validation set, and say nothing of how well it went.
    epochs, batch_size, seed
        Epochs in all. The batch size is at most the number of examples. The seed decides
        the order of the examples and what random layers draw; each epoch has streams of its
        own, so that a run resumed at any epoch is, bit for bit, the run that was never
        stopped.
    loss
        Softmax and cross-entropy on logits unless given. With weights of which some are 0, a
        batch may weigh nothing in all: it trains nothing, no step of the optimizer is taken,
        and it counts in the accuracy but not in the loss.
    threads
        Threads per step; None: as many as the process has cores. The bits do not depend
        on it.
    start
        A record to go on from; its parameters and optimizer state take the place of
        `params`. Of the last epoch, there is nothing left to do.
    on_batch
        Called after each batch with the number of those done in this epoch and their total.
    augment
        `augment(rng, x) -> x`, as those of `fcnn.augmentation` are: what is trained on instead
        of the inputs themselves, shard by shard, and like them in shape and dtype.

    Examples
    --------
    >>> import fcnn, numpy as np
    >>> train, test = fcnn.data.synthetic_lines(seed=0)
    >>> model = fcnn.models.lines_cnn()
    >>> params, _ = model.init(np.random.default_rng(0), (1, 14, 14))
    >>> optimizer = fcnn.sgd(0.01, momentum=0.9)
    >>> records = fcnn.fit(
    ...     model, params, optimizer, train, epochs=3, batch_size=32, seed=0, test=test
    ... )
    >>> [record.test_accuracy for record in records][-1]
    1.0

    Raises
    ------
    TypeError, ValueError
        At once, if something is not of its kind or does not fit the rest, or all examples weigh
        nothing. From the iterator, if the model does not fit them, or what augment returns.
    NotFiniteError
        From the iterator, if the loss or a gradient of a step is not finite. The message has
        the epoch, the step and the first layer that went wrong.
    """
    check_kind("fit", "model", model, Layer)
    check_kind("fit", "optimizer", optimizer, Optimizer)
    check_kind("fit", "loss", loss, Loss)
    x, labels = examples("fit", "train", train)
    check_some_weight("fit: train", call_weight(loss, labels))
    held_out = {
        name: examples("fit", name, pair)
        for name, pair in (("test", test), ("validation", validation))
        if pair is not None
    }
    epochs = whole_number("fit", "epochs", epochs, 1)
    batch_size = positive("fit", "batch_size", batch_size)
    if batch_size > len(x):
        raise ValueError(f"fit: batch_size is {batch_size}, but there are {len(x)} examples")
    seed = whole_number("fit", "seed", seed, 0)
    threads = settings.thread_count("fit", threads)
    for name, function in (("on_batch", on_batch), ("augment", augment)):
        if function is not None:
            settings.check_function("fit", name, function)
    gradient = batch_gradient.batch_gradients(model, loss, threads=threads, augment=augment)
    training = _Training(
        model=model, optimizer=optimizer, x=x, labels=labels, held_out=held_out, loss=loss,
        batch_size=batch_size, seed=seed, threads=threads, on_batch=on_batch, augment=augment,
        gradient=gradient,
    )  # fmt: skip
    if start is None:
        return _epochs(training, params, optimizer.init(params), 0, epochs)
    check_kind("fit", "start", start, Epoch)
    if start.epoch > epochs:
        raise ValueError(
            f"fit: start is of epoch {start.epoch}, expected at most epochs, which is {epochs}"
        )
    return _epochs(training, start.params, start.state, start.epoch, epochs)


@attrs.frozen(eq=False, kw_only=True)
class _Training:
    """What is the same in all epochs: arguments of `fit`, checked, and the gradient of a batch."""

    model: Layer
    optimizer: Optimizer
    x: Array
    labels: Array
    held_out: dict[str, Examples]
    loss: Loss
    batch_size: int
    seed: int
    threads: int | None
    on_batch: OnBatch | None
    augment: Augmentation | None
    gradient: batch_gradient.BatchGradients


def _epochs(run: _Training, params: Tree, state: Any, done: int, epochs: int) -> Iterator[Epoch]:
    """The records of the epochs after those that are done."""
    sample = None
    if run.model.calibrate is not None:  # the same examples after each epoch
        sample = run.x[generator(run.seed, SAMPLE).permutation(len(run.x))[:_SAMPLE_SIZE]]
    for epoch in range(done + 1, epochs + 1):
        begun = time.perf_counter()
        params, state, train_loss, train_accuracy = _one_epoch(run, epoch, params, state)
        if sample is not None:
            params = with_statistics(run.model, params, sample)
        figures = dict.fromkeys(HELD_OUT) | _figures(run, params)
        yield Epoch(
            epoch=epoch, params=params, state=state,
            train_loss=train_loss, train_accuracy=train_accuracy, **figures,
            seconds=time.perf_counter() - begun, in_shape=run.x.shape[1:],
        )  # fmt: skip


def _one_epoch(
    run: _Training, epoch: int, params: Tree, state: Any
) -> tuple[Tree, Any, float, float]:
    """Parameters and optimizer state after a step for each batch; mean loss and accuracy."""
    order = generator(run.seed, ORDER, epoch).permutation(len(run.x))
    rng = generator(run.seed, FORWARD, epoch)
    batches = [order[i : i + run.batch_size] for i in range(0, len(order), run.batch_size)]
    total_loss, total_weight, right = 0.0, 0.0, 0
    for step, batch in enumerate(batches, 1):
        labels = run.labels[batch]
        result = run.gradient(params, run.x[batch], labels, rng)
        if step == 1:  # what would be noticed when the epoch is over
            for name, (_, known) in run.held_out.items():
                check_classes(f"fit: {name}", result.outputs[0], known)
        if result.weight > 0:
            if not (math.isfinite(result.value) and are_finite(result.grads)):
                raise NotFiniteError(
                    f"epoch {epoch}, step {step}: the loss is {result.value:.4g}; first not "
                    f"finite: {_first_not_finite(run, epoch, step, params, batch)}"
                )
            params, state = run.optimizer.step(params, result.grads, state)
            total_loss += result.weight * result.value
            total_weight += result.weight
        predicted = np.concatenate([outputs.argmax(1) for outputs in result.outputs])
        right += int((predicted == labels).sum())
        if run.on_batch is not None:
            run.on_batch(step, len(batches))
    return params, state, total_loss / total_weight, right / len(order)


def _figures(run: _Training, params: Tree) -> dict[str, float | None]:
    """Loss and accuracy on what is held out, as `Epoch` calls them."""
    figures: dict[str, float | None] = {}
    for name, (x, labels) in run.held_out.items():
        found = figures_of(run.loss, outputs_of(run.model, params, x, run.threads), labels)
        figures |= {f"{name}_loss": found.loss, f"{name}_accuracy": found.accuracy}
    return figures


def _first_not_finite(run: _Training, epoch: int, step: int, params: Tree, batch: Array) -> str:
    """What went wrong in a step: goes through it again, with what it drew."""
    rng = generator(run.seed, FORWARD, epoch)
    rng.spawn((step - 1) * len(shards(run.batch_size, SHARD)))  # those of the steps before
    parts = [batch[part] for part in shards(len(batch), SHARD)]
    again = [
        (augmented(run.augment, stream, run.x[part]), run.labels[part], stream)
        for part, stream in zip(parts, rng.spawn(len(parts)), strict=True)
    ]
    return first_not_finite(run.model, run.loss, params, again)
