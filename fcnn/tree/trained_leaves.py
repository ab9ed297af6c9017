"""Which leaves of the parameters no training may touch: statistics, such as running means.

The class of the parameters says so itself, field by field:
`mean: Array = attrs.field(metadata=UNTRAINED)`, or the same of a dataclass.
"""

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any, Final

import attrs

from fcnn.tree.structure import Structure

UNTRAINED: Final[Mapping[str, bool]] = {"trained": False}


@lru_cache(maxsize=64)  # every step of an optimizer asks
def trained(structure: Structure) -> tuple[bool, ...]:
    """For every leaf of a tree, in order, whether it is trained."""
    return tuple(_trained(structure, True))


def _trained(structure: Structure, inside: bool) -> Iterator[bool]:
    kind = structure.kind
    if kind is None:
        yield inside
        return
    fields: Mapping[str, Any] = getattr(kind, "__dataclass_fields__", {})
    if attrs.has(kind):
        fields = attrs.fields_dict(kind)
    for key, child in zip(structure.keys, structure.children, strict=True):
        field = fields.get(str(key))
        own = field is None or field.metadata.get("trained", True)
        yield from _trained(child, inside and own)
