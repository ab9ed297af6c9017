"""What the nodes of an ONNX graph compute, as far as fcnn knows it while it reads them.

A node's inputs are constants (arrays), what layers compute (`Value`), or what becomes a layer only
with the nodes that follow: the terms of a GELU that is spelled out, images with padding for the
convolution or pool after it, means that are still images. The shape of a batch is a constant too:
where the number of examples is free, it is a number that no constant in a file has.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeAlias

import attrs
import numpy as np

from fcnn.exchange.series_parallel import Merge, Value
from fcnn.layers.layer import Layer
from fcnn.numerics.arrays import Array, Shape, freeze
from fcnn.tree import Tree

ANY_BATCH: Final = 1_000_003  # examples, where their number is free
MOST: Final = 2**26  # numbers of a value of an example
FEW: Final = 4096  # numbers of a constant that is computed from others
FLOAT: Final = 1  # ONNX's number for float32
NOT_GELU: Final = (
    "but not as in GELU, x / 2 * (1 + erf(x / sqrt(2))), in PyTorch nn.GELU(approximate='none')"
)


@attrs.frozen
class Padded:
    """Images with pixels around them: above, left, below, right."""

    x: Value
    pads: tuple[int, ...]
    pixel: float


@attrs.frozen
class Means:
    """The means of images' channels: global_avg_pool, once they are flattened."""

    x: Value
    images: Value
    shape: Shape  # (C, 1, 1), or (C, 1) on the way to (C,)


@attrs.frozen
class Stack:
    """Values along a new first axis, to be added along it."""

    values: tuple[Value, ...]


@attrs.frozen
class Term:
    """factor * x * (erf(slope * x) + offset), or without x, or without erf: parts of a GELU."""

    x: Value
    factor: float = 1.0
    with_x: bool = True
    erf: tuple[float, float] | None = None  # slope and offset


Known: TypeAlias = "Array | Value | Padded | Means | Stack | Term"


@attrs.frozen
class Node:
    """A node: its operator, its name in errors, its attributes; what is known of the graph."""

    operator: str
    name: str
    attributes: Mapping[str, Any]
    opset: int
    batch: int
    kernels: dict[int, str]  # by their place in memory, the nodes that kernels belong to

    def integer(self, name: str, usual: int = 0) -> int:
        """An attribute that is an integer."""
        return int(_of_kind(name, self.attributes.get(name, usual), int))

    def number(self, name: str, usual: float) -> float:
        """An attribute that is a float32, as the shortest number that rounds to it."""
        value = _of_kind(name, self.attributes.get(name, usual), float)
        with np.errstate(over="ignore"):
            return float(str(np.float32(value)))

    def text(self, name: str, usual: str) -> str:
        """An attribute that is a text."""
        value = self.attributes.get(name, usual.encode())
        return str(_of_kind(name, value, bytes).decode(errors="replace"))

    def integers(self, name: str, usual: Sequence[int]) -> tuple[int, ...]:
        """An attribute that is a list of integers, as many as usual."""
        values = self.attributes.get(name, usual)
        if len(values) != len(usual):
            raise ValueError(f"{name} are {len(values)} numbers, expected {len(usual)}")
        return tuple(_of_kind(name, value, int) for value in values)

    def axes(self, given: Known | None, rank: int) -> tuple[int, ...] | None:
        """The axes that it works along, which are an input in newer opsets, of so many."""
        axes = self.attributes.get("axes") if given is None else constant_of(given).ravel().tolist()
        return None if axes is None else tuple(sorted(axis % rank for axis in axes))

    def kernel(self, given: Known) -> Array:
        """A constant that is this node's alone: fcnn has no layers that share their weights."""
        kernel = constant_of(given)
        place = kernel.__array_interface__["data"][0]
        if self.kernels.setdefault(place, self.name) != self.name:
            raise ValueError(
                f"its weights are also those of {self.kernels[place]}: layers of fcnn share none"
            )
        return kernel

    def layer(self, x: Value, layer: Layer, params: Tree = (), shape: Shape | None = None) -> Value:
        """What a layer makes of a value."""
        if shape is None:
            _, shape = layer.init(np.random.default_rng(0), x.shape)
        _check_size(shape)
        return Value(f"{self.operator} ({self.name})", shape, (x,), (layer, params))

    def merge(self, values: Sequence[Value], merge: Merge, shape: Shape) -> Value:
        """What several values make together."""
        _check_size(shape)
        return Value(f"{self.operator} ({self.name})", shape, tuple(values), merge=merge)


def _of_kind(name: str, value: Any, kind: type) -> Any:
    if type(value) is not kind:
        raise ValueError(f"{name} is {value!r:.60}, expected {kind.__name__}")
    return value


def _check_size(shape: Shape) -> None:
    if math.prod(shape) > MOST:
        raise ValueError(f"it gives {shape} for each example, more than {MOST:,} numbers")


# Inputs: what a node expects, and a ValueError for anything else


def constant_of(given: Known) -> Array:
    if not isinstance(given, np.ndarray):
        raise ValueError("an input that should be constant depends on the input of the network")
    return given


def parameter(given: Known, what: str, shape: Shape) -> Array:
    """A constant of a shape, as a layer has it: read-only, float32."""
    array = constant_of(given)
    if array.dtype != np.float32 or array.shape != shape:
        raise ValueError(f"its {what} is {array.dtype} {array.shape}, expected float32 {shape}")
    return freeze(array)


def value_of(given: Known | None, rank: int | None = None) -> Value:
    """What layers compute: images if the rank is 3, vectors if it is 1."""
    if isinstance(given, Means) and given.shape == given.images.shape:
        given = given.images
    if isinstance(given, Term):
        raise ValueError(
            f"what {given.x.name} gives is multiplied by a constant or put into erf before it, "
            + NOT_GELU
        )
    if isinstance(given, Padded):
        raise ValueError("fcnn pads images in conv2d and pools alone, with what they expect")
    if not isinstance(given, Value):
        raise ValueError("what it is given is no output of a layer")
    if rank is not None and len(given.shape) != rank:
        expected = {1: "vectors (N, D)", 3: "images (N, C, H, W)"}[rank]
        raise ValueError(f"its input is (N, {str(given.shape)[1:]}, expected {expected}")
    return given


def shape_of(given: Known) -> Shape:
    return given.shape if isinstance(given, Means) else value_of(given).shape


def for_one_example(array: Array, shape: Shape) -> Array:
    """A constant that is added to every example alike, as what is added to one of them."""
    if array.ndim == len(shape) + 1 and len(array) == 1:
        array = array[0]
    return np.broadcast_to(array, shape) if array.ndim <= len(shape) else array
