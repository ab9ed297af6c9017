"""The checks of settings: numbers, pairs, kinds, functions, paths.

Each gives the value as what it should be, a Python int or float say, or raises TypeError or
ValueError that names the function, the setting, what was expected and what came.
"""

from __future__ import annotations

import math
import os
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from fcnn.arguments.wording import article, is_integer, kind_of, shown
from fcnn.numerics.arrays import Pair

if TYPE_CHECKING:
    from pathlib import Path

MOST: Final = 2**31 - 1  # of features, pixels, examples, threads: NumPy fails on more in odd ways


def check_kind(function: str, name: str, value: Any, kind: type) -> None:
    """An instance of a class; TypeError otherwise."""
    if not isinstance(value, kind):
        expected = article(kind.__name__)
        raise TypeError(f"{function}: {name} is {kind_of(value)}, expected {expected}")


def check_function(function: str, name: str, value: Any) -> None:
    """Something that can be called; TypeError otherwise."""
    if not callable(value):
        raise TypeError(f"{function}: {name} is {kind_of(value)}, expected a function")


def pair(function: str, name: str, value: Any, minimum: int) -> Pair:
    """An int, or a sequence of two, as (vertical, horizontal)."""
    values: Any = (value, value) if is_integer(value) else value
    if not isinstance(values, tuple | list) or len(values) != 2 or not all(map(is_integer, values)):
        raise TypeError(f"{function}: {name} is {shown(value)}, expected an int or a pair of ints")
    _check_range(function, name, value, min(values), max(values), minimum)
    return int(values[0]), int(values[1])


def whole_number(function: str, name: str, value: Any, minimum: int) -> int:
    """An integer of at least the minimum."""
    if not is_integer(value):
        raise TypeError(f"{function}: {name} is {shown(value)}, expected an int")
    if value < minimum:
        raise ValueError(f"{function}: {name} is {value!r}, expected at least {minimum}")
    return int(value)


def positive(function: str, name: str, value: Any) -> int:
    """An integer of at least 1, and no more than arrays can have."""
    count = whole_number(function, name, value, 1)
    _check_range(function, name, value, count, count, 1)
    return count


def thread_count(function: str, threads: Any) -> int | None:
    """How many threads, an integer of at least 1; None: as many as the process has cores."""
    return None if threads is None else positive(function, "threads", threads)


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
    return _within(function, name, real, 0 <= real < math.inf, "finite and at least 0")


def above_zero(function: str, name: str, value: Any) -> float:
    """A finite number greater than 0 as a Python float."""
    real = number(function, name, value)
    return _within(function, name, real, 0 < real < math.inf, "finite and above 0")


def below_one(function: str, name: str, value: Any) -> float:
    """A number of at least 0 and below 1 as a Python float: a part that is kept."""
    real = number(function, name, value)
    return _within(function, name, real, 0 <= real < 1, "at least 0 and below 1")


def fraction(function: str, name: str, value: Any) -> float:
    """A number from 0 to 1 as a Python float."""
    real = number(function, name, value)
    return _within(function, name, real, 0 <= real <= 1, "0 to 1")


def as_path(function: str, name: str, value: Any) -> Path:
    """A path, from a string or path that is not empty."""
    if not isinstance(value, str | os.PathLike) or isinstance(os.fspath(value), bytes):
        raise TypeError(f"{function}: {name} is {kind_of(value)}, expected a path")
    if not os.fspath(value):
        raise ValueError(f"{function}: {name} is empty, expected a path")
    from pathlib import Path  # when it is needed: it takes long to import

    return Path(os.fspath(value))


def _within(function: str, name: str, value: float, holds: bool, expected: str) -> float:
    if not holds:
        raise ValueError(f"{function}: {name} is {value}, expected {expected}")
    return value


def _check_range(function: str, name: str, value: Any, low: int, high: int, minimum: int) -> None:
    if low < minimum:
        raise ValueError(f"{function}: {name} is {value!r}, expected at least {minimum}")
    if high > MOST:
        raise ValueError(f"{function}: {name} is {shown(value)}, expected at most {MOST:,}")
