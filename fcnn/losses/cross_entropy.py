"""Losses: the mean over a batch, as a Python float, and its gradient."""

from typing import NamedTuple

import numpy as np

from fcnn.arguments.arrays import check_axes, check_cache, check_floats, check_labels
from fcnn.losses.loss import Loss
from fcnn.numerics.arrays import Array


class CrossEntropyCache(NamedTuple):
    """Probabilities (N, K) and labels (N,)."""

    probabilities: Array
    labels: Array


class SoftmaxCrossEntropyCache(NamedTuple):
    """The softmax (N, K) of the logits, and labels (N,)."""

    probabilities: Array
    labels: Array


def cross_entropy_forward(probabilities: Array, labels: Array) -> tuple[float, CrossEntropyCache]:
    """-log p[label], the mean over the batch, for a network that ends in softmax.

    Parameters
    ----------
    probabilities
        (N, K), float32 or float64. Clamped at the dtype's smallest normal number before
        the logarithm and the division.
    labels
        Integer class indices (N,).

    Raises
    ------
    TypeError
        If the probabilities are not floats or the labels not integers.
    ValueError
        If the shapes do not fit or a label is out of range.

    Examples
    --------
    >>> import numpy as np
    >>> round(cross_entropy_forward(np.array([[0.25, 0.75]]), np.array([1]))[0], 6)
    0.287682
    """
    _check_arguments("cross_entropy", "probabilities", probabilities, labels)
    picked = _clamp(probabilities[np.arange(len(labels)), labels])
    loss = -float(np.log(picked).mean(dtype=np.float64))
    return loss, CrossEntropyCache(probabilities, labels)


def cross_entropy_backward(cache: CrossEntropyCache) -> Array:
    """The gradient for the probabilities: -1 / (N p) at the label, 0 elsewhere."""
    check_cache("cross_entropy", cache, CrossEntropyCache)
    N = len(cache.labels)
    rows = np.arange(N)
    dprobabilities = np.zeros_like(cache.probabilities)
    picked = _clamp(cache.probabilities[rows, cache.labels])
    dprobabilities[rows, cache.labels] = -1 / (N * picked)
    return dprobabilities


def softmax_cross_entropy_forward(
    logits: Array, labels: Array
) -> tuple[float, SoftmaxCrossEntropyCache]:
    """log(sum of exp(z)) - z[label], the mean over the batch, for a network that ends in logits.

    Softmax and cross-entropy in one, and no NaN for any finite logits.

    Parameters
    ----------
    logits
        (N, K), float32 or float64.
    labels
        Integer class indices (N,).

    Raises
    ------
    TypeError
        If the logits are not floats or the labels not integers.
    ValueError
        If the shapes do not fit or a label is out of range.

    Examples
    --------
    >>> import numpy as np
    >>> round(softmax_cross_entropy_forward(np.log([[1.0, 3.0]]), np.array([1]))[0], 6)
    0.287682
    """
    _check_arguments("softmax_cross_entropy", "logits", logits, labels)
    with np.errstate(over="ignore"):  # -inf, and so p = 0, is right
        shifted = logits - logits.max(1, keepdims=True)
    probabilities = np.exp(shifted)
    total = probabilities.sum(1, keepdims=True)
    probabilities /= total
    losses = np.log(total[:, 0]) - shifted[np.arange(len(labels)), labels]
    loss = float(losses.mean(dtype=np.float64))
    return loss, SoftmaxCrossEntropyCache(probabilities, labels)


def softmax_cross_entropy_backward(cache: SoftmaxCrossEntropyCache) -> Array:
    """The gradient for the logits: (p - onehot(label)) / N."""
    check_cache("softmax_cross_entropy", cache, SoftmaxCrossEntropyCache)
    N = len(cache.labels)
    dlogits = cache.probabilities / N
    dlogits[np.arange(N), cache.labels] -= 1 / N
    return dlogits


cross_entropy = Loss(
    "cross_entropy",
    forward=lambda probabilities, labels: cross_entropy_forward(probabilities, labels),
    backward=lambda cache: cross_entropy_backward(cache),
)

softmax_cross_entropy = Loss(
    "softmax_cross_entropy",
    forward=lambda logits, labels: softmax_cross_entropy_forward(logits, labels),
    backward=lambda cache: softmax_cross_entropy_backward(cache),
)


def _clamp(probabilities: Array) -> Array:
    clamped: Array = np.maximum(probabilities, np.finfo(probabilities.dtype).tiny)
    return clamped


def _check_arguments(function: str, name: str, outputs: Array, labels: Array) -> None:
    check_floats(function, **{name: outputs})
    check_axes(function, name, outputs, "N, K")
    check_labels(function, labels, *outputs.shape)
