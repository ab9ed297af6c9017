"""Average pooling, over windows and over whole images, one axis at a time.

y[n, c, i, j] = sum over p, q of x[n, c, i*SH + p, j*SW + q] / (KH * KW)

In memory order, (H, C, W, N), the KH rows of a window lie one after the other: they are one
matrix, and the mean over them is its product with a row of weights. That of the columns is a
sum of what is left. The weights come first: no sum of finite numbers overflows on the way.
"""

from typing import NamedTuple

import numpy as np

from fcnn.arguments.arrays import IMAGES, check_axes, check_cache, check_floats, check_gradient
from fcnn.layers.layer import Layer, layer_without_parameters
from fcnn.layers.window_sizes import image_shape, output_size, pool_sizes
from fcnn.numerics.arrays import Array, Pair, Shape, as_images, batch_innermost

_ROWS, _COLUMNS = 0, 2  # the axes of memory order


class AveragePoolCache(NamedTuple):
    """What the backward pass needs: shapes alone, for the gradient does not depend on x."""

    window: Pair
    stride: Pair
    padding: Pair
    in_shape: Shape
    out_shape: Shape
    dtype: np.dtype[np.floating]


class GlobalAverageCache(NamedTuple):
    """What the backward pass needs."""

    in_shape: Shape
    dtype: np.dtype[np.floating]


def avg_pool2d(
    window: int | Pair = 2, *, stride: int | Pair | None = None, padding: int | Pair = 0
) -> Layer:
    """Average pooling: (C, H, W) -> (C, OH, OW).

    Parameters
    ----------
    window, stride, padding
        An int, or a pair (vertical, horizontal). The stride defaults to the window; the
        padding is at most window // 2, and its zeros count in the mean.
    """
    sizes = pool_sizes("avg_pool2d", window, stride, padding)

    def out_shape(in_shape: Shape) -> Shape:
        channels, height, width = image_shape("avg_pool2d", in_shape)
        return (channels, *output_size("avg_pool2d", (height, width), *sizes))

    return layer_without_parameters(
        "avg_pool2d",
        out_shape,
        forward=lambda x: avg_pool2d_forward(x, window=sizes[0], stride=sizes[1], padding=sizes[2]),
        backward=lambda cache, dy: avg_pool2d_backward(cache, dy),
        settings=dict(zip(("window", "stride", "padding"), sizes, strict=True)),
    )


global_avg_pool = layer_without_parameters(
    "global_avg_pool",
    out_shape=lambda in_shape: image_shape("global_avg_pool", in_shape)[:1],
    forward=lambda x: global_avg_pool_forward(x),
    backward=lambda cache, dy: global_avg_pool_backward(cache, dy),
)


def avg_pool2d_forward(
    x: Array,
    *,
    window: int | Pair = 2,
    stride: int | Pair | None = None,
    padding: int | Pair = 0,
) -> tuple[Array, AveragePoolCache]:
    """The mean of every window of a batch of images.

    Parameters
    ----------
    x
        Images (N, C, H, W), float32 or float64.
    window, stride, padding
        An int, or a pair (vertical, horizontal). The stride defaults to the window. Padding
        counts as zeros, in the mean too, and is at most window // 2.

    Returns
    -------
    y, cache
        y (N, C, OH, OW) with OH = (H + 2 PH - KH) // SH + 1, OW likewise. Rows and columns
        that fill no whole window are left out.

    Raises
    ------
    TypeError
        If x is not a float array.
    ValueError
        If x is not a batch of images, the padding exceeds half the window, or the window
        the padded image.

    Examples
    --------
    >>> import numpy as np
    >>> avg_pool2d_forward(np.arange(16.0).reshape(1, 1, 4, 4))[0]
    array([[[[ 2.5,  4.5],
             [10.5, 12.5]]]])
    """
    window, stride, padding = pool_sizes("avg_pool2d", window, stride, padding)
    _check_images("avg_pool2d", x)
    (KH, KW), (SH, SW) = window, stride
    OH, OW = output_size("avg_pool2d", x.shape[2:], window, stride, padding)
    rows = _pad(batch_innermost(x), padding)
    _, C, W, N = rows.shape
    # (H, C, W, N) -> (OH, KH, C*W*N): a view of KH rows for each of the output
    row = C * W * N * rows.itemsize
    windows: Array = np.ndarray(
        (OH, KH, C * W * N), rows.dtype, rows, strides=(SH * row, row, rows.itemsize)
    )
    means = np.matmul(np.full((1, KH), 1 / (KH * KW), rows.dtype), windows)
    means = means.reshape(OH, C, W, N)
    y = means[:, :, _members(0, OW, SW)]
    for k in range(1, KW):
        # The first sum is an array of its own, which the others are added to.
        y = np.add(y, means[:, :, _members(k, OW, SW)], out=None if k == 1 else y)
    y = as_images(y)
    return y, AveragePoolCache(window, stride, padding, x.shape, y.shape, x.dtype)


def avg_pool2d_backward(cache: AveragePoolCache, dy: Array) -> Array:
    """dx (N, C, H, W): dy (N, C, OH, OW), divided equally among the pixels of each window."""
    check_cache("avg_pool2d", cache, AveragePoolCache)
    check_gradient("avg_pool2d_backward", dy, cache.out_shape, cache.dtype)
    (KH, KW), (SH, SW), (PH, PW) = cache.window, cache.stride, cache.padding
    H, W = cache.in_shape[2:]
    share = batch_innermost(dy) * (1 / (KH * KW))  # (OH, C, OW, N)
    columns = _to_members(share, _COLUMNS, W + 2 * PW, KW, SW)  # (OH, C, W + 2 PW, N)
    rows = _to_members(columns, _ROWS, H + 2 * PH, KH, SH)  # (H + 2 PH, C, W + 2 PW, N)
    return as_images(rows[PH : PH + H, :, PW : PW + W])


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
    _check_images("global_avg_pool", x)
    N, C, H, W = x.shape
    rows = batch_innermost(x).reshape(H, C * W * N)
    means = np.matmul(np.full((1, H), 1 / (H * W), x.dtype), rows)  # -> (1, C*W*N)
    return means.reshape(C, W, N).sum(1).T, GlobalAverageCache(x.shape, x.dtype)


def global_avg_pool_backward(cache: GlobalAverageCache, dy: Array) -> Array:
    """dx (N, C, H, W): dy (N, C), divided equally among the pixels; a read-only view."""
    check_cache("global_avg_pool", cache, GlobalAverageCache)
    N, C, H, W = cache.in_shape
    check_gradient("global_avg_pool_backward", dy, (N, C), cache.dtype)
    share = dy.T * (1 / (H * W))  # (N, C) -> (C, N)
    return as_images(np.broadcast_to(share[None, :, None, :], (H, C, W, N)))


def _check_images(function: str, x: Array) -> None:
    check_floats(function, x=x)
    check_axes(function, "x", x, IMAGES)


def _pad(rows: Array, padding: Pair) -> Array:
    if padding == (0, 0):
        return rows
    (H, C, W, N), (PH, PW) = rows.shape, padding
    padded = np.zeros((H + 2 * PH, C, W + 2 * PW, N), rows.dtype)
    padded[PH : PH + H, :, PW : PW + W] = rows
    return padded


def _members(k: int, number: int, stride: int) -> slice:
    """Where the pixels number k of all windows lie along an axis."""
    return slice(k, k + (number - 1) * stride + 1, stride)


def _to_members(dy: Array, axis: int, size: int, window: int, stride: int) -> Array:
    """Every number to all pixels of its window along an axis; in shared pixels they add up."""
    number = dy.shape[axis]
    shape = (*dy.shape[:axis], size, *dy.shape[axis + 1 :])
    tiled = window == stride and number * window == size
    dx = np.empty(shape, dy.dtype) if tiled else np.zeros(shape, dy.dtype)
    for k in range(window):
        member = dx[(*(slice(None),) * axis, _members(k, number, stride))]
        if window > stride:
            member += dy
        else:
            member[...] = dy
    return dx
