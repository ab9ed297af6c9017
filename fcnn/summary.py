"""What a network is made of and what it costs, layer by layer."""

import math
from collections.abc import Iterator

import attrs
import numpy as np

from fcnn import tree
from fcnn.arrays import Shape
from fcnn.convolution import Conv2dParams
from fcnn.fully_connected import DenseParams
from fcnn.layer import Layer, call_init
from fcnn.normalization import BatchNormParams
from fcnn.tree import Tree


@attrs.frozen
class Row:
    """One layer, for one example: shapes without the batch axis.

    multiply_adds is None for a layer with parameters that fcnn does not know;
    activation_bytes are those of its output in float32.
    """

    path: str
    layer: str
    out_shape: Shape
    parameters: int
    multiply_adds: int | None
    activation_bytes: int


def summarize(model: Layer, in_shape: Shape) -> list[Row]:
    """One row for each layer of a network, those of nested chains and branches too.

    Where branches meet again there is a row for the sum or the concatenation.
    """
    return list(_rows(model, tuple(in_shape), ""))


def parameter_count(params: Tree) -> int:
    """How many numbers there are in a tree of parameters."""
    return sum(leaf.size for leaf in tree.leaves(params))


def _rows(layer: Layer, in_shape: Shape, path: str) -> Iterator[Row]:
    if layer.children:
        yield from _rows_of_children(layer, in_shape, path)
        return
    params, out_shape = call_init(layer, np.random.default_rng(0), in_shape)
    yield Row(
        path=path,
        layer=repr(layer),
        out_shape=out_shape,
        parameters=parameter_count(params),
        multiply_adds=_multiply_adds(params, out_shape),
        activation_bytes=4 * math.prod(out_shape),
    )


def _rows_of_children(layer: Layer, in_shape: Shape, path: str) -> Iterator[Row]:
    merge = layer.settings.get("merge", "concatenate")
    shape, meets = in_shape, {"residual": "add", "parallel": merge}
    for index, child in enumerate(layer.children):
        # The parameters of a residual are those of its layer, and so have its path.
        yield from _rows(child, shape, path if layer.name == "residual" else f"{path}[{index}]")
        if layer.name not in meets:
            _, shape = call_init(child, np.random.default_rng(0), shape)
    if layer.name in meets:
        _, shape = call_init(layer, np.random.default_rng(0), in_shape)
        yield Row(path, meets[layer.name], shape, 0, 0, 4 * math.prod(shape))


def _multiply_adds(params: Tree, out_shape: Shape) -> int | None:
    if isinstance(params, Conv2dParams):
        return int(params.w.size) * math.prod(out_shape[1:])  # the kernel, at every pixel
    if isinstance(params, DenseParams):
        return int(params.w.size)
    if isinstance(params, BatchNormParams):
        return math.prod(out_shape)  # one scale and shift for each value
    return None if tree.leaves(params) else 0
