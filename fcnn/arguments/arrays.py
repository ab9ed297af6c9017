"""The checks that open every operation, and the form of what they say.

Each names the function, what was expected and what came, with the names of the axes::

    ValueError: conv2d: x has C=3 channels, but w expects C=1
      x: (8, 3, 28, 28) as (N, C, H, W)
      w: (6, 1, 5, 5)   as (F, C, KH, KW)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from fcnn.arguments.wording import article, is_integer, kind_of, shape_error, shown
from fcnn.numerics.arrays import Array, Shape

if TYPE_CHECKING:
    pass

IMAGES: Final = "N, C, H, W"

_FLOATS: Final = frozenset({np.dtype(np.float32), np.dtype(np.float64)})
_NATIVE: Final = frozenset({np.ndarray, np.memmap})  # other subclasses, masked arrays and


def check_array(function: str, name: str, value: Any, expected: str = "a NumPy array") -> None:
    """A NumPy array, or one that is mapped from a file; TypeError otherwise, for lists and for
    masked arrays, matrices and other subclasses.
    """
    if type(value) not in _NATIVE:
        if isinstance(value, np.ndarray):
            expected = expected.replace("NumPy", "plain NumPy")
        raise TypeError(f"{function}: {name} is {kind_of(value)}, expected {expected}")


def check_floats(function: str, **arrays: Array) -> None:
    """Arrays, all float32 or all float64; TypeError otherwise."""
    dtype = None
    for name, array in arrays.items():
        if type(array) not in _NATIVE:
            check_array(function, name, array)
        if array.dtype is dtype:
            continue
        if array.dtype not in _FLOATS:
            raise TypeError(f"{function}: {name} is {array.dtype}, expected float32 or float64")
        if dtype is not None and array.dtype != dtype:
            raise TypeError(
                f"{function}: {next(iter(arrays))} is {dtype}, but {name} is {array.dtype}; "
                "all must be float32 or all float64"
            )
        dtype = array.dtype


def check_axes(function: str, name: str, array: Array, axes: str) -> None:
    """As many axes as named, none of them empty."""
    if array.ndim == axes.count(",") + 1 and array.size:
        return
    letters = axes.split(", ")
    if array.ndim != len(letters):
        raise ValueError(
            f"{function}: {name} has {array.ndim} {'axis' if array.ndim == 1 else 'axes'} "
            f"{array.shape}, "
            f"expected {len(letters)} as ({axes})"
        )
    for letter, size in zip(letters, array.shape, strict=True):
        if size == 0:
            shapes = {name: (array.shape, axes)}
            raise shape_error(f"{function}: {name} is empty, {letter}=0", **shapes)


def check_filled(function: str, name: str, array: Array) -> None:
    """At least one axis, and none of them empty."""
    if array.ndim == 0 or array.size == 0:
        raise ValueError(
            f"{function}: {name} has shape {array.shape}, expected (N, ...), not empty"
        )


def check_gradient(function: str, dy: Array, shape: Shape, dtype: Any) -> None:
    """The gradient of an output has the output's shape and dtype."""
    check_floats(function, dy=dy)
    if dy.shape != tuple(shape):
        raise ValueError(f"{function}: dy has shape {dy.shape}, the output had {tuple(shape)}")
    if dy.dtype != dtype:
        raise TypeError(f"{function}: dy is {dy.dtype}, but the output was {np.dtype(dtype)}")


def check_cache(function: str, cache: Any, kind: type) -> None:
    """A cache of the class that the forward function of the same name returns."""
    if not isinstance(cache, kind):
        raise TypeError(
            f"{function}_backward: cache is {kind_of(cache)}, expected {article(kind.__name__)} "
            f"from {function}_forward"
        )


def check_labels(function: str, labels: Array, n: int, classes: int | None = None) -> None:
    """One integer class index from 0 for each of n examples, below `classes` if that is known."""
    check_array(function, "labels", labels)
    if labels.dtype.kind not in "iu":
        raise TypeError(f"{function}: labels are {labels.dtype}, expected integer class indices")
    if labels.shape != (n,):
        raise ValueError(f"{function}: labels have shape {labels.shape}, expected ({n},) as (N,)")
    low, high = labels.min(), labels.max()
    if classes is None and low < 0:
        raise ValueError(f"{function}: label {low} is below 0")
    if classes is not None and (low < 0 or high >= classes):
        wrong = low if low < 0 else high
        raise ValueError(f"{function}: label {wrong} is outside 0..{classes - 1}")


def check_shape(function: str, shape: Any, name: str = "in_shape") -> Shape:
    """The shape of an example, a sequence of ints, as a tuple; TypeError for anything else."""
    if not isinstance(shape, tuple | list) or not all(map(is_integer, shape)):
        raise TypeError(f"{function}: {name} is {shown(shape)}, expected a tuple of ints")
    return tuple([int(size) for size in shape])


def check_sizes(function: str, shape: Any, least_axes: int = 0) -> Shape:
    """The shape of an example with so many axes at least, none of them empty."""
    sizes = check_shape(function, shape)
    if len(sizes) < least_axes:
        raise ValueError(f"{function}: in_shape is {sizes}, expected at least one axis")
    if min(sizes, default=1) < 1:
        raise ValueError(f"{function}: in_shape is {sizes}, expected sizes of at least 1")
    return sizes
