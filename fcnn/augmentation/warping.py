"""Bilinear warping: the value of an image between its pixels.

Every pixel of the result says where in the image it comes from, and takes the mean of the four
pixels around that place, weighted by how near they are. Outside the image is 0.

Time goes into passes over memory, so:

- The image gets a border of zeros first. Places are clipped to it, and no pixel asks whether it
  is inside; its four neighbours are at fixed distances from one index.
- The gathering transposes: images that lie one after the other come out batch innermost, as
  layers want them (see `fcnn.numerics.arrays`), at no cost.
- A few rows of all images are done at a time, so that what is between stays in the cache.
"""

from collections.abc import Callable, Sequence
from typing import Final, TypeAlias

import numpy as np

from fcnn.arguments.arrays import shapes
from fcnn.distributed.malloc import keep_freed_memory
from fcnn.numerics.arrays import Array, as_images

Places: TypeAlias = Callable[[slice], Sequence[Array]]

_PIXELS_AT_A_TIME: Final = 1 << 15


def affine_warp(images: Array, matrix: Array, offset: Array) -> Array:
    """Warp each image by a linear map of its own about its centre.

    y[n, c, i, j] = x[n, c] at centre + matrix[n] @ ((i, j) - centre) + offset[n]

    The map goes from the result to the image, and the centre is ((H - 1) / 2, (W - 1) / 2).
    PyTorch's grid_sample has the same values with padding_mode="zeros" and a grid of
    2 * place / (size - 1) - 1 where align_corners=True, (2 * place + 1) / size - 1 where not.

    TypeError or ValueError for images that are no floats or have other axes, and for maps that
    do not fit them, or are not finite.

    Parameters
    ----------
    images
        (N, C, H, W), float32 or float64, in any memory order.
    matrix, offset
        (N, 2, 2) and (N, 2), in pixels: vertical first, then horizontal.

    Returns
    -------
    y
        Of the shape and dtype of the images, batch innermost in memory. Where a place is a whole
        number, the pixel there, to the last bit.

    Examples
    --------
    >>> x = np.arange(6.0).reshape(1, 1, 2, 3)
    >>> affine_warp(x, np.eye(2)[None], np.array([[0.0, 1.5]]))
    array([[[[1.5, 1. , 0. ],
             [4.5, 2.5, 0. ]]]])
    """
    N, _, H, W = shapes("affine_warp", images=(images, "N, C, H, W"))
    if np.shape(matrix) != (N, 2, 2) or np.shape(offset) != (N, 2):
        raise ValueError(
            f"affine_warp: matrix {np.shape(matrix)} and offset {np.shape(offset)}, "
            f"expected ({N}, 2, 2) and ({N}, 2) for {N} images"
        )
    if not (np.isfinite(matrix).all() and np.isfinite(offset).all()):
        raise ValueError("affine_warp: matrix and offset are not finite")
    matrix, offset = np.asarray(matrix, images.dtype), np.asarray(offset, images.dtype)
    centre = (H - 1) / 2, (W - 1) / 2
    down = np.arange(H, dtype=images.dtype)[:, None] - centre[0]
    across = np.arange(W, dtype=images.dtype)[:, None] - centre[1]
    # Of both coordinates, the part of a row (H, N) and the part of a column (W, N).
    of_row = [matrix[:, k, 0] * down + (offset[:, k] + centre[k]) for k in (0, 1)]
    of_column = [matrix[:, k, 1] * across for k in (0, 1)]
    return warp(images, lambda rows: [of_row[k][rows, None] + of_column[k] for k in (0, 1)])


def warp(images: Array, places: Places) -> Array:
    """Take each pixel from its place in its image.

    `places(rows)` gives the vertical and the horizontal places of the pixels of some rows of the
    result, in pixels: new arrays (rows, W, N) of the images' dtype, which are overwritten.
    """
    keep_freed_memory()
    N, C, H, W = images.shape
    height, width = H + 3, W + 3  # a border of zeros, and one more where places are on its edge
    bordered = np.zeros((C, N, height, width), images.dtype)
    bordered[:, :, 1:-2, 1:-2] = images.transpose(1, 0, 2, 3)  # (N, C, H, W) -> (C, N, H, W)
    planes = bordered.reshape(C, -1)
    first = np.arange(N) * (height * width) + (width + 1)  # the first pixel of each image
    result = np.empty((H, C, W, N), images.dtype)
    step = max(1, _PIXELS_AT_A_TIME // (W * N))
    for begin in range(0, H, step):
        rows = slice(begin, min(begin + step, H))
        y, x = places(rows)
        above, left = _whole_part(y, H), _whole_part(x, W)
        above *= width
        above += left
        index = above + first
        for c, plane in enumerate(planes):
            _between(
                _between(_take(plane, index), _take(plane[1:], index), x),
                _between(_take(plane[width:], index), _take(plane[width + 1 :], index), x),
                y,
                out=result[rows, c],
            )
    return as_images(result)


def _whole_part(places: Array, size: int) -> Array:
    """Places from -1 to the size, split: their whole part, and what is left of them in place."""
    np.clip(places, -1, size, out=places)
    whole = np.floor(places)
    places -= whole
    return whole.astype(np.int32)


def _take(plane: Array, index: Array) -> Array:
    # No index is outside; "wrap" is take's quickest mode.
    return plane.take(index, mode="wrap")


def _between(a: Array, b: Array, fraction: Array, out: Array | None = None) -> Array:
    """a + fraction * (b - a). Overwrites b, and a unless there is another place for it."""
    b -= a
    b *= fraction
    return np.add(a, b, out=a if out is None else out)
