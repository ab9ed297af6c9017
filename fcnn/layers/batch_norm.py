"""Batch normalisation.

y = scale * (x - mean) / sqrt(var + epsilon) + shift, channel by channel

Ioffe, Szegedy: "Batch Normalization" (2015), algorithm 1. In training, mean and variance are
those of the shard of the batch that the layer is given. In inference they are the `mean` and
`var` of its parameters, which no gradient changes: `fcnn.calibrate` sets them, from all shards
of a sample of the training set ("precise batch normalization", Wu and Johnson: "Rethinking Batch
in BatchNorm", 2021, section 3). So no state flows through the signatures.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import attrs
import numpy as np

from fcnn.arguments.arrays import check_backward, check_floats, check_shape, shapes
from fcnn.arguments.settings import above_zero, check_kind, true_or_false
from fcnn.distributed.sample import Sample
from fcnn.layers.initializers import check_fits
from fcnn.layers.layer import Layer, SharedCalibration
from fcnn.numerics.arrays import Array, Shape, as_images, batch_innermost, freeze
from fcnn.numerics.products import product
from fcnn.tree.description import in_brief
from fcnn.tree.trained_leaves import UNTRAINED


@attrs.frozen(eq=False)
class BatchNormParams:
    """scale and shift, which are trained; mean and var, which `calibrate` sets: each (C,).

    No optimizer decays mean and var, whatever its rule.
    """

    scale: Array
    shift: Array
    mean: Array = attrs.field(metadata=UNTRAINED)
    var: Array = attrs.field(metadata=UNTRAINED)

    __repr__ = in_brief


class BatchNormCache(NamedTuple):
    """What the backward pass needs."""

    params: BatchNormParams
    centred: Array  # x - mean as rows, (H, C, W*N), in the unit of each channel
    inverse: Array  # 1 / sqrt(var + epsilon), (C,), in the same unit
    slope: Array  # scale / sqrt(var + epsilon), (C,), in that of x
    of_batch: bool  # whether mean and variance were those of x, and so depend on it
    out_shape: Shape
    dtype: np.dtype[np.floating]


def batch_norm(*, epsilon: float = 1e-5) -> Layer:
    """Batch normalisation of images, over N, H and W, or of vectors, over N.

    Parameters
    ----------
    epsilon
        Added to the variance, above 0, in the dtype of x too.
    """
    epsilon = above_zero("batch_norm", "epsilon", epsilon)

    def init(rng: np.random.Generator, in_shape: Shape) -> tuple[BatchNormParams, Shape]:
        in_shape = check_shape("batch_norm", in_shape)
        if len(in_shape) not in (1, 3) or min(in_shape) < 1:
            raise ValueError(
                f"batch_norm: expects images (C, H, W) or vectors (D,), got {in_shape}"
            )
        check_fits(rng, in_shape[:1])
        ones, zeros = (freeze(np.full(in_shape[0], v, np.float32)) for v in (1, 0))
        return BatchNormParams(scale=ones, shift=zeros, mean=zeros, var=ones), in_shape

    return Layer(
        "batch_norm",
        init,
        forward=lambda params, x, rng=None: _forward(params, x, rng is not None, epsilon),
        backward=batch_norm_backward,
        backward_params=batch_norm_backward_params,
        apply=lambda params, x: _apply(params, x, epsilon),
        needs_rng=True,
        calibrate=SharedCalibration(lambda params, sample: _calibrate(params, sample, epsilon)),
        settings={} if epsilon == 1e-5 else {"epsilon": epsilon},
        make=batch_norm,
    )


def batch_norm_forward(
    params: BatchNormParams, x: Array, *, training: bool = False, epsilon: float = 1e-5
) -> tuple[Array, BatchNormCache]:
    """Normalise a batch, with its own statistics in training, with those of params otherwise.

    Parameters
    ----------
    params
        Each array (C,).
    x
        Images (N, C, H, W) or vectors (N, C), of the dtype of the parameters, float32 or float64.
    training
        Whether mean and variance are those of x. The variance is the mean of the squares.
    epsilon
        As for `batch_norm`.

    Raises TypeError for other dtypes, ValueError for shapes that do not fit, or in training, if
    there is one value per channel: of vectors, a shard of one example.

    Examples
    --------
    >>> import numpy as np
    >>> one, zero = np.ones(1), np.zeros(1)
    >>> params = BatchNormParams(scale=one, shift=zero, mean=zero, var=one)
    >>> batch_norm_forward(params, np.array([[1.0], [3.0]]), training=True)[0].round(3)
    array([[-1.],
           [ 1.]])
    """
    training = true_or_false("batch_norm", "training", training)
    return _forward(params, x, training, above_zero("batch_norm", "epsilon", epsilon))


def _forward(
    params: BatchNormParams, x: Array, training: bool, epsilon: float
) -> tuple[Array, BatchNormCache]:
    rows = _rows(params, x)
    own_epsilon = _in_dtype(epsilon, rows.dtype)
    unit: Array | int = 1
    if training:
        inverse, centred, unit = _of_batch(rows, own_epsilon)
    else:
        inverse, centred = 1 / np.sqrt(params.var + own_epsilon), rows - params.mean[:, None]
    slope = params.scale * inverse
    y = centred * slope[:, None]
    y += params.shift[:, None]
    cache = BatchNormCache(params, centred, inverse, slope * unit, training, x.shape, x.dtype)
    return _like(y, x.shape), cache


def batch_norm_backward(cache: BatchNormCache, dy: Array) -> tuple[BatchNormParams, Array]:
    """Gradients of the parameters and of x, from dy of the shape of x.

    With c = x - mean and r = 1 / sqrt(var + epsilon), dscale = r sum(dy c), dshift = sum(dy)
    and dx = scale r (dy - sum(dy) / M - c r^2 sum(dy c) / M), where M values of a channel
    shared their statistics; of given statistics, dx = scale r dy. Those of mean and var are
    zero: they are not trained.
    """
    dparams = batch_norm_backward_params(cache, dy)
    _, centred, inverse, slope, of_batch, shape, _ = cache
    rows = _to_rows(dy)
    if not of_batch:
        return dparams, _like(rows * slope[:, None], shape)
    values = rows.shape[0] * rows.shape[2]
    dx = centred * (-inverse * dparams.scale / values)[:, None]
    dx += rows
    dx -= (dparams.shift / values)[:, None]
    dx *= slope[:, None]
    return dparams, _like(dx, shape)


def batch_norm_backward_params(cache: BatchNormCache, dy: Array) -> BatchNormParams:
    """Gradients of the parameters alone."""
    check_backward("batch_norm", cache, BatchNormCache, dy)
    rows, zero = _to_rows(dy), np.zeros_like(cache.inverse)
    dscale = cache.inverse * np.vecdot(rows, cache.centred).sum(0)
    return BatchNormParams(scale=dscale, shift=_sum(rows), mean=zero, var=zero)


def _apply(params: BatchNormParams, x: Array, epsilon: float) -> Array:
    """The output alone, for inference."""
    rows = _rows(params, x)
    y = rows - params.mean[:, None]
    y *= (params.scale * (1 / np.sqrt(params.var + _in_dtype(epsilon, rows.dtype))))[:, None]
    y += params.shift[:, None]
    return _like(y, x.shape)


def _calibrate(
    params: BatchNormParams, sample: Sample, epsilon: float
) -> tuple[BatchNormParams, Sample]:
    check_kind("batch_norm", "params", params, BatchNormParams)
    mean, var = _statistics_of_sample(params, sample)
    dtype = params.mean.dtype
    mean, var = mean.astype(dtype), np.minimum(var, np.finfo(dtype).max).astype(dtype)
    calibrated = attrs.evolve(params, mean=freeze(mean), var=freeze(var))
    return calibrated, sample.map(lambda x: _apply(calibrated, x, epsilon))


def _statistics_of_sample(params: BatchNormParams, sample: Sample) -> tuple[Array, Array]:
    """Mean and variance of each channel over all shards, (C,), float64, in which no square of a
    float32 overflows.
    """

    def sums(x: Array) -> list[Array]:
        rows = _rows(params, x)
        return [np.array(rows.shape[0] * rows.shape[2]), rows.sum((0, 2), np.float64)]

    def squares(x: Array) -> list[Array]:
        squared = np.zeros_like(mean)
        for row in _rows(params, x):  # one by one, for centred is float64
            centred = row - mean[:, None]
            squared += np.vecdot(centred, centred)
        return [squared]

    zeros = np.zeros(params.mean.shape)
    values, total = sample.total(sums, like=[np.array(0), zeros])
    if values == 1:
        raise ValueError("batch_norm: the sample has one value per channel, and no variance")
    mean = total / values
    (squared,) = sample.total(squares, like=[zeros])
    return mean, squared / values


@lru_cache(maxsize=16)
def _in_dtype(epsilon: float, dtype: np.dtype[np.floating]) -> np.floating:
    """epsilon in the dtype of x; ValueError if it is 0 or infinite there."""
    with np.errstate(over="ignore", under="ignore"):
        own: np.floating = dtype.type(epsilon)
    if not 0 < own < np.inf:
        raise ValueError(f"batch_norm: epsilon is {epsilon}, which is {own} in {dtype}")
    return own


def _statistics(rows: Array) -> tuple[Array, Array]:
    """The variance of each channel, (C,), and the rows less their mean."""
    values = rows.shape[0] * rows.shape[2]
    if values == 1:
        raise ValueError(
            "batch_norm: one value per channel has no variance to normalise by; train on more "
            "than one example, and choose a batch size that leaves no shard of one, in the "
            "last batch either"
        )
    mean = _sum(rows) / values
    centred = rows - mean[:, None]
    return np.vecdot(centred, centred).sum(0) / values, centred


_statistics_or_overflow = np.errstate(over="ignore", invalid="ignore")(_statistics)


def _of_batch(rows: Array, epsilon: np.floating) -> tuple[Array, Array, Array | int]:
    """1 / sqrt(var + epsilon) of each channel, (C,), and the rows less their mean, both of rows
    times a unit, which comes third: 1, or a power of two where sums or squares would overflow.
    """
    var, centred = _statistics_or_overflow(rows)
    if np.isfinite(var).all():
        return 1 / np.sqrt(var + epsilon), centred, 1
    var, centred, unit = _scaled_statistics(rows, np.isfinite(var))
    return 1 / np.sqrt(var + epsilon * unit * unit), centred, unit


def _scaled_statistics(rows: Array, in_range: Array) -> tuple[Array, Array, Array]:
    """The variance of each channel, (C,), the rows less their mean, and the unit, (C,), that both
    are in: 1 for the channels in range.
    """
    _, exponent = np.frexp(np.abs(rows).max((0, 2)))
    exponent = np.where(in_range, 0, -exponent)
    _, centred = _statistics(np.ldexp(rows, exponent[:, None]))
    values = rows.shape[0] * rows.shape[2]
    # Numbers as large as these show how their mean was rounded: epsilon does not hide it.
    centred -= np.where(in_range, 0, _sum(centred) / values)[:, None]
    var = np.vecdot(centred, centred).sum(0) / values
    # Of equal numbers zeros are left, in any unit.
    unit = np.where(var > 0, np.ldexp(rows.dtype.type(1), exponent), rows.dtype.type(1))
    return var, centred, unit


def _sum(rows: Array) -> Array:
    """The sum of each channel; a product with ones takes a third of the time of a sum."""
    total: Array = product(rows, np.ones(rows.shape[2], rows.dtype)).sum(0)
    return total


def _rows(params: BatchNormParams, x: Array) -> Array:
    """x as rows, after a look at it and at the parameters."""
    check_kind("batch_norm", "params", params, BatchNormParams)
    if not (isinstance(x, np.ndarray) and x.ndim in (2, 4)):
        check_floats("batch_norm", x=x)
        raise ValueError(
            f"batch_norm: x has shape {x.shape}, expected images (N, C, H, W) or vectors (N, C)"
        )
    axes = "N, C, H, W" if x.ndim == 4 else "N, C"
    parts = {name: (getattr(params, name), "C") for name in ("scale", "shift", "mean", "var")}
    shapes("batch_norm", x=(x, axes), **parts)
    return _to_rows(x)


def _to_rows(x: Array) -> Array:
    """(N, C, H, W) or (N, C) -> (H, C, W*N), with H = W = 1 for vectors."""
    if x.ndim == 2:
        return np.ascontiguousarray(x.T)[None]
    rows = batch_innermost(x)
    return rows.reshape(*rows.shape[:2], -1)


def _like(rows: Array, shape: Shape) -> Array:
    """Rows as a batch of the given shape again."""
    if len(shape) == 2:
        return np.asarray(rows[0].T)
    N, C, H, W = shape
    return as_images(rows.reshape(H, C, W, N))
