"""The checks of arrays that open every operation.

Each names the function, what was expected and what came, with the names of the axes::

    ValueError: conv2d: x has C=3 channels, but w expects C=1
      x: (8, 3, 28, 28) as (N, C, H, W)
      w: (6, 1, 5, 5)   as (F, C, KH, KW)
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final

import numpy as np

from fcnn.arguments.wording import article, is_integer, kind_of, shape_error, shown
from fcnn.numerics.arrays import Array, Shape

_FLOATS: Final = frozenset({np.dtype(np.float32), np.dtype(np.float64)})
# Other subclasses, masked arrays and matrices among them, change what operators mean.
_NATIVE: Final = frozenset({np.ndarray, np.memmap})
_OR_NONE: Final = " or None"
_NOUNS: Final = {"C": " channels", "D": " values", "F": " features", "K": " features"}


def shapes(function: str, **arrays: tuple[Any, str]) -> tuple[int, ...]:
    """The sizes of the axes of arrays, by their letters, in the order in which they come.

    The arrays are all float32 or all float64, have the axes that are named, none of them empty,
    and the same letter is the same size everywhere; TypeError or ValueError otherwise. Where the
    names end in "or None", as for the bias that a layer may do without, None is passed over.

    Examples
    --------
    >>> x, w = np.ones((8, 5)), np.ones((5, 3))
    >>> shapes("dense", x=(x, "N, D"), w=(w, "D, K"), b=(None, "K or None"))
    (8, 5, 3)
    """
    given, dtype = [], None
    for array, axes in arrays.values():
        if array is None and axes.endswith(_OR_NONE):
            continue
        if type(array) not in _NATIVE or array.dtype not in _FLOATS:
            raise _refusal(function, arrays)
        if dtype is not None and array.dtype != dtype:
            raise _refusal(function, arrays)
        dtype = array.dtype
        given.append((axes, array.shape))
    sizes = _sizes(tuple(given))
    if sizes is None:
        raise _refusal(function, arrays)
    return sizes


@lru_cache(maxsize=1024)  # every batch of a training has the same
def _sizes(given: tuple[tuple[str, Shape], ...]) -> tuple[int, ...] | None:
    """The size of each letter; None if axes are empty, or more, fewer or others than named."""
    sizes: dict[str, int] = {}
    for axes, shape in given:
        letters = _letters(axes)
        if len(letters) != len(shape) or 0 in shape:
            return None
        if any(sizes.setdefault(a, size) != size for a, size in zip(letters, shape, strict=True)):
            return None
    return tuple(sizes.values())


def _letters(axes: str) -> list[str]:
    return axes.removesuffix(_OR_NONE).split(", ")


def _refusal(function: str, arrays: dict[str, tuple[Any, str]]) -> ValueError:
    """What is wrong with arrays of which `shapes` knows that something is."""
    given = {
        name: (array, axes.removesuffix(_OR_NONE))
        for name, (array, axes) in arrays.items()
        if not (array is None and axes.endswith(_OR_NONE))
    }
    check_floats(function, **{name: array for name, (array, _) in given.items()})
    for name, (array, axes) in given.items():
        check_axes(function, name, array, axes)
    named = [
        (letter, size, name)
        for name, (array, axes) in given.items()
        for letter, size in zip(_letters(axes), array.shape, strict=True)
    ]
    letter, size, first, other, name = next(
        (letter, size, first, other, name)
        for letter, size, first in named
        for same, other, name in named
        if same == letter and other != size
    )
    return shape_error(
        f"{function}: {first} has {letter}={size}{_NOUNS.get(letter, '')}, "
        f"but {name} expects {letter}={other}",
        **{each: (given[each][0].shape, given[each][1]) for each in (first, name)},
    )


def check_values(function: str, x: Array, least_axes: int = 1) -> None:
    """A batch of floats of any form: with so many axes at least, and none of them empty."""
    if type(x) not in _NATIVE or x.dtype not in _FLOATS:
        check_floats(function, x=x)
    if x.ndim < least_axes or x.size == 0:
        raise ValueError(f"{function}: x has shape {x.shape}, expected (N, ...), not empty")


def check_backward(function: str, cache: Any, kind: type, dy: Array) -> None:
    """What a backward function is given: the cache of its own forward function, and a gradient
    that is like the output, of which the cache has the `out_shape` and the `dtype`.
    """
    check_cache(function, cache, kind)
    check_like(f"{function}_backward", "dy", dy, "the output", cache.out_shape, cache.dtype)


def check_backward_from_output(function: str, y: Any, dy: Array) -> None:
    """The same, of a function whose cache is its output."""
    expected = f"a NumPy array, the output of {function}_forward"
    check_array(f"{function}_backward", "cache", y, expected)
    check_like(f"{function}_backward", "dy", dy, "the output", y.shape, y.dtype)


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
    letters = _letters(axes)
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


def check_like(
    function: str, name: str, array: Array, other: str, shape: Shape, dtype: np.dtype[Any]
) -> None:
    """An array that has the shape and dtype of another; ValueError or TypeError otherwise."""
    check_array(function, name, array)
    if array.shape != shape:
        raise ValueError(f"{function}: {name} has shape {array.shape}, {other} {shape}")
    if array.dtype != dtype:
        raise TypeError(f"{function}: {name} is {array.dtype}, {other} {dtype}")


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
