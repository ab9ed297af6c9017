"""JSON that is read without trusting it: one object, in which no key comes twice."""

from __future__ import annotations

import json
from typing import Any


def object_of(text: str | bytes) -> dict[str, Any]:
    """The object in a JSON text; ValueError or RecursionError if it is none."""
    content = json.loads(text, object_pairs_hook=_without_repeats)
    if not isinstance(content, dict):
        raise ValueError("it is no object")
    return content


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"a key comes twice: {max(names, key=names.count)}")
    return found
