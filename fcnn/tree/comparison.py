"""Comparing the arrays of two trees."""

import numpy as np

from fcnn.tree.mapping import all, map
from fcnn.tree.structure import Tree, structure


def equal(a: Tree, b: Tree) -> bool:
    """Whether two trees have the same structure, shapes, dtypes and values.

    NaN equals NaN here, so that a tree equals its copy. Trees of another structure are
    not equal; this question alone is answered rather than refused.
    """

    def same(x: object, y: object) -> bool:
        x, y = np.asarray(x), np.asarray(y)
        nan_too = x.dtype.kind in "fc"
        return x.dtype == y.dtype and np.array_equal(x, y, equal_nan=nan_too)

    return structure(a) == structure(b) and all(map(same, a, b))


def allclose(a: Tree, b: Tree, rtol: float = 1e-5, atol: float = 1e-8) -> bool:
    """Whether all leaves agree: |a - b| <= atol + rtol * |b|, as `numpy.allclose` has it.

    Leaves of different shapes never agree. Raises ValueError, naming the first path, for
    trees of different structures.
    """

    def close(x: object, y: object) -> bool:
        x, y = np.asarray(x), np.asarray(y)
        with np.errstate(over="ignore"):  # numbers that are further apart than any number
            return x.shape == y.shape and bool(np.allclose(x, y, rtol=rtol, atol=atol))

    return all(map(close, a, b))
