"""Networks of graphs: values that are computed from one another, as nested layers.

A layer makes one value of another, a merge adds or concatenates several. What lies between a merge
and the nearest value that all ways to it go through (their dominator) is a `residual` or a
`parallel`, with a chain for each of its inputs; what lies before it goes on from there.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from typing import Literal, TypeAlias

import attrs

from fcnn.layers.layer import Layer
from fcnn.networks.chain import chain
from fcnn.networks.parallel import parallel
from fcnn.networks.residual import residual
from fcnn.numerics.arrays import Shape
from fcnn.tree import Tree

Merge: TypeAlias = Literal["add", "concatenate"]
Network: TypeAlias = tuple[Layer, Tree]


@attrs.frozen(eq=False)
class Value:
    """What is computed from the input of a graph, for each example of a batch.

    Attributes
    ----------
    name
        What errors call it.
    shape
        Of an example.
    inputs
        What it is computed from: nothing, if it is the input of the graph; one value, by a layer;
        or several, by a merge.
    layer, merge
        By what it is computed.
    """

    name: str
    shape: Shape
    inputs: tuple[Value, ...] = ()
    layer: Network | None = None
    merge: Merge | None = None
    # The nearest value that all ways from the input of the graph go through, and how many are
    # between.
    dominator: Value | None = attrs.field(init=False)
    depth: int = attrs.field(init=False)

    @dominator.default
    def _nearest(self) -> Value | None:
        return reduce(_common, self.inputs) if self.inputs else None

    @depth.default
    def _one_deeper(self) -> int:
        return 0 if self.dominator is None else self.dominator.depth + 1


def network_of(y: Value) -> Network:
    """The chain that computes a value from the input of its graph, and its parameters.

    ValueError if the graph is not made of layers one after the other and side by side alone, and
    names the value that goes ways which cross.
    """
    start = y
    while start.dominator is not None:
        start = start.dominator
    return _chained(_between(start, y, set()))


def _common(a: Value, b: Value) -> Value:
    """The nearest value that all ways to both go through: `a` or `b` itself, or a dominator."""
    while a is not b:
        if a.depth >= b.depth:
            a = _dominator(a)
        else:
            b = _dominator(b)
    return a


def _dominator(value: Value) -> Value:
    if value.dominator is None:
        raise ValueError(f"{value.name} is not computed from the same input as the rest")
    return value.dominator


def _between(start: Value, end: Value, met: set[Value]) -> list[Network]:
    """The layers that compute one value from another, its dominator; `met` are the values that
    others compute.
    """
    layers = []
    while end is not start:
        if end in met:
            raise ValueError(
                f"{end.name}: its output goes several ways that cross, but residual and parallel "
                "are ways that part in one place and come together in another"
            )
        met.add(end)
        layers.append(end.layer or _merged(end, met))
        end = _dominator(end)
    return layers[::-1]


def _merged(value: Value, met: set[Value]) -> Network:
    """The layer from the dominator of a merge to it."""
    start, inputs = _dominator(value), _summands(value)
    ways = [_between(start, end, met) for end in inputs]
    if value.merge == "add" and len(ways) == 2 and [] in ways:
        layer, params = _single(ways[0] or ways[1])
        return residual(layer), params
    branches, params = zip(*map(_single, ways), strict=True)
    return parallel(*branches, merge=value.merge or "concatenate"), params


def _summands(value: Value) -> Sequence[Value]:
    """The inputs of a merge. A sum of three branches is one of two, plus the third; a residual
    remains one.
    """
    inputs, first = value.inputs, value.inputs[0]
    sums = value.merge == first.merge == "add" and len(inputs) == 2
    if sums and first.dominator is value.dominator and first.dominator not in first.inputs:
        return [*_summands(first), inputs[1]]
    return inputs


def _single(layers: Sequence[Network]) -> Network:
    return layers[0] if len(layers) == 1 else _chained(layers)


def _chained(layers: Sequence[Network]) -> Network:
    return chain(*[layer for layer, _ in layers]), tuple(params for _, params in layers)
