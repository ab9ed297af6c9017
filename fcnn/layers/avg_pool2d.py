"""Average pooling, over windows and over whole images.

y[n, c, i, j] = sum over p, q of x[n, c, i*SH + p, j*SW + q] / (KH * KW)

In memory order, (H, C, W, N), the KH rows of a window lie one after the other: they are one
matrix, and the mean over them is its product with a row of weights. That of the columns is a
sum of what is left. The weights come first: no sum of finite numbers overflows on the way.
"""

from typing import NamedTuple

import numpy as np

from fcnn.arguments.arrays import check_backward, shapes
from fcnn.layers.layer import Layer, layer_without_parameters
from fcnn.layers.window_sizes import image_shape
from fcnn.layers.windows import PoolSettings, Windows, pool, windows_of
from fcnn.numerics.arrays import Array, Pair, Shape, as_images, batch_innermost, sum_in_order
from fcnn.numerics.products import product


class AveragePoolCache(NamedTuple):
    """What the backward pass needs: shapes alone, for the gradient does not depend on x."""

    rows: Windows
    columns: Windows
    out_shape: Shape
    dtype: np.dtype[np.floating]


class GlobalAverageCache(NamedTuple):
    """What the backward pass needs."""

    in_shape: Shape
    out_shape: Shape
    dtype: np.dtype[np.floating]


def avg_pool2d(
    window: int | Pair = 2, *, stride: int | Pair | None = None, padding: int | Pair = 0
) -> Layer:
    """Average pooling: (C, H, W) -> (C, OH, OW).

    The settings are those of `max_pool2d`; the zeros of the padding count in the mean.
    """
    return pool(avg_pool2d, (window, stride, padding), _forward, avg_pool2d_backward)


def avg_pool2d_forward(
    x: Array,
    *,
    window: int | Pair = 2,
    stride: int | Pair | None = None,
    padding: int | Pair = 0,
) -> tuple[Array, AveragePoolCache]:
    """The mean of every window of a batch of images, where `max_pool2d_forward` has the maximum.

    The settings are those of `avg_pool2d`, the sizes and errors those there.

    Examples
    --------
    >>> import numpy as np
    >>> avg_pool2d_forward(np.arange(16.0).reshape(1, 1, 4, 4))[0]
    array([[[[ 2.5,  4.5],
             [10.5, 12.5]]]])
    """
    return avg_pool2d(window, stride=stride, padding=padding).forward((), x)


def _forward(x: Array, settings: PoolSettings) -> tuple[Array, AveragePoolCache]:
    _, _, H, W = shapes("avg_pool2d", x=(x, "N, C, H, W"))
    rows, columns = windows_of("avg_pool2d", (H, W), settings)
    padded = np.ascontiguousarray(rows.padded(columns.padded(batch_innermost(x), 0), 0))
    means = _means_of_rows(padded, rows, 1 / (len(rows.members) * len(columns.members)))
    y = as_images(sum_in_order([means[member] for member in columns.members]))
    return y, AveragePoolCache(rows, columns, y.shape, y.dtype)


def _means_of_rows(x: Array, rows: Windows, weight: float) -> Array:
    """The sums of the rows of all windows, each times a weight: a product."""
    _, C, W, N = x.shape
    # (H, C, W, N) -> (OH, KH, C*W*N): a view of KH rows for each of the output
    row, shape = C * W * N * x.itemsize, (rows.number, len(rows.members), C * W * N)
    windows: Array = np.ndarray(shape, x.dtype, x, strides=(rows.stride * row, row, x.itemsize))
    means = product(np.full((1, len(rows.members)), weight, x.dtype), windows)
    return means.reshape(rows.number, C, W, N)


def avg_pool2d_backward(cache: AveragePoolCache, dy: Array) -> Array:
    """dx (N, C, H, W): dy (N, C, OH, OW), divided equally among the pixels of each window."""
    check_backward("avg_pool2d", cache, AveragePoolCache, dy)
    rows, columns = cache.rows, cache.columns
    share = batch_innermost(dy) * (1 / (len(rows.members) * len(columns.members)))
    return as_images(_to_members(_to_members(share, columns), rows))


def _to_members(dy: Array, windows: Windows) -> Array:
    """Every number to all pixels of its window along an axis; in shared pixels they add up."""
    dx = windows.spread(dy)
    for member in windows.members:
        if windows.overlap:
            dx[member] += dy
        else:
            dx[member] = dy
    return windows.cropped(dx)


def global_avg_pool_forward(x: Array) -> tuple[Array, GlobalAverageCache]:
    """The mean of every channel: (N, C, H, W) -> (N, C).

    x is float32 or float64, else TypeError; anything but a batch of images is a ValueError.
    Lin, Chen, Yan: "Network in network" (2014), section 3.2.

    Examples
    --------
    >>> import numpy as np
    >>> global_avg_pool_forward(np.arange(8.0).reshape(1, 2, 2, 2))[0]
    array([[1.5, 5.5]])
    """
    N, C, H, W = shapes("global_avg_pool", x=(x, "N, C, H, W"))
    rows = batch_innermost(x).reshape(H, C * W * N)
    means = product(np.full((1, H), 1 / (H * W), x.dtype), rows)  # -> (1, C*W*N)
    return means.reshape(C, W, N).sum(1).T, GlobalAverageCache(x.shape, (N, C), x.dtype)


def global_avg_pool_backward(cache: GlobalAverageCache, dy: Array) -> Array:
    """dx (N, C, H, W): dy (N, C), divided equally among the pixels; a read-only view."""
    check_backward("global_avg_pool", cache, GlobalAverageCache, dy)
    N, C, H, W = cache.in_shape
    share = dy.T * (1 / (H * W))  # (N, C) -> (C, N)
    return as_images(np.broadcast_to(share[None, :, None, :], (H, C, W, N)))


global_avg_pool = layer_without_parameters(
    "global_avg_pool",
    global_avg_pool_forward,
    global_avg_pool_backward,
    out_shape=lambda in_shape: image_shape("global_avg_pool", in_shape)[:1],
)
