"""A tree in words: the form that snapshot tests compare."""

from typing import Any

import attrs
import numpy as np

from fcnn.files.npz import Header
from fcnn.numerics.arrays import Array
from fcnn.tree.mapping import leaves_with_path, map
from fcnn.tree.structure import Tree


def describe(tree: Tree, *, values: bool = False) -> str:
    """One line for each leaf, then how many arrays and parameters there are.

    Parameters
    ----------
    tree
        Any tree of arrays.
    values
        Add the mean, standard deviation, least and greatest value of each leaf, rounded
        to four digits.

    Examples
    --------
    >>> import numpy as np
    >>> print(describe({"w": np.ones((2, 3)), "b": np.zeros(3)}))
    ['b']  float64[3]
    ['w']  float64[2,3]
    2 arrays, 9 parameters
    """
    pairs = [(path, np.asarray(leaf)) for path, leaf in leaves_with_path(tree)]
    lines = [_line(path, array, values) for path, array in pairs]
    parameters = sum(array.size for _, array in pairs)
    counts = f"{_count(len(pairs), 'array')}, {_count(parameters, 'parameter')}"
    return "\n".join([*lines, counts])


def form(array: Array | Header) -> str:
    """The dtype and shape of an array: `float32[8,1,3,3]`."""
    return f"{array.dtype}[{','.join(map(str, array.shape))}]"


def in_brief(node: Any) -> str:
    """The `__repr__` of classes of parameters: the forms of their arrays, not their numbers."""
    names = [field.name for field in attrs.fields(type(node))]
    parts = [f"{name}={map(_Form, getattr(node, name))!r}" for name in names]
    return f"{type(node).__name__}({', '.join(parts)})"


class _Form:
    """A leaf that prints as its form, if it is an array."""

    def __init__(self, leaf: Any) -> None:
        self._leaf = leaf

    def __repr__(self) -> str:
        return form(self._leaf) if isinstance(self._leaf, np.ndarray) else repr(self._leaf)


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _line(path: str, array: Array, values: bool) -> str:
    line = f"{path or '.'}  {form(array)}"
    if values and array.size and array.dtype.kind in "fiu":
        with np.errstate(over="ignore", invalid="ignore"):  # inf and NaN are told, not warned of
            wide = array.astype(np.float64)
            figures = {"mean": wide.mean(), "std": wide.std(), "min": wide.min(), "max": wide.max()}
        line += "".join(f"  {name} {figure:.4g}" for name, figure in figures.items())
    return line
