"""What a tree is: taking one apart, putting one together, naming where two differ."""

from collections import OrderedDict, defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from contextlib import suppress
from functools import cache
from operator import attrgetter
from typing import Any, NamedTuple, TypeAlias

import attrs
import numpy as np

from fcnn.arguments.settings import check_function, check_kind
from fcnn.arguments.wording import article, kind_of

Tree: TypeAlias = Any
Keys: TypeAlias = tuple[Hashable, ...]


class Structure(NamedTuple):
    """What is left of a tree when its leaves are taken out; equal for equal structures."""

    kind: type | None  # the class of the node, None for a leaf
    keys: Keys = ()
    children: tuple["Structure", ...] = ()
    made_with: tuple[Hashable, ...] | None = None  # what else a node of a registered class needs

    def size(self) -> int:
        """How many leaves there are."""
        return 1 if self.kind is None else sum([child.size() for child in self.children])

    def paths(self, prefix: str = "") -> list[str]:
        """The path of every leaf, in order."""
        if self.kind is None:
            return [prefix]
        pairs = zip(self.keys, self.children, strict=True)
        return [path for key, child in pairs for path in child.paths(prefix + self._step(key))]

    def difference(self, other: "Structure", path: str = "") -> str | None:
        """The first place where two structures differ, in words; None if they are equal."""
        if self.kind is not other.kind:
            return f"{path or 'the root'}: {self._words()} against {other._words()}"
        if self.made_with != other.made_with:
            made = f"made with {self.made_with} against {other.made_with}"
            return f"{path or 'the root'}: {self._words()} {made}"
        ours, theirs = (dict(zip(each.keys, each.children, strict=True)) for each in (self, other))
        for key in ours | theirs:
            place = path + self._step(key)
            if key not in theirs:
                return f"{place}: {ours[key]._words()} against nothing"
            if key not in ours:
                return f"{place}: nothing against {theirs[key]._words()}"
            if found := ours[key].difference(theirs[key], place):
                return found
        if self.keys != other.keys:  # the same ones in another order
            return f"{path or 'the root'}: the order of keys {self.keys} against {other.keys}"
        return None

    def _step(self, key: Hashable) -> str:
        plain = self.kind is dict or self.made_with is not None
        return f"[{key!r}]" if plain or not isinstance(key, str) else f".{key}"

    def _words(self) -> str:
        if self.kind is None:
            return "a leaf"
        if self.kind in (tuple, list, dict, OrderedDict, defaultdict):
            return f"{article(self.kind.__name__)} of {len(self.keys)}"
        return "None" if self.kind is type(None) else self.kind.__name__


LEAF = Structure(None)
_NO_LEAVES = (np.ndarray, str, bytes, set, frozenset, dict)  # though one can walk over them


def flatten(tree: Tree) -> tuple[list[Any], Structure]:
    """Leaves from left to right, and the structure that `unflatten` puts them back into."""
    leaves: list[Any] = []
    try:
        return leaves, _take_apart(tree, leaves)
    except RecursionError:
        raise ValueError("tree: it is too deep, or a node of it holds itself") from None


def unflatten(structure: Structure, leaves: Iterable[Any]) -> Tree:
    """The tree of a structure with the given leaves; no node's `__init__` is called.

    Raises ValueError if there are more or fewer leaves than places for them, and TypeError for
    leaves that are a single array or text, or have no order.
    """
    check_kind("tree.unflatten", "structure", structure, Structure)
    if not isinstance(leaves, Iterable) or isinstance(leaves, _NO_LEAVES):
        raise TypeError(f"tree.unflatten: leaves is {kind_of(leaves)}, expected a list of leaves")
    leaves = list(leaves)
    rest = iter(leaves)
    with suppress(StopIteration):
        tree = _put_together(structure, rest)
        if next(rest, LEAF) is LEAF:
            return tree
    raise ValueError(f"tree.unflatten: {len(leaves)} leaves for {structure.size()} places")


def structure(tree: Tree) -> Structure:
    """The structure of a tree, hashable and comparable."""
    return flatten(tree)[1]


def check_same_structure(function: str, first: Structure, other: Structure) -> None:
    """ValueError that names the first path where two trees differ."""
    if first != other:
        raise ValueError(f"{function}: the trees differ at {first.difference(other)}")


def _take_apart(tree: Tree, leaves: list[Any]) -> Structure:
    kind = type(tree)
    open_node = _opener(kind)  # type: ignore[arg-type]
    if open_node is None:
        leaves.append(tree)
        return LEAF
    keys, children, made_with = open_node(tree)
    structures = []
    for child in children:
        if type(child) is np.ndarray:  # a call for each would take half of the time
            leaves.append(child)
            structures.append(LEAF)
        else:
            structures.append(_take_apart(child, leaves))
    return Structure(kind, keys, tuple(structures), made_with)


Opened: TypeAlias = tuple[Keys, Sequence[Any], tuple[Hashable, ...] | None]
Opener: TypeAlias = Callable[[Any], Opened]
Closer: TypeAlias = Callable[[Keys, Sequence[Any], Any], Any]

# How nodes of other classes are taken apart and put together again.
_registered: dict[type, tuple[Opener, Closer]] = {
    OrderedDict: (
        lambda tree: (tuple(tree), [*tree.values()], (None,)),
        lambda keys, children, _: OrderedDict(zip(keys, children, strict=True)),
    ),
    defaultdict: (
        lambda tree: (
            keys := _sorted_keys(tree),
            [tree[key] for key in keys],
            (tree.default_factory,),
        ),
        lambda keys, children, factory: defaultdict(factory, zip(keys, children, strict=True)),
    ),
}


def register(
    kind: type,
    flatten: Callable[[Any], tuple[Sequence[Any], Hashable]],
    unflatten: Callable[[Any, Sequence[Any]], Any],
) -> None:
    """Make a class of one's own a node of trees, for the rest of the process.

    As `jax.tree_util.register_pytree_node` has it. Subclasses stay leaves. Raises ValueError for
    a class that is a node already.

    Parameters
    ----------
    kind
        The class.
    flatten
        `flatten(node) -> (children, rest)`: the children, from left to right, and what else
        is needed to make the node again, hashable and comparable. The path of child i is `[i]`.
    unflatten
        `unflatten(rest, children) -> node`. The children may be anything, such as shapes.

    Examples
    --------
    >>> class Pair:
    ...     def __init__(self, a, b):
    ...         self.a, self.b = a, b
    >>> register(Pair, lambda pair: ((pair.a, pair.b), None), lambda rest, both: Pair(*both))
    >>> unflatten(structure(Pair(1, 2)), [3, 4]).b
    4
    """
    check_kind("tree.register", "kind", kind, type)
    check_function("tree.register", "flatten", flatten)
    check_function("tree.register", "unflatten", unflatten)
    if _opener(kind) is not None:
        raise ValueError(f"tree.register: {kind.__name__} is the class of a node already")

    def open_node(node: Any) -> Opened:
        found = flatten(node)
        if not isinstance(found, tuple) or len(found) != 2:
            raise TypeError(
                f"tree.register: flatten of {kind.__name__} must return the tuple "
                f"(children, rest), not {kind_of(found, with_length=True)}"
            )
        children, rest = tuple(found[0]), found[1]
        return _indices(len(children)), children, (rest,)

    _registered[kind] = open_node, lambda keys, children, rest: unflatten(rest, children)
    _opener.cache_clear()


@cache
def _opener(kind: type) -> Opener | None:
    """What gives the keys and children of nodes of a class; None for the class of a leaf."""
    if kind in _registered:
        return _registered[kind][0]
    if kind is type(None):
        return lambda tree: ((), (), None)
    if kind is dict:
        return lambda tree: (keys := _sorted_keys(tree), [tree[key] for key in keys], None)
    if issubclass(kind, tuple) and hasattr(kind, "_fields"):
        return lambda tree: (kind._fields, tree, None)
    if issubclass(kind, tuple) or kind is list:
        return lambda tree: (_indices(len(tree)), tree, None)
    names = _field_names(kind)
    if names is None:
        return None
    if len(names) > 1:
        get = attrgetter(*names)
        return lambda tree: (names, get(tree), None)
    return lambda tree: (names, [getattr(tree, name) for name in names], None)


def _field_names(kind: type) -> tuple[str, ...] | None:
    """The fields of an attrs class or a dataclass; None for any other class."""
    if attrs.has(kind):
        return tuple(field.name for field in attrs.fields(kind))
    if hasattr(kind, "__dataclass_fields__"):
        from dataclasses import fields

        return tuple(field.name for field in fields(kind))
    return None


@cache
def _indices(count: int) -> tuple[int, ...]:
    return tuple(range(count))


def _sorted_keys(tree: dict[Any, Any]) -> tuple[Any, ...]:
    try:
        return tuple(sorted(tree))
    except TypeError:
        raise TypeError(f"tree: the keys of a dict have no order: {list(tree)}") from None


def _put_together(structure: Structure, leaves: Iterator[Any]) -> Tree:
    kind = structure.kind
    if kind is None:
        return next(leaves)
    if kind is type(None):
        return None
    children = [  # a call for each leaf would take half of the time
        next(leaves) if child.kind is None else _put_together(child, leaves)
        for child in structure.children
    ]
    if kind is tuple or kind is list:
        return kind(children)
    if kind is dict:
        return dict(zip(structure.keys, children, strict=True))
    if structure.made_with is not None:
        return _registered[kind][1](structure.keys, children, *structure.made_with)
    if issubclass(kind, tuple):
        return tuple.__new__(kind, children)
    # Past __init__: converters and validators would refuse trees of masks, norms or shapes.
    node = object.__new__(kind)
    for name, child in zip(structure.keys, children, strict=True):
        object.__setattr__(node, str(name), child)
    return node
