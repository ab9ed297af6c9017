"""Names that others gave to arrays: given others, and told beside those that are expected."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from fcnn.arguments.tables import table
from fcnn.arguments.wording import shown, unknown
from fcnn.numerics.arrays import Array, Shape

# Of what is held beyond what is expected so many names are told, of each so many characters.
_MOST: Final = 50
_LONGEST: Final = 100


def renamed(
    function: str, state: Mapping[str, Array], rename: Mapping[str, str]
) -> dict[str, Array]:
    """Arrays by other names; ValueError if there are no such names, or one would come twice."""
    if not isinstance(rename, Mapping) or not _are_texts(*rename, *rename.values()):
        raise TypeError(f"{function}: rename is {shown(rename)}, expected a dict of strings")
    for prefix in rename:
        if not any(_begins(name, prefix) for name in state):
            known = dict.fromkeys(name.partition(".")[0] for name in state)
            raise ValueError(f"{function}: {unknown('prefix in rename', prefix, known)}")
    former: dict[str, str] = {}
    for name in state:
        latter = _other_name(name, rename)
        if latter in former:
            raise ValueError(f"{function}: rename makes {latter} of {former[latter]} and of {name}")
        former[latter] = name
    return {latter: state[name] for latter, name in former.items()}


def misfit(expected: Mapping[str, Shape], held: Mapping[str, Shape]) -> str:
    """What is wrong with names and shapes, and both lists, the same names on the same lines."""
    missing = [name for name in expected if name not in held]
    others = [name for name in held if name not in expected]
    # What is left over stands, in its order, beside what is missing: it may be the same.
    beside = dict(zip(missing, others, strict=False))
    rows: list[tuple[object, ...]] = []
    for name, shape in expected.items():
        other = name if name in held else beside.get(name)
        found = "" if other is None else held[other]
        fits = name == other and shape == found
        rows.append((name, shape, "=" if fits else "", printed(other or ""), found))
    left = others[len(missing) :]
    rows += [("", "", "", printed(name), held[name]) for name in left[:_MOST]]
    if left[_MOST:]:
        rows.append(("", "", "", f"and {len(left) - _MOST:,} more", ""))
    differing = sum(name in held and held[name] != expected[name] for name in expected)
    told = f"{len(missing)} missing, {len(others)} not expected, {differing} of another shape"
    return told + "\n" + table(("the network", "", "", "what is given", ""), rows, left=range(5))


def printed(name: str) -> str:
    """A name, which may be anything, as part of a message."""
    told = name if name.isprintable() else repr(name)
    return told if len(told) <= _LONGEST else f"{told[:_LONGEST]}..."


def _are_texts(*values: object) -> bool:
    return all(isinstance(value, str) for value in values)


def _begins(name: str, prefix: str) -> bool:
    return not prefix or f"{name}.".startswith(f"{prefix}.")


def _other_name(name: str, rename: Mapping[str, str]) -> str:
    fitting = [prefix for prefix in rename if _begins(name, prefix)]
    if not fitting:
        return name
    prefix = max(fitting, key=len)
    rest = name.removeprefix(prefix).removeprefix(".")
    return ".".join(filter(None, (rename[prefix], rest)))
