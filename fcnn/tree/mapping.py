"""Maps, folds and walks over the leaves of trees."""

import builtins
import functools
from collections.abc import Callable
from typing import Any

from fcnn.tree.structure import Tree, check_same_structure, flatten, unflatten

_NOTHING: Any = object()


def map(f: Callable[..., Any], tree: Tree, *rest: Tree) -> Tree:
    """Apply f to every leaf, or to the leaves of several trees that share one structure.

    Raises ValueError, with the first path where they differ, for other structures.
    """
    leaves, structure = flatten(tree)
    columns = [leaves, *(_leaves_like("tree.map", structure, other) for other in rest)]
    return unflatten(structure, [f(*row) for row in zip(*columns, strict=True)])


def map_with_path(f: Callable[..., Any], tree: Tree, *rest: Tree) -> Tree:
    """Like `map`, for f(path, leaf, ...); the path is a string such as `[0].w`."""
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
    """Fold the leaves from left to right, as `functools.reduce` does."""
    start = () if initializer is _NOTHING else (initializer,)
    return functools.reduce(f, leaves(tree), *start)


def all(tree: Tree) -> bool:
    """Whether every leaf is true."""
    return builtins.all(leaves(tree))


def _leaves_like(function: str, structure: Any, tree: Tree) -> list[Any]:
    found, other = flatten(tree)
    check_same_structure(function, structure, other)
    return found
