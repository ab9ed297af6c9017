"""Comparing the arrays of two trees."""

from typing import Any

import numpy as np

from fcnn.arguments.arrays import check_array, check_like
from fcnn.arguments.settings import not_negative
from fcnn.tree.mapping import all, leaves_with_path, map
from fcnn.tree.structure import Structure, Tree, check_same_structure, structure


def equal(a: Tree, b: Tree) -> bool:
    """Whether two trees have the same structure, shapes, dtypes and values.

    NaN equals NaN here, so that a tree equals its copy. Trees of another structure are
    not equal; this question alone is answered rather than refused.
    """

    def same(x: object, y: object) -> bool:
        x, y = np.asarray(x), np.asarray(y)
        return x.dtype == y.dtype and np.array_equal(x, y, equal_nan=x.dtype.kind in "fc")

    return structure(a) == structure(b) and all(map(same, a, b))


def allclose(a: Tree, b: Tree, rtol: float = 1e-5, atol: float = 1e-8) -> bool:
    """Whether all leaves agree: |a - b| <= atol + rtol * |b|, as `numpy.allclose` has it.

    Leaves of different shapes never agree. Raises ValueError, naming the first path, for
    trees of different structures, TypeError for leaves that are no numbers.
    """
    rtol = not_negative("tree.allclose", "rtol", rtol)
    atol = not_negative("tree.allclose", "atol", atol)
    check_same_structure("tree.allclose", structure(a), structure(b))
    for tree in (a, b):
        check_numbers("tree.allclose", tree)

    def close(x: object, y: object) -> bool:
        x, y = np.asarray(x), np.asarray(y)
        with np.errstate(over="ignore"):  # numbers that are further apart than any number
            return x.shape == y.shape and bool(np.allclose(x, y, rtol=rtol, atol=atol))

    return all(map(close, a, b))


def check_numbers(function: str, tree: Tree) -> None:
    """TypeError that names the first leaf that is neither a number nor an array of numbers."""
    for path, leaf in leaves_with_path(tree):
        if np.asarray(leaf).dtype.kind not in "biufc":
            raise TypeError(f"{function}: {path or 'the root'} is not an array of numbers")


def check_alike(
    function: str, what: str, structure: Structure, expected: list[Any], found: list[Any]
) -> None:
    """Leaves that are arrays of the shapes and dtypes of the parameters; ValueError or TypeError
    that names the first path where they are not.
    """
    for index, (p, q) in enumerate(zip(expected, found, strict=True)):
        if type(p) is type(q) is np.ndarray and p.shape == q.shape and p.dtype == q.dtype:
            continue
        path = structure.paths()[index] or "the root"
        check_array(function, f"the parameter at {path}", p)
        check_like(function, f"the {what} at {path}", q, "the parameter", p.shape, p.dtype)
