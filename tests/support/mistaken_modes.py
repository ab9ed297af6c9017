"""Batch normalisation and dropout with mistakes, for `mistakes`."""

import attrs
import numpy as np
from breaking import change_result

from fcnn.layers import batch_norm as normalization
from fcnn.layers import dropout as regularization


def batch_norm_gradient(change):
    """dx of a batch normalisation in training changed: change(cache, dy, dparams, dx)."""

    def changed(cache, dy, gradients):
        dparams, dx = gradients
        return dparams, change(cache, dy, dparams, dx) if cache.of_batch else dx

    return [change_result(normalization, "batch_norm_backward", changed)]


def per_channel(values, dy):
    """(C,) beside dy, vectors or images."""
    return values.reshape(-1, *[1] * (dy.ndim - 2))


def through_the_mean(cache, dy, dparams, dx):
    M = dy.size / dy.shape[1]
    return dx + per_channel(cache.params.scale * cache.inverse * dparams.shift / M, dy)


def through_the_variance(cache, dy, dparams, dx):
    M = dy.size / dy.shape[1]
    centred = normalization._like(cache.centred, cache.shape)
    return dx + centred * per_channel(cache.params.scale * cache.inverse**2 * dparams.scale / M, dy)


def without_scale(cache, dy, dparams, dx):
    return dx / per_channel(cache.params.scale, dy)


def variance_of_a_sample():
    """M - 1 in place of M."""

    def statistics(rows, result):
        mean, var, centred = result
        M = rows.shape[0] * rows.shape[2]
        return mean, var * M / (M - 1), centred

    return [change_result(normalization, "_statistics", statistics)]


def variance_of_a_sample_throughout():
    """In the gradient as well, so that it is one of the function."""

    def backward(cache, dy, dparams, dx):
        M = dy.size / dy.shape[1]
        return dx + through_the_variance(cache, dy, dparams, 0) * (1 - M / (M - 1))

    return variance_of_a_sample() + batch_norm_gradient(backward)


def statistics_of_the_batch_in_inference():
    right = normalization.batch_norm_forward

    def forward(params, x, *, training=False, epsilon=1e-5):
        values = x.size // x.shape[1]
        return right(params, x, training=training or values > 1, epsilon=epsilon)

    return [(normalization, "batch_norm_forward", forward)]


def gradient_of_the_running_mean(dparams):
    return attrs.evolve(dparams, mean=dparams.shift)


def rate_that_is_kept():
    right = regularization.dropout_forward

    def forward(x, rng=None, *, rate):
        return right(x, rng, rate=1 - rate if rate else 0.0)

    return [(regularization, "dropout_forward", forward)]


def not_scaled(x, rng, result):
    """Neither forward nor backward."""
    mask = result[1].mask
    return result if mask is None else (x * (mask != 0), result[1]._replace(mask=mask != 0))


def dropout_in_inference():
    """As it was first described: nothing is scaled in training, everything in inference."""
    right = regularization.dropout_forward

    def forward(x, rng=None, *, rate):
        _, cache = right(x, rng, rate=rate)
        mask = np.full_like(x, 1 - rate) if cache.mask is None else cache.mask * (1 - rate)
        return x * mask, cache._replace(mask=mask)

    return [(regularization, "dropout_forward", forward)]
