"""A network as Python source: a line for each layer, by the functions of `script_parts`.

    x = conv2d(x, P["0.w"], P["0.b"], padding=(1, 1, 1, 1))  # (N, 8, 28, 28)
    x = relu(x)

What is added to x in a residual is y, and branches are branch_1, branch_2 and so on; while a name
is in use, others have a greater number.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable, Mapping, Sequence
from itertools import chain, count
from typing import Final, NamedTuple, TypeAlias

import attrs
import numpy as np

from fcnn import tree
from fcnn.exchange.reading_back import known_name
from fcnn.exchange.saved_model import dtype_of
from fcnn.exchange.whole_settings import padding_around, whole_settings
from fcnn.layers.layer import Layer, call_apply
from fcnn.networks.documents import placing
from fcnn.networks.rewriting import faster
from fcnn.numerics.arrays import Array, Shape
from fcnn.tree import Tree

LINE: Final = 100  # characters at most
_INDENT: Final = "    "


class WrittenNetwork(NamedTuple):
    """A network as the source of a function `network(x)`, which finds its parameters in a dict P.

    Attributes
    ----------
    source
        It calls functions of `script_parts`.
    arrays
        What is in P: "0.w" for the parameter at [0].w.
    dtype
        Of the arrays, and of x.
    out_shape
        The shape of the output for one example.
    """

    source: str
    arrays: dict[str, Array]
    dtype: str
    out_shape: Shape


def written_out(model: Layer, params: Tree, in_shape: Shape) -> WrittenNetwork:
    """A network as source; ValueError for a layer of one's own, which it names."""
    arrays = {_key(path): leaf for path, leaf in tree.leaves_with_path(params)}
    dtype = dtype_of(params).name
    lines, quicker = _Lines(), faster(model)
    x = _Value("x", np.zeros((1, *in_shape), dtype))
    y = _add(_Part(lines, quicker, params), x, "x")
    docstring = f"The outputs {batch(y.shape)} of examples {batch(x.shape)}"
    if repr(quicker) != repr(model):
        docstring += "; pooling before relu, which is the same"
    source = [
        "def network(x: np.ndarray) -> np.ndarray:",
        f'{_INDENT}"""{docstring}."""',
        *(_INDENT + line if line else "" for line in lines.written),
        f"{_INDENT}return {y.name}",
    ]
    return WrittenNetwork("\n".join(source), arrays, dtype, y.shape)


def batch(shape: Shape) -> str:
    """The shape of N examples, as one writes it: (N, 8, 28, 28)."""
    return f"({', '.join(['N', *map(str, shape)])})"


def _key(path: str) -> str:
    """A path as a name: "2.0.w" for [2][0].w."""
    return ".".join(re.findall(r"\w+", path))


class _Value(NamedTuple):
    """A variable, and what it holds for one example."""

    name: str
    array: Array

    @property
    def shape(self) -> Shape:
        """That of the example."""
        _, *shape = self.array.shape
        return tuple(shape)


@attrs.frozen
class _Lines:
    """The lines of a function, as layers add them one after the other."""

    written: list[str] = attrs.field(factory=list)
    in_use: set[str] = attrs.field(factory=set)  # variables besides x

    def use(self, name: str) -> str:
        """A variable that is not in use yet: of this name, or of one with a greater number, as y_2
        after y, or branch_3 after branch_2.
        """
        stem, _, number = name.partition("_")
        names = chain([name], (f"{stem}_{i}" for i in count(int(number or 1) + 1)))
        chosen = next(each for each in names if each not in self.in_use)
        self.in_use.add(chosen)
        return chosen

    def paragraph(self, comment: str = "") -> None:
        """Leave a line empty, and put a comment below."""
        if self.written and self.written[-1]:
            self.written.append("")
        self.written.extend([f"# {comment}"] if comment else [])


class _Part(NamedTuple):
    """A layer and its parameters, and where the parameters are."""

    lines: _Lines
    layer: Layer
    params: Tree
    path: str = ""


# What each layer adds: `add(part, x, into) -> y`, where y is x, or in the variable called `into`


def _add(part: _Part, x: _Value, into: str) -> _Value:
    name = known_name("save_script", part.layer, "a script has no function for")
    if name in _COMBINATORS:
        return _COMBINATORS[name](part, x, into)
    return x if name == "dropout" else _call(part, name, x, into)


def _add_child(part: _Part, i: int, params: Tree, path: str, x: _Value, into: str) -> _Value:
    """Add layer i of a combinator."""

    def add(layer: Layer) -> _Value:
        return _add(_Part(part.lines, layer, params, path), x, into)

    y: _Value = placing(part.layer.name, i, part.layer.children[i], add)
    return y


def _chain(part: _Part, x: _Value, into: str) -> _Value:
    for i, params in enumerate(part.params):
        x = _add_child(part, i, params, f"{part.path}[{i}]", x, into)
    return x


def _residual(part: _Part, x: _Value, into: str) -> _Value:
    lines = part.lines
    lines.paragraph(f"Residual: {x.name} is kept, and added below")
    own = lines.use("y")
    y = _add_child(part, 0, part.params, part.path, x, own)
    lines.written.append(f"{into} = {x.name} + {y.name}")
    lines.paragraph()
    lines.in_use.discard(own)
    return _Value(into, x.array + y.array)


def _parallel(part: _Part, x: _Value, into: str) -> _Value:
    lines, names, ys = part.lines, [], []
    lines.paragraph(f"Branches: each begins with {x.name}")
    for i, params in enumerate(part.params):
        names.append(lines.use(f"branch_{i + 1}"))
        ys.append(_add_child(part, i, params, f"{part.path}[{i}]", x, names[-1]))
    variables = [y.name for y in ys]
    if part.layer.settings.get("merge") == "add":
        lines.written.extend(_sum(into, variables))
        y = _Value(into, ys[0].array)  # whose shape is all that matters
    else:
        y = _Value(into, np.concatenate([y.array for y in ys], axis=1))
        arguments = [f"[{', '.join(variables)}]", "axis=1"]
        lines.written.extend(_calling(f"{into} = np.concatenate", arguments, batch(y.shape)))
    lines.paragraph()
    lines.in_use.difference_update(names)
    return y


_COMBINATORS: Final[Mapping[str, Callable[[_Part, _Value, str], _Value]]] = {
    "chain": _chain,
    "parallel": _parallel,
    "residual": _residual,
}


def _call(part: _Part, function: str, x: _Value, into: str) -> _Value:
    """Add the call of a function of `script_parts`, which has the name of the layer."""
    y = _Value(into, call_apply(part.layer, part.params, x.array))
    paths = [part.path + path for path, _ in tree.leaves_with_path(part.params)]
    settings = _SETTINGS[function](part.layer) if function in _SETTINGS else {}
    arguments = [
        x.name,
        *(f'P["{_key(path)}"]' for path in paths),
        *(f"{name}={value!r}" for name, value in settings.items()),
    ]
    shape = "" if y.shape == x.shape else batch(y.shape)
    part.lines.written.extend(_calling(f"{into} = {function}", arguments, shape))
    return y


def _calling(head: str, arguments: Sequence[str], shape: str) -> list[str]:
    """A call on one line, or on as many as it needs, with the shape of what it gives."""
    end = f")  # {shape}" if shape else ")"
    together = ", ".join(arguments)
    ways = (
        [f"{head}({together}{end}"],
        [f"{head}(", f"{_INDENT}{together},", end],
        [f"{head}(", *(line for each in arguments for line in _filled(f"{each},")), end],
    )
    return next((lines for lines in ways if _fits(lines)), ways[-1])


def _sum(into: str, variables: Sequence[str]) -> list[str]:
    """An addition, likewise."""
    added = " + ".join(variables)
    line = f"{into} = {added}"
    return [line] if _fits([line]) else [f"{into} = (", *_filled(added), ")"]


def _fits(lines: Sequence[str]) -> bool:
    return max(map(len, lines)) + len(_INDENT) <= LINE


def _filled(text: str) -> list[str]:
    """Lines within parentheses."""
    return [_INDENT + line for line in textwrap.wrap(text, LINE - 2 * len(_INDENT))]


# The settings of the functions, where they are not the usual ones

_Settings: TypeAlias = "dict[str, object]"


def _conv2d(layer: Layer) -> _Settings:
    usual = {"stride": (1, 1), "padding": (0, 0, 0, 0), "dilation": (1, 1), "groups": 1}
    own = whole_settings(layer) | {"padding": padding_around(layer)}
    return {name: own[name] for name, value in usual.items() if own[name] != value}


def _pool(layer: Layer) -> _Settings:
    settings, padding = layer.settings, padding_around(layer)
    own = {"window": settings["window"], "stride": settings["stride"]}
    return own | ({"padding": padding} if any(padding) else {})


_SETTINGS: Final[Mapping[str, Callable[[Layer], _Settings]]] = {
    "avg_pool2d": _pool,
    "batch_norm": whole_settings,
    "conv2d": _conv2d,
    "leaky_relu": whole_settings,
    "max_pool2d": _pool,
}
