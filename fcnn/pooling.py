"""Max-pooling, one axis at a time.

The maximum over a window is the maximum over its rows of the maxima over their columns.
Taking the columns first, and the first of equals in each round, finds the first maximum
of the window in row-major order: the one that gets the whole gradient.
"""

from typing import NamedTuple

import numpy as np

from fcnn.arrays import Array, Pair, Shape, as_images, batch_innermost
from fcnn.geometry import image_shape, output_size
from fcnn.layer import Layer, layer_without_parameters
from fcnn.validation import IMAGES, check_axes, check_floats, check_gradient, pair

_ROWS, _COLUMNS = 0, 2  # the axes of memory order, (H, C, W, N)


class Windows(NamedTuple):
    """Windows along one axis: their size, stride and padding, pixels in and windows out."""

    size: int
    stride: int
    padding: int
    pixels: int
    number: int

    def member(self, k: int) -> slice:
        """Where the k-th pixels of all windows lie on the padded axis."""
        return slice(k, k + (self.number - 1) * self.stride + 1, self.stride)


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
    sizes = _settings(window, stride, padding)

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
    sizes = _settings(window, stride, padding)
    rows, columns = _windows_of(x, *sizes)
    y, column_wins = _first_maximum(batch_innermost(x), _COLUMNS, columns)
    y, row_wins = _first_maximum(y, _ROWS, rows)
    y = as_images(y)
    return y, MaxPoolCache(rows, columns, row_wins, column_wins, y.shape, x.dtype)


def max_pool2d_backward(cache: MaxPoolCache, dy: Array) -> Array:
    """dx (N, C, H, W): dy (N, C, OH, OW) goes whole to the first maximum of each window."""
    check_gradient("max_pool2d_backward", dy, cache.out_shape, cache.dtype)
    dx = _to_first_maximum(batch_innermost(dy), _ROWS, cache.rows, cache.row_wins)
    return as_images(_to_first_maximum(dx, _COLUMNS, cache.columns, cache.column_wins))


def _maxima(x: Array, window: Pair, stride: Pair, padding: Pair) -> Array:
    """The outputs alone, for inference."""
    rows, columns = _windows_of(x, window, stride, padding)
    y = batch_innermost(x)
    for axis, windows in ((_COLUMNS, columns), (_ROWS, rows)):
        y = _pad(y, axis, windows.padding)
        best = y[_at(axis, windows.member(0))]
        for k in range(1, windows.size):
            best = np.maximum(best, y[_at(axis, windows.member(k))])
        y = best
    return as_images(y)


def _windows_of(x: Array, window: Pair, stride: Pair, padding: Pair) -> tuple[Windows, Windows]:
    """The windows along the rows and along the columns of a batch of images."""
    check_floats("max_pool2d", x=x)
    check_axes("max_pool2d", "x", x, IMAGES)
    size = x.shape[2], x.shape[3]
    number = output_size("max_pool2d", size, window, stride, padding)
    rows, columns = (Windows(window[i], stride[i], padding[i], size[i], number[i]) for i in (0, 1))
    return rows, columns


def _first_maximum(x: Array, axis: int, windows: Windows) -> tuple[Array, list[Array]]:
    """The maximum of each window along an axis, and where each later pixel beat all before."""
    x = _pad(x, axis, windows.padding)
    best = x[_at(axis, windows.member(0))]
    wins = []
    for k in range(1, windows.size):
        pixel = x[_at(axis, windows.member(k))]
        wins.append(pixel > best)
        best = np.maximum(best, pixel)
    for window in range(min(windows.number, -(-windows.padding // windows.stride))):
        # The first real pixel beats the padding before it, even at minus infinity.
        first = windows.padding - window * windows.stride
        wins[first - 1][_at(axis, slice(window, window + 1))] = True
    return best, wins


def _to_first_maximum(dy: Array, axis: int, windows: Windows, wins: list[Array]) -> Array:
    """The gradient of `_first_maximum`: the last pixel that beat all before takes all."""
    size = windows.pixels + 2 * windows.padding
    shape = (*dy.shape[:axis], size, *dy.shape[axis + 1 :])
    rest = dy
    if windows.size > windows.stride:  # windows share pixels, and their gradients add up
        dx = np.zeros(shape, dy.dtype)
        for k in range(windows.size - 1, 0, -1):
            share = rest * wins[k - 1]
            dx[_at(axis, windows.member(k))] += share
            rest = rest - share  # exactly 0 where it was taken, exactly dy elsewhere
        dx[_at(axis, windows.member(0))] += rest
    else:
        tiled = windows.stride == windows.size and windows.number * windows.size == size
        dx = np.empty(shape, dy.dtype) if tiled else np.zeros(shape, dy.dtype)
        first = dx[_at(axis, windows.member(0))]
        for k in range(windows.size - 1, 0, -1):
            share = np.multiply(rest, wins[k - 1], out=dx[_at(axis, windows.member(k))])
            rest = np.subtract(rest, share, out=first)
        if rest is dy:
            first[:] = dy
    return dx[_at(axis, slice(windows.padding, windows.padding + windows.pixels))]


def _pad(x: Array, axis: int, padding: int) -> Array:
    if not padding:
        return x
    widths = [(0, 0)] * x.ndim
    widths[axis] = (padding, padding)
    return np.pad(x, widths, constant_values=-np.inf)


def _at(axis: int, where: slice) -> tuple[slice, ...]:
    return (*(slice(None),) * axis, where)


def _settings(
    window: int | Pair, stride: int | Pair | None, padding: int | Pair
) -> tuple[Pair, Pair, Pair]:
    window = pair("max_pool2d", "window", window, 1)
    stride = window if stride is None else pair("max_pool2d", "stride", stride, 1)
    padding = pair("max_pool2d", "padding", padding, 0)
    if padding[0] > window[0] // 2 or padding[1] > window[1] // 2:
        raise ValueError(
            f"max_pool2d: padding {padding} exceeds half of the window {window}, rounded down"
        )
    return window, stride, padding
