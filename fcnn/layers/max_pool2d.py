"""Max-pooling, along the columns of windows and then along their rows.

Taking the columns first, and the first of equals in each round, finds the first maximum of the
window in row-major order: the one that gets the whole gradient.
"""

from typing import NamedTuple

import numpy as np

from fcnn.arguments.arrays import check_backward, shapes
from fcnn.layers.layer import Layer
from fcnn.layers.windows import PoolSettings, Windows, pool, windows_of
from fcnn.numerics.arrays import Array, Pair, Shape, as_images, batch_innermost


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
        An int, or a pair (vertical, horizontal). The stride defaults to the window. Padding
        counts as minus infinity and is at most window // 2.
    """
    settings = (window, stride, padding)
    return pool(max_pool2d, settings, _forward, max_pool2d_backward, apply=_maxima)


def max_pool2d_forward(
    x: Array,
    *,
    window: int | Pair = 2,
    stride: int | Pair | None = None,
    padding: int | Pair = 0,
) -> tuple[Array, MaxPoolCache]:
    """The maximum of every window of a batch of images, with the settings of `max_pool2d`.

    x is (N, C, H, W), float32 or float64; y (N, C, OH, OW), OH = (H + 2 PH - KH) // SH + 1, OW
    likewise. Rows and columns that fill no whole window are left out. Raises TypeError for
    other dtypes, ValueError for other shapes, or if the window exceeds the padded image.

    Examples
    --------
    >>> import numpy as np
    >>> max_pool2d_forward(np.arange(16.0).reshape(1, 1, 4, 4))[0]
    array([[[[ 5.,  7.],
             [13., 15.]]]])
    """
    return max_pool2d(window, stride=stride, padding=padding).forward((), x)


def _forward(x: Array, settings: PoolSettings) -> tuple[Array, MaxPoolCache]:
    _, _, H, W = shapes("max_pool2d", x=(x, "N, C, H, W"))
    rows, columns = windows_of("max_pool2d", (H, W), settings)
    y, column_wins = _first_maximum(batch_innermost(x), columns)
    y, row_wins = _first_maximum(y, rows)
    y = as_images(y)
    return y, MaxPoolCache(rows, columns, row_wins, column_wins, y.shape, y.dtype)


def max_pool2d_backward(cache: MaxPoolCache, dy: Array) -> Array:
    """dx (N, C, H, W): dy (N, C, OH, OW) goes whole to the first maximum of each window."""
    check_backward("max_pool2d", cache, MaxPoolCache, dy)
    dx = _to_first_maximum(batch_innermost(dy), cache.rows, cache.row_wins)
    return as_images(_to_first_maximum(dx, cache.columns, cache.column_wins))


def _maxima(x: Array, settings: PoolSettings) -> Array:
    """The outputs alone, for inference. Rows come first here: they lie together in memory,
    and which of equal pixels is the first does not matter.
    """
    _, _, H, W = shapes("max_pool2d", x=(x, "N, C, H, W"))
    y = batch_innermost(x)
    for windows in windows_of("max_pool2d", (H, W), settings):
        y = windows.padded(y, -np.inf)
        best = y[windows.members[0]]
        for member in windows.members[1:]:
            best = np.maximum(best, y[member])
        y = best
    return as_images(y)


def _first_maximum(x: Array, windows: Windows) -> tuple[Array, list[Array]]:
    """The maximum of each window along an axis, and where each later pixel beat all before."""
    x = windows.padded(x, -np.inf)
    best = windows.kth_pixels(x, 0)
    wins = []
    for k in range(1, len(windows.members)):
        pixel = windows.kth_pixels(x, k)
        wins.append(pixel > best)
        best = np.maximum(best, pixel)
    for window in range(min(windows.number, -(-windows.padding // windows.stride))):
        # The first real pixel beats the padding before it, even at minus infinity.
        first = windows.padding - window * windows.stride
        wins[first - 1][windows.at(window, window + 1)] = True
    return best, wins


def _to_first_maximum(dy: Array, windows: Windows, wins: list[Array]) -> Array:
    """The gradient of `_first_maximum`: the last pixel that beat all before takes all."""
    dx, rest = windows.spread(dy), dy
    first, *later = windows.members
    for member, won in zip(reversed(later), reversed(wins), strict=True):
        if windows.overlap:  # shared pixels, whose gradients add up
            share = rest * won
            dx[member] += share
            rest = rest - share  # exactly 0 where it was taken, exactly dy elsewhere
        else:
            share = np.multiply(rest, won, out=dx[member])
            rest = np.subtract(rest, share, out=dx[first])
    if windows.overlap:
        dx[first] += rest
    elif not later:
        dx[first] = dy
    return windows.cropped(dx)
