"""Max-pooling, one axis at a time.

The maximum over a window is the maximum over its rows of the maxima over their columns.
Taking the columns first, and the first of equals in each round, finds the first maximum
of the window in row-major order: the one that gets the whole gradient.
"""

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from fcnn.arguments.arrays import IMAGES, check_axes, check_cache, check_floats, check_gradient
from fcnn.layers.layer import Layer, layer_without_parameters
from fcnn.layers.window_sizes import image_shape, output_size, pool_sizes
from fcnn.numerics.arrays import Array, Index, Pair, Shape, as_images, batch_innermost

_ROWS, _COLUMNS = 0, 2  # the axes of memory order, (H, C, W, N)


class Windows(NamedTuple):
    """Windows along one axis: which pixels they have, and what is left of them."""

    axis: int
    stride: int
    padding: int
    pixels: int  # without the padding
    number: int
    members: tuple[Index, ...]  # where the first pixels of all windows lie, the second, ...


class MaxPoolCache(NamedTuple):
    """Which pixel won in every window, round by round."""

    rows: Windows
    columns: Windows
    row_wins: list[Array]
    column_wins: list[Array]
    out_shape: Shape
    dtype: np.dtype[np.floating]


def max_pool2d(
    window: int | Pair = 2, *, stride: int | Pair | None = None, padding: int | Pair = 0
) -> Layer:
    """Max-pooling: (C, H, W) -> (C, OH, OW).

    Parameters
    ----------
    window, stride, padding
        An int, or a pair (vertical, horizontal). The stride defaults to the window; the
        padding is at most window // 2.
    """
    sizes = pool_sizes("max_pool2d", window, stride, padding)

    def out_shape(in_shape: Shape) -> Shape:
        channels, height, width = image_shape("max_pool2d", in_shape)
        return (channels, *output_size("max_pool2d", (height, width), *sizes))

    return layer_without_parameters(
        "max_pool2d",
        out_shape,
        forward=lambda x: max_pool2d_forward(x, window=sizes[0], stride=sizes[1], padding=sizes[2]),
        backward=lambda cache, dy: max_pool2d_backward(cache, dy),
        apply=lambda x: _maxima(x, *sizes),
        settings=dict(zip(("window", "stride", "padding"), sizes, strict=True)),
        commutes_with_relu=True,
    )


def max_pool2d_forward(
    x: Array,
    *,
    window: int | Pair = 2,
    stride: int | Pair | None = None,
    padding: int | Pair = 0,
) -> tuple[Array, MaxPoolCache]:
    """The maximum of every window of a batch of images.

    Parameters
    ----------
    x
        Images (N, C, H, W), float32 or float64.
    window, stride, padding
        An int, or a pair (vertical, horizontal). The stride defaults to the window.
        Padding counts as minus infinity and is at most window // 2.

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
    >>> max_pool2d_forward(np.arange(16.0).reshape(1, 1, 4, 4))[0]
    array([[[[ 5.,  7.],
             [13., 15.]]]])
    """
    sizes = pool_sizes("max_pool2d", window, stride, padding)
    rows, columns = _windows_of(x, *sizes)
    y, column_wins = _first_maximum(batch_innermost(x), columns)
    y, row_wins = _first_maximum(y, rows)
    y = as_images(y)
    return y, MaxPoolCache(rows, columns, row_wins, column_wins, y.shape, x.dtype)


def max_pool2d_backward(cache: MaxPoolCache, dy: Array) -> Array:
    """dx (N, C, H, W): dy (N, C, OH, OW) goes whole to the first maximum of each window."""
    check_cache("max_pool2d", cache, MaxPoolCache)
    check_gradient("max_pool2d_backward", dy, cache.out_shape, cache.dtype)
    dx = _to_first_maximum(batch_innermost(dy), cache.rows, cache.row_wins)
    return as_images(_to_first_maximum(dx, cache.columns, cache.column_wins))


def _maxima(x: Array, window: Pair, stride: Pair, padding: Pair) -> Array:
    """The outputs alone, for inference. Rows come first here: they lie together in memory,
    and which of equal pixels is the first does not matter.
    """
    rows, columns = _windows_of(x, window, stride, padding)
    y = batch_innermost(x)
    for windows in (rows, columns):
        y = _pad(y, windows)
        best = y[windows.members[0]]
        for member in windows.members[1:]:
            best = np.maximum(best, y[member])
        y = best
    return as_images(y)


def _windows_of(x: Array, window: Pair, stride: Pair, padding: Pair) -> tuple[Windows, Windows]:
    """The windows along the rows and along the columns of a batch of images."""
    check_floats("max_pool2d", x=x)
    check_axes("max_pool2d", "x", x, IMAGES)
    return _windows(x.shape[2:], window, stride, padding)


@lru_cache(maxsize=256)
def _windows(size: Pair, window: Pair, stride: Pair, padding: Pair) -> tuple[Windows, Windows]:
    number = output_size("max_pool2d", size, window, stride, padding)

    def along(axis: int, i: int) -> Windows:
        reach = (number[i] - 1) * stride[i] + 1
        members = [_at(axis, slice(k, k + reach, stride[i])) for k in range(window[i])]
        return Windows(axis, stride[i], padding[i], size[i], number[i], tuple(members))

    return along(_ROWS, 0), along(_COLUMNS, 1)


def _first_maximum(x: Array, windows: Windows) -> tuple[Array, list[Array]]:
    """The maximum of each window along an axis, and where each later pixel beat all before."""
    x = _pad(x, windows)
    best = x[windows.members[0]]
    wins = []
    for member in windows.members[1:]:
        pixel = x[member]
        wins.append(pixel > best)
        best = np.maximum(best, pixel)
    for window in range(min(windows.number, -(-windows.padding // windows.stride))):
        # The first real pixel beats the padding before it, even at minus infinity.
        first = windows.padding - window * windows.stride
        wins[first - 1][_at(windows.axis, slice(window, window + 1))] = True
    return best, wins


def _to_first_maximum(dy: Array, windows: Windows, wins: list[Array]) -> Array:
    """The gradient of `_first_maximum`: the last pixel that beat all before takes all."""
    axis, members = windows.axis, windows.members
    size = windows.pixels + 2 * windows.padding
    shape = (*dy.shape[:axis], size, *dy.shape[axis + 1 :])
    rest = dy
    if len(members) > windows.stride:  # windows share pixels, and their gradients add up
        dx = np.zeros(shape, dy.dtype)
        for member, won in zip(members[:0:-1], reversed(wins), strict=True):
            share = rest * won
            dx[member] += share
            rest = rest - share  # exactly 0 where it was taken, exactly dy elsewhere
        dx[members[0]] += rest
    else:
        tiled = windows.stride == len(members) and windows.number * len(members) == size
        dx = np.empty(shape, dy.dtype) if tiled else np.zeros(shape, dy.dtype)
        first = dx[members[0]]
        for member, won in zip(members[:0:-1], reversed(wins), strict=True):
            share = np.multiply(rest, won, out=dx[member])
            rest = np.subtract(rest, share, out=first)
        if rest is dy:
            first[:] = dy
    if not windows.padding:
        return dx
    return dx[_at(axis, slice(windows.padding, windows.padding + windows.pixels))]


def _pad(x: Array, windows: Windows) -> Array:
    if not windows.padding:
        return x
    widths = [(0, 0)] * x.ndim
    widths[windows.axis] = (windows.padding, windows.padding)
    return np.pad(x, widths, constant_values=-np.inf)


def _at(axis: int, where: slice) -> Index:
    return (*(slice(None),) * axis, where)
