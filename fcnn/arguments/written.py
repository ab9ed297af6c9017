"""What functions make prints as one would write it: `sgd(0.1, momentum=0.9)`."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any, Generic, ParamSpec, TypeVar

import numpy as np

from fcnn.arguments.wording import shown

P = ParamSpec("P")
R = TypeVar("R")


class Written(Generic[P, R]):
    """A function that prints as what one would write to make it."""

    def __init__(self, text: str, function: Callable[P, R]) -> None:
        self._text, self._function = text, function

    def __call__(self, *args: P.args, **settings: P.kwargs) -> R:
        return self._function(*args, **settings)

    def __repr__(self) -> str:
        return self._text


def written(function: Callable[..., Any], values: Mapping[str, Any]) -> str:
    """A call of the function, in which its parameters have these values.

    What has no default comes without its name, and what is its default is left out.
    """
    parts: list[str] = []
    for name, parameter in inspect.signature(function).parameters.items():
        value = values[name]
        if parameter.kind is parameter.VAR_POSITIONAL:
            parts += map(_value, value)
        elif parameter.default is parameter.empty:
            parts.append(_value(value))
        elif value is not parameter.default and _value(value) != _value(parameter.default):
            parts.append(f"{name}={_value(value)}")
    return f"{function.__name__}({', '.join(parts)})"


def name_of(function: Callable[..., Any]) -> str:
    """A function by its name; what has none, as it prints."""
    return getattr(function, "__name__", "") or shown(function)


def _value(value: Any) -> str:
    if isinstance(value, Written) or not callable(value):
        return shown(value.item() if isinstance(value, np.generic) else value)
    return name_of(value)
