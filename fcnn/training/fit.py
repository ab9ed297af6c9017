"""Training: one frozen record per epoch, and nothing written anywhere."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from typing import Any, Final, TypeAlias

import attrs

from fcnn.arguments.arrays import check_labels
from fcnn.arguments.examples import check_data, two_arrays
from fcnn.arguments.settings import check_function, check_kind, not_negative, positive, whole_number
from fcnn.layers.layer import Layer
from fcnn.losses.cross_entropy import softmax_cross_entropy
from fcnn.losses.loss import Loss
from fcnn.numerics import random_streams as streams
from fcnn.numerics.arrays import Array, Shape
from fcnn.optimizers.optimizer import Optimizer
from fcnn.training.batch_gradient import Augmentation, augmented, batch_gradients, shards
from fcnn.training.calibration import calibrate
from fcnn.training.inference import evaluate
from fcnn.training.not_finite import are_finite, first_not_finite
from fcnn.tree import Tree

_SAMPLE: Final = 1000

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
        `params`.
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
        At once, if something is not of its kind, inputs and labels do not fit each other,
        inputs are not finite, all examples weigh nothing, or the batch size is greater than
        the number of examples. From the iterator, if the model does not fit them, or what
        augment returns.
    NotFiniteError
        From the iterator, if the loss or a gradient of a step is not finite. The message has
        the epoch, the step and the first layer that went wrong.
    """
    check_kind("fit", "model", model, Layer)
    check_kind("fit", "optimizer", optimizer, Optimizer)
    check_kind("fit", "loss", loss, Loss)
    x, labels = two_arrays("fit", "train", train)
    check_data("fit: train", x, labels)
    weight_of_all = not_negative(loss.name, "the weight", loss.weight(labels))
    if not weight_of_all > 0:
        raise ValueError(
            f"fit: train: the examples weigh {weight_of_all} in all, expected more than 0"
        )
    epochs = whole_number("fit", "epochs", epochs, 1)
    batch_size = positive("fit", "batch_size", batch_size)
    if batch_size > len(x):
        raise ValueError(f"fit: batch_size is {batch_size}, but there are {len(x)} examples")
    whole_number("fit", "seed", seed, 0)
    held_out = {"test": test, "validation": validation}
    evaluated = {name: examples for name, examples in held_out.items() if examples is not None}
    for name, examples in evaluated.items():
        check_data(f"fit: {name}", *two_arrays("fit", name, examples))
    if threads is not None:
        threads = positive("fit", "threads", threads)
    if start is not None:
        check_kind("fit", "start", start, Epoch)
    if on_batch is not None:
        check_function("fit", "on_batch", on_batch)
    if augment is not None:
        check_function("fit", "augment", augment)

    # A layer with statistics gets them from the same examples after each epoch.
    sample = streams.generator(seed, streams.SAMPLE).permutation(len(x))[:_SAMPLE]
    gradient = batch_gradients(model, loss, threads=threads, augment=augment, weightless=True)

    def one_epoch(epoch: int, params: Tree, state: Any) -> Epoch:
        begun = time.perf_counter()
        order = streams.generator(seed, streams.ORDER, epoch).permutation(len(x))
        rng = streams.generator(seed, streams.FORWARD, epoch)
        steps = -(-len(x) // batch_size)
        total_loss, total_weight, total_right = 0.0, 0.0, 0
        for step in range(steps):
            batch = order[step * batch_size : (step + 1) * batch_size]
            result = gradient(params, x[batch], labels[batch], rng)
            if step == 0:  # not only when the epoch is over
                for name, (_, given) in evaluated.items():
                    check_labels(f"fit: {name}", given, len(given), result.outputs[0].shape[-1])
            weight = float(loss.weight(labels[batch]))
            if weight > 0:
                if not (math.isfinite(result.value) and are_finite(result.grads)):
                    raise NotFiniteError(explain(epoch, step, params, batch, result.value))
                params, state = optimizer.step(params, result.grads, state)
                total_loss += weight * result.value
                total_weight += weight
            total_right += _count_right(result.outputs, labels[batch])
            if on_batch is not None:
                on_batch(step + 1, steps)
        if model.calibrate is not None:
            params = calibrate(model, params, x[sample])
        found = {
            name: evaluate(model, params, *examples, loss=loss, threads=threads)
            for name, examples in evaluated.items()
        }
        tested, validated = found.get("test"), found.get("validation")
        return Epoch(
            epoch=epoch,
            params=params,
            state=state,
            train_loss=total_loss / total_weight,
            train_accuracy=total_right / len(x),
            test_loss=tested.loss if tested else None,
            test_accuracy=tested.accuracy if tested else None,
            validation_loss=validated.loss if validated else None,
            validation_accuracy=validated.accuracy if validated else None,
            seconds=time.perf_counter() - begun,
            in_shape=x.shape[1:],
        )

    def explain(epoch: int, step: int, params: Tree, batch: Array, value: float) -> str:
        # What random layers drew in this step, they draw again.
        rng = streams.generator(seed, streams.FORWARD, epoch)
        rng.spawn(step * len(shards(batch_size)))
        parts = shards(len(batch))
        drawn = zip(parts, rng.spawn(len(parts)), strict=True)
        again = []
        for part, stream in drawn:
            inputs = x[batch[part]]
            if augment is not None:
                inputs = augmented(augment, stream, inputs)
            again.append((inputs, labels[batch[part]], stream))
        return (
            f"epoch {epoch}, step {step + 1}: the loss is {value:.4g}; first not finite: "
            f"{first_not_finite(model, loss, params, again)}"
        )

    def all_epochs(params: Tree, state: Any, done: int) -> Iterator[Epoch]:
        for epoch in range(done + 1, epochs + 1):
            record = one_epoch(epoch, params, state)
            params, state = record.params, record.state
            yield record

    if start is not None:
        return all_epochs(start.params, start.state, start.epoch)
    return all_epochs(params, optimizer.init(params), 0)


def _count_right(outputs: list[Array], labels: Array) -> int:
    begin, right = 0, 0
    for part in outputs:
        right += int((part.argmax(1) == labels[begin : begin + len(part)]).sum())
        begin += len(part)
    return right
