"""Maps, folds and walks over the leaves of trees."""

import functools
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from fcnn.arguments.settings import check_function
from fcnn.arguments.wording import kind_of
from fcnn.tree.structure import Structure, Tree, check_same_structure, flatten, unflatten

_NOTHING: Any = object()


def map(f: Callable[..., Any], tree: Tree, *rest: Tree) -> Tree:
    """Apply f to every leaf, or to the leaves of several trees that share one structure.

    Raises ValueError, with the first path where they differ, for other structures, and with the
    path where f refuses shapes that do not fit.
    """
    rows, structure = _side_by_side("tree.map", f, tree, *rest)
    return unflatten(structure, _results("tree.map", f, rows, structure))


def map_with_path(f: Callable[..., Any], tree: Tree, *rest: Tree) -> Tree:
    """Like `map`, for f(path, leaf, ...); the path is a string such as `[0].w`."""
    rows, structure = _side_by_side("tree.map_with_path", f, tree, *rest)
    with_paths = zip(structure.paths(), *zip(*rows, strict=True), strict=True)
    return unflatten(structure, _results("tree.map_with_path", f, with_paths, structure))


def leaves(tree: Tree) -> list[Any]:
    """The leaves of a tree from left to right."""
    return flatten(tree)[0]


def leaves_with_path(tree: Tree) -> list[tuple[str, Any]]:
    """The pairs of path and leaf, from left to right."""
    found, structure = flatten(tree)
    return list(zip(structure.paths(), found, strict=True))


def reduce(f: Callable[[Any, Any], Any], tree: Tree, initializer: Any = _NOTHING) -> Any:
    """Fold the leaves from left to right, as `functools.reduce` does.

    Raises ValueError for a tree without leaves, unless there is an initializer.
    """
    check_function("tree.reduce", "f", f)
    found = leaves(tree)
    if initializer is not _NOTHING:
        found = [initializer, *found]
    if not found:
        raise ValueError("tree.reduce: the tree has no leaves, and there is no initializer")
    return functools.reduce(f, found)


def all(tree: Tree) -> bool:
    """Whether every leaf is true; ValueError for a leaf that is neither true nor false."""
    for path, leaf in leaves_with_path(tree):
        try:
            if not leaf:
                return False
        except ValueError:  # an array of several numbers
            raise ValueError(
                f"tree.all: {path or 'the root'} is {kind_of(leaf)}, expected one truth value"
            ) from None
    return True


def _results(
    function: str, f: Callable[..., Any], rows: Iterable[tuple[Any, ...]], structure: Structure
) -> list[Any]:
    """f of each row of leaves; a ValueError of leaves whose shapes differ names their path."""
    results = []
    for row in rows:
        try:
            results.append(f(*row))
        except ValueError as error:
            shapes = [leaf.shape for leaf in row if isinstance(leaf, np.ndarray)]
            if len(set(shapes)) < 2:
                raise
            place = structure.paths()[len(results)] or "the root"
            told = " and ".join([str(shape) for shape in shapes])
            raise ValueError(
                f"{function}: the shapes at {place}, {told}, do not fit: {error}"
            ) from error
    return results


def _side_by_side(
    function: str, f: Callable[..., Any], tree: Tree, *rest: Tree
) -> tuple[Iterable[tuple[Any, ...]], Structure]:
    """The leaves of several trees in each place, and the structure that they must share."""
    check_function(function, "f", f)
    columns, structures = zip(*[flatten(each) for each in (tree, *rest)], strict=True)
    for other in structures[1:]:
        check_same_structure(function, structures[0], other)
    return zip(*columns, strict=True), structures[0]
