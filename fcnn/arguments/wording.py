"""The checks that open every operation, and the form of what they say.

Each names the function, what was expected and what came, with the names of the axes::

    ValueError: conv2d: x has C=3 channels, but w expects C=1
      x: (8, 3, 28, 28) as (N, C, H, W)
      w: (6, 1, 5, 5)   as (F, C, KH, KW)
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from fcnn.numerics.arrays import Shape

if TYPE_CHECKING:
    pass
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
