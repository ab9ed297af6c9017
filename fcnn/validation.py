"""The checks that open every operation, and the form of what they say.

Each names the function, what was expected and what came, with the names of the axes::

    ValueError: conv2d: x has C=3 channels, but w expects C=1
      x: (8, 3, 28, 28) as (N, C, H, W)
      w: (6, 1, 5, 5)   as (F, C, KH, KW)
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from fcnn.arrays import Array, Pair, Shape

if TYPE_CHECKING:
    from pathlib import Path

IMAGES: Final = "N, C, H, W"
MOST: Final = 2**31 - 1  # of features, pixels, examples, threads: NumPy fails on more in odd ways

_FLOATS: Final = frozenset({np.dtype(np.float32), np.dtype(np.float64)})
_NATIVE: Final = frozenset({np.ndarray, np.memmap})  # other subclasses, masked arrays and
# matrices among them, change what operators mean
_LONGEST: Final = 60  # characters of a value in a message


def shape_error(message: str, **shapes: tuple[Shape, str]) -> ValueError:
    """An error with one aligned line for each shape and the names of its axes."""
    texts = {name: str(tuple(shape)) for name, (shape, _) in shapes.items()}
    width = max(len(text) for text in texts.values())
    left = max(len(name) for name in texts)
    lines = [
        f"  {name + ':':<{left + 1}} {texts[name]:<{width}} as ({axes})"
        for name, (_, axes) in shapes.items()
    ]
    return ValueError("\n".join([message, *lines]))


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


def check_kind(function: str, name: str, value: Any, kind: type) -> None:
    """An instance of a class; TypeError otherwise."""
    if not isinstance(value, kind):
        expected = article(kind.__name__)
        raise TypeError(f"{function}: {name} is {kind_of(value)}, expected {expected}")


def check_function(function: str, name: str, value: Any) -> None:
    """Something that can be called; TypeError otherwise."""
    if not callable(value):
        raise TypeError(f"{function}: {name} is {kind_of(value)}, expected a function")


def check_shape(function: str, shape: Any, name: str = "in_shape") -> Shape:
    """The shape of an example, a sequence of ints, as a tuple; TypeError for anything else."""
    if not isinstance(shape, tuple | list) or not all(map(_is_integer, shape)):
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


def pair(function: str, name: str, value: Any, minimum: int) -> Pair:
    """An int, or a sequence of two, as (vertical, horizontal)."""
    if type(value) is tuple and len(value) == 2:
        first, second = value  # what layers hand over is checked already: this costs little
        if (
            type(first) is type(second) is int
            and minimum <= first <= MOST
            and minimum <= second <= MOST
        ):
            return first, second
    values: Any = (value, value) if _is_integer(value) else value
    if (
        not isinstance(values, tuple | list)
        or len(values) != 2
        or not all(map(_is_integer, values))
    ):
        raise TypeError(f"{function}: {name} is {shown(value)}, expected an int or a pair of ints")
    _check_range(function, name, value, min(values), max(values), minimum)
    return int(values[0]), int(values[1])


def whole_number(function: str, name: str, value: Any, minimum: int) -> int:
    """An integer of at least the minimum."""
    if not _is_integer(value):
        raise TypeError(f"{function}: {name} is {shown(value)}, expected an int")
    if value < minimum:
        raise ValueError(f"{function}: {name} is {value!r}, expected at least {minimum}")
    return int(value)


def positive(function: str, name: str, value: Any) -> int:
    """An integer of at least 1, and no more than arrays can have."""
    if type(value) is int and 1 <= value <= MOST:  # as for pairs
        return value
    whole_number(function, name, value, 1)
    _check_range(function, name, value, value, value, 1)
    return int(value)


def number(function: str, name: str, value: Any, expected: str = "a number") -> float:
    """A real number as a Python float, infinite if it is too large for one; TypeError for bools,
    strings and arrays with axes.
    """
    if isinstance(value, np.ndarray) and value.ndim == 0:
        value = value[()]
    real = isinstance(value, int | float | np.integer | np.floating)
    if not real or isinstance(value, bool):
        raise TypeError(f"{function}: {name} is {shown(value)}, expected {expected}")
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def true_or_false(function: str, name: str, value: Any) -> bool:
    """A bool; TypeError for what merely counts as one."""
    if not isinstance(value, bool | np.bool_):
        raise TypeError(f"{function}: {name} is {shown(value)}, expected True or False")
    return bool(value)


def not_negative(function: str, name: str, value: Any, expected: str = "a number") -> float:
    """A finite number of at least 0 as a Python float."""
    real = number(function, name, value, expected)
    if not (math.isfinite(real) and real >= 0):
        raise ValueError(f"{function}: {name} is {real}, expected finite and at least 0")
    return real


def as_path(function: str, name: str, value: Any) -> Path:
    """A path, from a string or path that is not empty."""
    if not isinstance(value, str | os.PathLike) or isinstance(os.fspath(value), bytes):
        raise TypeError(f"{function}: {name} is {kind_of(value)}, expected a path")
    if not os.fspath(value):
        raise ValueError(f"{function}: {name} is empty, expected a path")
    from pathlib import Path  # when it is needed: it takes long to import

    return Path(os.fspath(value))


def above_zero(function: str, name: str, value: Any) -> float:
    """A finite number greater than 0 as a Python float."""
    real = number(function, name, value)
    if not (math.isfinite(real) and real > 0):
        raise ValueError(f"{function}: {name} is {real}, expected finite and above 0")
    return real


def below_one(function: str, name: str, value: Any) -> float:
    """A number of at least 0 and below 1 as a Python float: a part that is kept."""
    real = number(function, name, value)
    if not 0 <= real < 1:
        raise ValueError(f"{function}: {name} is {real}, expected at least 0 and below 1")
    return real


def unknown(kind: str, name: str, known: Iterable[str]) -> str:
    """What to say of an unknown name: the nearest known one, and all of them."""
    import difflib

    names = list(known)
    close = difflib.get_close_matches(name, names, n=1)
    hint = f"; did you mean {close[0]!r}?" if close else "."
    return f"unknown {kind} {name!r}{hint} Known: {', '.join(names)}"


def article(noun: str) -> str:
    """A noun with its article."""
    return f"{'an' if noun[:1] in 'aeioAEIO' or noun[:2] == 'nd' else 'a'} {noun}"


def kind_of(value: Any, *, with_length: bool = False) -> str:
    """What a value is, in words: a list, an int, None; a tuple of 3."""
    if value is None:
        return "None"
    length = f" of {len(value)}" if with_length and isinstance(value, tuple | list) else ""
    return article(type(value).__name__) + length


def shown(value: Any) -> str:
    """A value as it prints, or what it is if that is long."""
    text = repr(value)
    return text if len(text) <= _LONGEST and "\n" not in text else kind_of(value)


def _check_range(function: str, name: str, value: Any, low: int, high: int, minimum: int) -> None:
    if low < minimum:
        raise ValueError(f"{function}: {name} is {value!r}, expected at least {minimum}")
    if high > MOST:
        raise ValueError(f"{function}: {name} is {shown(value)}, expected at most {MOST:,}")


def _is_integer(value: Any) -> bool:
    return isinstance(value, int | np.integer) and not isinstance(value, bool)
