"""Array types, and the order in which images lie in memory.

Images have the logical shape (N, C, H, W) everywhere. In memory they lie as (H, C, W, N),
the batch innermost: a transposed view of a contiguous array. It costs nothing to make,
every elementwise loop runs over long contiguous rows, and consecutive rows of an image
are one matrix, which is what makes convolution fast (see `fcnn.numerics.row_windows`). Vectors
(N, D) lie as (D, N) for the same reason. Any other order is accepted everywhere and
gives the same result to rounding.
"""

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np

Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]
Shape: TypeAlias = tuple[int, ...]
Pair: TypeAlias = tuple[int, int]
Index: TypeAlias = tuple[Any, ...]  # of slices and integers, into an array


def batch_innermost(x: Array) -> Array:
    """Images as a contiguous array in memory order; copies only if they lie otherwise."""
    return np.ascontiguousarray(x.transpose(2, 1, 3, 0))  # (N, C, H, W) -> (H, C, W, N)


def as_images(rows: Array) -> Array:
    """The view of an array in memory order that has the logical shape of images."""
    return rows.transpose(3, 1, 0, 2)  # (H, C, W, N) -> (N, C, H, W)


def compact(array: Array) -> Array:
    """The array without gaps, forwards, its axes in the order they have in memory: a copy, if
    it lies otherwise. BLAS may give other bits for other strides.
    """
    like: Array = np.empty_like(array, subok=False)
    if like.strides == array.strides and array.flags.aligned:
        return array
    like[...] = array
    return like


def sum_in_order(arrays: Sequence[Array]) -> Array:
    """The sum from first to last, in an array of its own where there are several."""
    if len(arrays) == 1:
        return arrays[0]
    total: Array = np.asarray(arrays[0] + arrays[1])  # without axes, the sum is no array
    for other in arrays[2:]:
        total += other
    return total


def freeze(array: Array) -> Array:
    """A C-contiguous, read-only array: the array itself if it is contiguous already.

    Marks the array that it is given, so hand over only what nobody else writes to.
    """
    array = np.asarray(array, order="C")
    array.flags.writeable = False
    return array
