"""Maps, folds and walks over the leaves of trees."""

import builtins
import functools
from collections.abc import Callable
from typing import Any

from fcnn.arguments.settings import check_function
from fcnn.arguments.wording import kind_of
from fcnn.tree.structure import Tree, check_same_structure, flatten, unflatten

_NOTHING: Any = object()


def map(f: Callable[..., Any], tree: Tree, *rest: Tree) -> Tree:
    """Apply f to every leaf, or to the leaves of several trees that share one structure.

    Raises ValueError, with the first path where they differ, for other structures.
    """
    check_function("tree.map", "f", f)
    leaves, structure = flatten(tree)
    columns = [leaves, *(_leaves_like("tree.map", structure, other) for other in rest)]
    return unflatten(structure, [f(*row) for row in zip(*columns, strict=True)])


def map_with_path(f: Callable[..., Any], tree: Tree, *rest: Tree) -> Tree:
    """Like `map`, for f(path, leaf, ...); the path is a string such as `[0].w`."""
    check_function("tree.map_with_path", "f", f)
    leaves, structure = flatten(tree)
    columns = [leaves, *(_leaves_like("tree.map_with_path", structure, t) for t in rest)]
    rows = zip(structure.paths(), *columns, strict=True)
    return unflatten(structure, [f(*row) for row in rows])


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
        return functools.reduce(f, found, initializer)
    if not found:
        raise ValueError("tree.reduce: the tree has no leaves, and there is no initializer")
    return functools.reduce(f, found)


def all(tree: Tree) -> bool:
    """Whether every leaf is true; ValueError for a leaf that is neither true nor false."""
    return builtins.all(_truth(path, leaf) for path, leaf in leaves_with_path(tree))


def _truth(path: str, leaf: Any) -> bool:
    try:
        return bool(leaf)
    except ValueError:  # an array of several numbers
        raise ValueError(
            f"tree.all: {path or 'the root'} is {kind_of(leaf)}, expected one truth value"
        ) from None


def _leaves_like(function: str, structure: Any, tree: Tree) -> list[Any]:
    found, other = flatten(tree)
    check_same_structure(function, structure, other)
    return found
