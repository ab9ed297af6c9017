"""Cross-entropy of logits with label smoothing and class weights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from fcnn.arguments.arrays import check_array, check_cache, check_labels
from fcnn.arguments.settings import fraction
from fcnn.arguments.wording import shown
from fcnn.arguments.written import written
from fcnn.losses.loss import Loss, check_outputs, softmax_and_log
from fcnn.numerics.arrays import Array


class SmoothedCache(NamedTuple):
    """The probabilities (N, K), the targets that they should be (N, K), and what the gradient is
    still to be divided by.
    """

    probabilities: Array
    targets: Array
    total: float


def smoothed_cross_entropy(
    *, label_smoothing: float = 0.0, class_weights: Sequence[float] | Array | None = None
) -> Loss:
    """`softmax_cross_entropy` for labels that are not to be trusted fully, or classes that
    count differently.

    With weights w and smoothing e, the loss of a batch is the sum over its examples of
    (1 - e) w[label] L[label] + e / K sum over k of w[k] L[k], where L[k] = -log p[k], divided
    by the sum of w[label]. (Szegedy and others: "Rethinking the Inception architecture",
    2015, section 7; weights as PyTorch has them.)

    Parameters
    ----------
    label_smoothing
        At least 0 and at most 1: the part of the target that is spread over all classes.
    class_weights
        One number of at least 0 for each class; None: all 1. Batches and their shards are
        averaged by what their examples weigh.

    Examples
    --------
    >>> import numpy as np
    >>> loss = smoothed_cross_entropy(label_smoothing=0.1, class_weights=[1.0, 3.0])
    >>> logits, labels = np.log([[0.5, 0.5], [0.2, 0.8]]), np.array([0, 1])
    >>> round(loss.forward(logits, labels)[0], 6), loss.weight(labels)
    (0.369723, 4.0)
    """
    smoothing = fraction("smoothed_cross_entropy", "label_smoothing", label_smoothing)
    weights = None if class_weights is None else _checked_weights(class_weights)

    def forward(logits: Array, labels: Array) -> tuple[float, SmoothedCache]:
        return _forward(logits, labels, smoothing, weights)

    def each(logits: Array, labels: Array) -> Array:
        targets, _ = _targets(logits, labels, smoothing, weights)
        _, log_total, z = softmax_and_log(logits)
        losses: Array = _losses(targets, log_total - z).sum(1)
        return losses

    def weight(labels: Array) -> float:
        if weights is None:
            return len(labels)
        check_labels("smoothed_cross_entropy", labels, len(labels))
        if labels.max() >= len(weights):
            raise ValueError(
                f"smoothed_cross_entropy: label {labels.max()} has no class weight, there are "
                f"{len(weights)}"
            )
        return float(weights[labels].sum())

    text = written(smoothed_cross_entropy, locals())
    backward = smoothed_cross_entropy_backward
    return Loss("smoothed_cross_entropy", forward, backward, weight, text, each=each)


def smoothed_cross_entropy_forward(
    logits: Array,
    labels: Array,
    *,
    label_smoothing: float = 0.0,
    class_weights: Sequence[float] | Array | None = None,
) -> tuple[float, SmoothedCache]:
    """See `smoothed_cross_entropy`; logits (N, K), labels (N,), class_weights (K,).

    Raises TypeError or ValueError as `softmax_cross_entropy_forward` does, and ValueError for
    weights of other classes. Without smoothing, examples that weigh nothing have the loss 0.
    """
    loss = smoothed_cross_entropy(label_smoothing=label_smoothing, class_weights=class_weights)
    return loss.forward(logits, labels)


def _forward(
    logits: Array, labels: Array, smoothing: float, class_weights: Array | None
) -> tuple[float, SmoothedCache]:
    targets, total = _targets(logits, labels, smoothing, class_weights)
    if class_weights is not None:
        # Of any size: divided while they are float64. (Without them the total is N, and waits.)
        targets, total = targets / total, 1.0
    targets = targets.astype(logits.dtype)
    probabilities, log_total, z = softmax_and_log(logits)
    value = float(_losses(targets, log_total - z).sum(dtype=np.float64)) / total
    return value, SmoothedCache(probabilities, targets, total)


def _targets(
    logits: Array, labels: Array, smoothing: float, class_weights: Array | None
) -> tuple[Array, float]:
    """What each class counts in the loss of each example, (N, K), and what all are divided by."""
    N, K = check_outputs("smoothed_cross_entropy", labels, logits=logits)
    weights = np.ones(K) if class_weights is None else class_weights
    if weights.shape != (K,):
        raise ValueError(f"smoothed_cross_entropy: {len(weights)} class weights, but {K} classes")
    total = float(weights[labels].sum()) or 1.0  # a shard may weigh nothing, and is not divided
    targets = np.tile(smoothing / K * weights, (N, 1))
    targets[np.arange(N), labels] += (1 - smoothing) * weights[labels]
    return targets, total


def _losses(targets: Array, minus_log_p: Array) -> Array:
    """What each class adds to the loss of each example, (N, K): nothing if it counts nothing, even
    if it is impossible.
    """
    losses = np.zeros_like(targets)
    return np.multiply(targets, minus_log_p, out=losses, where=targets > 0)


def smoothed_cross_entropy_backward(cache: SmoothedCache) -> Array:
    """The gradient for the logits: (p times the sum of the targets - targets) / total."""
    check_cache("smoothed_cross_entropy", cache, SmoothedCache)
    probabilities, targets, total = cache
    dlogits: Array = probabilities * targets.sum(1, keepdims=True)
    dlogits -= targets
    dlogits /= total
    return dlogits


def _checked_weights(class_weights: Sequence[float] | Array) -> Array:
    expected = f"smoothed_cross_entropy: class_weights are {shown(class_weights)}, expected a "
    if isinstance(class_weights, np.ndarray):
        check_array("smoothed_cross_entropy", "class_weights", class_weights)  # no masked one
    try:
        weights = np.array(class_weights)
        if weights.dtype.kind not in "iufO":  # texts of digits would become numbers
            raise TypeError
        weights = weights.astype(np.float64)
    except (TypeError, ValueError):
        raise TypeError(f"{expected}number for each class") from None
    if weights.ndim != 1 or not (np.isfinite(weights) & (weights >= 0)).all() or not weights.any():
        raise ValueError(f"{expected}finite number of at least 0 for each class, not all 0")
    weights.flags.writeable = False
    return weights
