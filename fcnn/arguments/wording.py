"""How errors say what came, and what was expected."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import numpy as np

from fcnn.numerics.arrays import Shape

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


def is_integer(value: Any) -> bool:
    return isinstance(value, int | np.integer) and not isinstance(value, bool)
