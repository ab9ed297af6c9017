"""Smoothed and weighted losses with mistakes, for `mistakes`."""

import attrs
import numpy as np

from fcnn.losses import smoothed_cross_entropy as weighted_losses


def smoothed(change):
    """The loss by other targets: change(onehot, smoothing, weights) gives them and what the
    batch weighs.
    """

    def forward(logits, labels, *, label_smoothing=0.0, class_weights=None):
        K = logits.shape[1]
        weights = np.ones(K) if class_weights is None else class_weights
        onehot = np.eye(K)[labels]
        targets, total = change(onehot, label_smoothing, weights)
        shifted = logits - logits.max(1, keepdims=True)
        p = np.exp(shifted) / np.exp(shifted).sum(1, keepdims=True)
        logs = shifted - np.log(np.exp(shifted).sum(1, keepdims=True))
        value = -float((targets * logs).sum()) / total
        return value, weighted_losses.SmoothedCache(p, targets, total)

    return [(weighted_losses, "smoothed_cross_entropy_forward", forward)]


def spread_over_the_others(onehot, smoothing, weights):
    K = onehot.shape[1]
    others = smoothing / max(K - 1, 1) * (1 - onehot)
    targets = ((1 - smoothing * (K > 1)) * onehot + others) * weights
    return targets, float((onehot @ weights).sum())


def smoothing_not_weighted(onehot, smoothing, weights):
    targets = (1 - smoothing) * onehot * weights + smoothing / onehot.shape[1]
    return targets, float((onehot @ weights).sum())


def mean_over_examples(onehot, smoothing, weights):
    targets = ((1 - smoothing) * onehot + smoothing / onehot.shape[1]) * weights
    return targets, len(onehot)


def shards_weighed_by_their_size():
    right = weighted_losses.smoothed_cross_entropy
    return [
        (
            weighted_losses,
            "smoothed_cross_entropy",
            lambda **settings: attrs.evolve(right(**settings), weight=len),
        )
    ]
