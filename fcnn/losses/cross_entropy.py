"""Cross-entropy of class labels: of probabilities, and fused with softmax, of logits."""

from typing import NamedTuple

import numpy as np

from fcnn.arguments.arrays import check_cache
from fcnn.losses.loss import Loss, check_outputs, softmax_and_log
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

    The probabilities, (N, K), are clamped at the dtype's smallest normal number before the
    logarithm and the division. Labels and errors are as for `softmax_cross_entropy_forward`.

    Examples
    --------
    >>> import numpy as np
    >>> round(cross_entropy_forward(np.array([[0.25, 0.75]]), np.array([1]))[0], 6)
    0.287682
    """
    picked = _picked(probabilities, labels)
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

    Raises TypeError if the logits are not floats or the labels not integers, ValueError if the
    shapes do not fit or a label is out of range.

    Examples
    --------
    >>> import numpy as np
    >>> round(softmax_cross_entropy_forward(np.log([[1.0, 3.0]]), np.array([1]))[0], 6)
    0.287682
    """
    losses, probabilities = _losses_of_logits(logits, labels)
    return float(losses.mean(dtype=np.float64)), SoftmaxCrossEntropyCache(probabilities, labels)


def softmax_cross_entropy_backward(cache: SoftmaxCrossEntropyCache) -> Array:
    """The gradient for the logits: (p - onehot(label)) / N."""
    check_cache("softmax_cross_entropy", cache, SoftmaxCrossEntropyCache)
    N = len(cache.labels)
    dlogits = cache.probabilities / N
    dlogits[np.arange(N), cache.labels] -= 1 / N
    return dlogits


def _picked(probabilities: Array, labels: Array) -> Array:
    """The probability of each label, (N,)."""
    N, _ = check_outputs("cross_entropy", labels, probabilities=probabilities)
    return _clamp(probabilities[np.arange(N), labels])


def _losses_of_logits(logits: Array, labels: Array) -> tuple[Array, Array]:
    """The loss of each example, (N,), and the softmax, (N, K)."""
    N, _ = check_outputs("softmax_cross_entropy", labels, logits=logits)
    probabilities, log_total, z = softmax_and_log(logits)
    losses: Array = log_total[:, 0] - z[np.arange(N), labels]
    return losses, probabilities


def _clamp(probabilities: Array) -> Array:
    clamped: Array = np.maximum(probabilities, np.finfo(probabilities.dtype).tiny)
    return clamped


cross_entropy = Loss(
    "cross_entropy",
    cross_entropy_forward,
    cross_entropy_backward,
    each=lambda probabilities, labels: -np.log(_picked(probabilities, labels)),
)
softmax_cross_entropy = Loss(
    "softmax_cross_entropy",
    softmax_cross_entropy_forward,
    softmax_cross_entropy_backward,
    each=lambda logits, labels: _losses_of_logits(logits, labels)[0],
)
