"""What a network is made of and what it costs, layer by layer."""

import math
from collections.abc import Iterator

import attrs
import numpy as np

from fcnn import tree
from fcnn.layers.batch_norm import BatchNormParams
from fcnn.layers.conv2d import Conv2dParams
from fcnn.layers.dense import DenseParams
from fcnn.layers.layer import Layer, call_init
from fcnn.networks.chain import chain
from fcnn.networks.parallel import parallel
from fcnn.networks.residual import residual
from fcnn.numerics.arrays import Shape
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

    Where branches meet again there is a row for the sum or the concatenation. A combinator of
    one's own has one row, whatever it is made of.
    """
    return list(_rows(model, tuple(in_shape), ""))


def parameter_count(params: Tree) -> int:
    """How many numbers there are in a tree of parameters."""
    return sum(leaf.size for leaf in tree.leaves(params))


def _rows(layer: Layer, in_shape: Shape, path: str) -> Iterator[Row]:
    if layer.children and layer.make is chain:
        for index, child in enumerate(layer.children):
            yield from _rows(child, in_shape, f"{path}[{index}]")
            _, in_shape = call_init(child, np.random.default_rng(0), in_shape)
        return
    params, out_shape = call_init(layer, np.random.default_rng(0), in_shape)
    size = 4 * math.prod(out_shape)
    if layer.make is residual:
        # The parameters of a residual are those of its layer, and so have its path.
        yield from _rows(layer.children[0], in_shape, path)
        yield Row(path, "add", out_shape, 0, 0, size)
    elif layer.make is parallel:
        for index, child in enumerate(layer.children):
            yield from _rows(child, in_shape, f"{path}[{index}]")
        yield Row(path, layer.settings.get("merge", "concatenate"), out_shape, 0, 0, size)
    else:  # what others do with their children, nobody knows: they are one layer
        products = _multiply_adds(params, out_shape)
        yield Row(path, repr(layer), out_shape, parameter_count(params), products, size)


def _multiply_adds(params: Tree, out_shape: Shape) -> int | None:
    if isinstance(params, Conv2dParams):
        return int(params.w.size) * math.prod(out_shape[1:])  # the kernel, at every pixel
    if isinstance(params, DenseParams):
        return int(params.w.size)
    if isinstance(params, BatchNormParams):
        return math.prod(out_shape)  # one scale and shift for each value
    return None if tree.leaves(params) else 0
