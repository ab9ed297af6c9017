"""The checks that open every operation, and the form of what they say.

Each names the function, what was expected and what came, with the names of the axes::

    ValueError: conv2d: x has C=3 channels, but w expects C=1
      x: (8, 3, 28, 28) as (N, C, H, W)
      w: (6, 1, 5, 5)   as (F, C, KH, KW)
"""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from fcnn.arrays import Array, Pair, Shape

IMAGES = "N, C, H, W"
_FLOATS = frozenset({np.dtype(np.float32), np.dtype(np.float64)})


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


def check_floats(function: str, **arrays: Array) -> None:
    """Arrays, all float32 or all float64; TypeError otherwise."""
    first = next(iter(arrays))
    for name, array in arrays.items():
        if not isinstance(array, np.ndarray):
            raise TypeError(f"{function}: {name} is {_kind(array)}, expected a NumPy array")
        if array.dtype not in _FLOATS:
            raise TypeError(f"{function}: {name} is {array.dtype}, expected float32 or float64")
        if array.dtype is not arrays[first].dtype and array.dtype != arrays[first].dtype:
            raise TypeError(
                f"{function}: {first} is {arrays[first].dtype}, but {name} is "
                f"{array.dtype}; all must be float32 or all float64"
            )


def check_axes(function: str, name: str, array: Array, axes: str) -> None:
    """As many axes as named, none of them empty."""
    if array.ndim == axes.count(",") + 1 and array.size:
        return
    letters = axes.split(", ")
    if array.ndim != len(letters):
        raise ValueError(
            f"{function}: {name} has {array.ndim} axes {array.shape}, "
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


def check_labels(function: str, labels: Array, n: int, classes: int) -> None:
    """One integer class index below `classes` for each of n examples."""
    if not isinstance(labels, np.ndarray):
        raise TypeError(f"{function}: labels is {_kind(labels)}, expected a NumPy array")
    if not np.issubdtype(labels.dtype, np.integer):
        raise TypeError(f"{function}: labels are {labels.dtype}, expected integer class indices")
    if labels.shape != (n,):
        raise ValueError(f"{function}: labels have shape {labels.shape}, expected ({n},) as (N,)")
    low, high = labels.min(), labels.max()
    if low < 0 or high >= classes:
        wrong = low if low < 0 else high
        raise ValueError(f"{function}: label {wrong} is outside 0..{classes - 1}")


def check_examples(function: str, x: Array, labels: Array) -> None:
    """Inputs and labels of the same, positive number of examples."""
    for name, array in (("x", x), ("labels", labels)):
        if not isinstance(array, np.ndarray) or array.ndim == 0:
            raise TypeError(f"{function}: {name} is {_kind(array)}, expected a batch as an array")
    if len(x) != len(labels):
        raise ValueError(f"{function}: {len(x)} inputs, but {len(labels)} labels")
    if len(x) == 0:
        raise ValueError(f"{function}: the batch is empty, N=0")


def check_kind(function: str, name: str, value: Any, kind: type) -> None:
    """An instance of a class; TypeError otherwise."""
    if not isinstance(value, kind):
        raise TypeError(f"{function}: {name} is {_kind(value)}, expected a {kind.__name__}")


def pair(function: str, name: str, value: Any, minimum: int) -> Pair:
    """An int, or a sequence of two, as (vertical, horizontal)."""
    match value:  # what layers hand over is checked already, and a call should cost little
        case (int(), int()) if type(value[0]) is type(value[1]) is int and min(value) >= minimum:
            return value[0], value[1]
    values = (value, value) if _is_integer(value) else value
    if not isinstance(values, Sequence) or len(values) != 2 or not all(map(_is_integer, values)):
        raise TypeError(f"{function}: {name} is {value!r}, expected an int or a pair of ints")
    if min(values) < minimum:
        raise ValueError(f"{function}: {name} is {value!r}, expected at least {minimum}")
    return int(values[0]), int(values[1])


def whole_number(function: str, name: str, value: Any, minimum: int) -> int:
    """An integer of at least the minimum."""
    if not _is_integer(value):
        raise TypeError(f"{function}: {name} is {value!r}, expected an int")
    if value < minimum:
        raise ValueError(f"{function}: {name} is {value!r}, expected at least {minimum}")
    return int(value)


def positive(function: str, name: str, value: Any) -> int:
    """An integer of at least 1."""
    return whole_number(function, name, value, 1)


def unknown(kind: str, name: str, known: Iterable[str]) -> str:
    """What to say of an unknown name: the nearest known one, and all of them."""
    import difflib

    names = list(known)
    close = difflib.get_close_matches(name, names, n=1)
    hint = f"; did you mean {close[0]!r}?" if close else "."
    return f"unknown {kind} {name!r}{hint} Known: {', '.join(names)}"


def _is_integer(value: Any) -> bool:
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


def _kind(value: Any) -> str:
    return f"a {type(value).__name__}"
