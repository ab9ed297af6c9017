"""Running a model: predictions, and how good they are."""

from typing import Any, NamedTuple

import numpy as np

from fcnn.arguments.arrays import check_axes
from fcnn.arguments.examples import check_batch, check_data
from fcnn.arguments.settings import check_kind, thread_count
from fcnn.distributed.balanced_tree import shards
from fcnn.distributed.threads import run_on_threads
from fcnn.distributed.world import ALONE, World
from fcnn.layers.layer import Layer, call_apply
from fcnn.losses.cross_entropy import softmax_cross_entropy
from fcnn.losses.loss import Loss, call_loss
from fcnn.networks.rewriting import by_faster
from fcnn.numerics.arrays import Array
from fcnn.tree import Tree

_SHARD = 64  # images at a time: small enough for the caches, large enough to be worth a call


class Evaluation(NamedTuple):
    """How good a model is on a set of examples.

    loss is the mean over the examples, accuracy a fraction, per_class_accuracy (K,) the
    fraction of each class that was found (NaN for a class without examples), confusion
    (K, K) the counts by true class (rows) and predicted class (columns). Of a loss whose targets
    are no classes, these three are None.
    """

    loss: float
    # Any is None here: who knows the loss need not ask for it.
    accuracy: float | Any
    per_class_accuracy: Array | Any
    confusion: Array | Any


def predict(model: Layer, params: Tree, x: Array, *, threads: int | None = None) -> Array:
    """The outputs of a model in inference mode: logits (N, K) for all models here.

    The images go through in parts, on all cores unless `threads` says otherwise; the bits
    do not depend on it. The class of each is `predict(...).argmax(1)`. The numbers in x are
    not looked at: the outputs of an image with a NaN are NaN.
    """
    check_kind("predict", "model", model, Layer)
    check_batch("predict", "x", x)
    return outputs_of(model, params, x, thread_count("predict", threads))


def outputs_of(
    model: Layer, params: Tree, x: Array, threads: int | None, world: World = ALONE
) -> Array:
    """`predict` without its checks of what is given, each process of a world doing its part."""
    every = shards(len(x), _SHARD)
    parts = [every[i] for i in world.own_shards(len(every))]

    def run(part: slice) -> Array:
        return by_faster(model, lambda model: call_apply(model, params, x[part]))

    outputs = run_on_threads(run, parts, threads or world.cores)
    for part, y in zip(parts, outputs, strict=True):
        if y.ndim == 0 or len(y) != part.stop - part.start:
            raise ValueError(
                f"predict: {model.name} gives outputs of shape {y.shape} for "
                f"{part.stop - part.start} examples"
            )
    return np.concatenate(world.gather(outputs))


def evaluate(
    model: Layer,
    params: Tree,
    x: Array,
    labels: Array,
    *,
    loss: Loss = softmax_cross_entropy,
    threads: int | None = None,
) -> Evaluation:
    """Loss, accuracy, accuracy per class and confusion matrix; every example counts once.

    The classes are those that the model tells apart: K is the width of its output. To a loss whose
    targets are other values, such as `mean_squared_error`, labels are these. Raises TypeError if
    something is not of its kind, ValueError if shapes do not fit, a label is not one of 0..K-1,
    or there are values that are not finite.
    """
    check_kind("evaluate", "model", model, Layer)
    check_kind("evaluate", "loss", loss, Loss)
    check_data("evaluate", x, labels, of_classes=loss.of_classes)
    outputs = outputs_of(model, params, x, thread_count("evaluate", threads))
    if loss.of_classes:
        check_classes("evaluate", outputs, labels)
    return figures_of(loss, outputs, labels)


def check_classes(function: str, outputs: Array, labels: Array) -> None:
    """Outputs (N, K) that tell apart the classes of all labels, which are indices from 0."""
    check_axes(function, "the output", outputs, "N, K")
    greatest, K = labels.max(), outputs.shape[1]
    if greatest >= K:
        raise ValueError(f"{function}: label {greatest} is outside 0..{K - 1}")


def figures_of(loss: Loss, outputs: Array, labels: Array) -> Evaluation:
    """What there is to say of outputs of a model, (N, K) beside true classes."""
    value, _ = call_loss(loss, outputs, labels)
    if not loss.of_classes:
        return Evaluation(value, None, None, None)
    N, K = outputs.shape
    predicted = outputs.argmax(1)
    pairs = labels.astype(np.int64) * K + predicted
    confusion = np.bincount(pairs, minlength=K * K).reshape(K, K)
    found, present = confusion.diagonal(), confusion.sum(1)
    per_class = np.divide(found, present, out=np.full(K, np.nan), where=present > 0)
    return Evaluation(value, float(found.sum() / N), per_class, confusion)
