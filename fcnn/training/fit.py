"""Training: one frozen record per epoch, and nothing written anywhere."""

from __future__ import annotations

import warnings
from collections.abc import Iterator

import numpy as np

from fcnn.arguments import settings
from fcnn.arguments.arrays import check_array
from fcnn.arguments.examples import examples
from fcnn.arguments.settings import check_kind, positive, whole_number
from fcnn.distributed.world import World
from fcnn.layers.layer import Layer
from fcnn.losses.cross_entropy import softmax_cross_entropy
from fcnn.losses.loss import Loss, call_weight, check_some_weight
from fcnn.losses.weighted import weighted
from fcnn.networks.freezing import as_trained_by
from fcnn.numerics.arrays import Array
from fcnn.optimizers.optimizer import Optimizer
from fcnn.training.batch_gradient import Augmentation, GradientOfShards
from fcnn.training.epochs import Epoch, Examples, OnBatch, Standing, Training
from fcnn.tree import Tree


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
    world: World | None = None,
    weights: Array | None = None,
) -> Iterator[Epoch]:
    """Train a model; yields one record, an `Epoch`, after each epoch.

    Parameters
    ----------
    model, params, optimizer
        Where to begin: params as `model.init` gives them. Of a model that the optimizer trains
        in part, see `masked`, the rest keeps its bits. The average of an optimizer
        `with_average` is calibrated too, and is what is evaluated: `record.evaluated`.
    train, test, validation
        Pairs of finite inputs and integer labels, or other targets if the loss is of such. Every
        example of train is trained on once an epoch; the last batch is smaller if the batch size
        does not divide their number. The others are evaluated after each epoch: examples that
        decide something, such as when training stops, are the validation set, and say nothing of
        how well it went.
    epochs, batch_size, seed
        Epochs in all. The batch size is at most the number of examples. The seed decides
        the order of the examples and what random layers draw; each epoch has streams of its
        own, so that a run resumed at any epoch is, bit for bit, the run that was never
        stopped.
    loss
        Softmax and cross-entropy on logits unless given. One whose targets are no classes, such as
        `mean_squared_error`, has no accuracy: it is None in the records. With weights of which
        some are 0, a batch may weigh nothing in all: it trains nothing, no step of the optimizer
        is taken, and it counts in the accuracy but not in the loss.
    threads
        Threads, or copies of this process where they can be had (see
        `distributed.helper_processes`), that share each step; None: as many as the process has
        cores. The bits do not depend on it.
    start
        A record to go on from; its parameters and optimizer state take the place of
        `params`. Of the last epoch, there is nothing left to do: a UserWarning says so, and the
        iterator is empty.
    on_batch
        Called after each batch with the number of those done in this epoch and their total.
    augment
        `augment(rng, x) -> x`, as those of `fcnn.augmentation` are: what is trained on instead
        of the inputs themselves, shard by shard, and like them in shape and dtype.
    world
        The processes that all call this with the same arguments, share each step, and get the
        same records; see `fcnn.distributed.mpi_world`. None of them forks: each uses so many
        threads, or its share of its machine's cores. KeyboardInterrupt, of Ctrl-C or out of
        on_batch, waits there for the end of a step, and is raised in all of them after the same.
    weights
        What each example of train weighs: numbers of at least 0, (N,), not all 0. The loss of a
        batch is the sum over its examples of w[i] l[i] divided by their number, and so are
        `train_loss` and the gradients; with class weights c, sum of c[i] w[i] l[i] / sum of c[i].
        An example of weight 0 is seen, by `batch_norm` too, and trains nothing; a batch of such has
        the gradient 0, of which the optimizer takes its step. Accuracies, test and validation count
        every example once. Weights that are all 1 give the bits of none. The loss must have `each`,
        as all of fcnn's do.

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
    DisagreementError
        From the iterator, if processes differ in their data, versions or parameters.
    """
    check_kind("fit", "model", model, Layer)
    check_kind("fit", "optimizer", optimizer, Optimizer)
    check_kind("fit", "loss", loss, Loss)
    of_classes = loss.of_classes
    x, labels = examples("fit", "train", train, of_classes=of_classes)
    check_some_weight("fit: train", call_weight(loss, labels))
    if weights is not None:
        weights = _checked_weights(weights, len(x), loss)
    held_out = {
        name: examples("fit", name, pair, of_classes=of_classes)
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
    if world is not None:
        check_kind("fit", "world", world, World)
    standing = _standing(params, optimizer, start, epochs)
    if standing.epoch == epochs and (world is None or world.rank == 0):
        warnings.warn(
            f"fit: start is of epoch {epochs}, and epochs, those in all, is {epochs}: nothing is "
            "left to do",
            stacklevel=2,
        )
    model = as_trained_by(optimizer, model, standing.params)
    training = Training(
        model=model, optimizer=optimizer, x=x, labels=labels, weights=weights,
        held_out=held_out, epochs=epochs, batch_size=batch_size, seed=seed, loss=loss,
        augment=augment,
        gradient=GradientOfShards(model, loss, augment, counts_right=of_classes),
        on_batch=on_batch, threads=threads, world=world,
    )  # fmt: skip
    return training.records(standing)


def _checked_weights(weights: Array, n: int, loss: Loss) -> Array | None:
    """Weights of n examples in float64; None if they are all 1, which change nothing."""
    check_array("fit", "weights", weights)
    if weights.dtype.kind not in "iuf":
        raise TypeError(f"fit: weights are {weights.dtype}, expected numbers")
    if weights.shape != (n,):
        raise ValueError(f"fit: weights have shape {weights.shape}, expected ({n},) as (N,)")
    weights = weights.astype(np.float64)
    wrong = ~(np.isfinite(weights) & (weights >= 0))
    if wrong.any():
        first = wrong.argmax()
        shown = f"the weight of example {first} is {weights[first]}"
        raise ValueError(f"fit: {shown}, expected finite and at least 0")
    check_some_weight("fit: weights", weights.max())
    weighted(loss, weights)  # refuses a loss that cannot be
    return None if (weights == 1).all() else weights


def _standing(params: Tree, optimizer: Optimizer, start: Epoch | None, epochs: int) -> Standing:
    """Where training begins."""
    if start is None:
        return Standing(0, params, optimizer.init(params))
    check_kind("fit", "start", start, Epoch)
    if start.epoch > epochs:
        raise ValueError(
            f"fit: start is of epoch {start.epoch}, expected at most epochs, which is {epochs}"
        )
    return Standing(start.epoch, start.params, start.state)
