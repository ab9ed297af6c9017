"""What a network is made of and what it costs, layer by layer."""

import math
from collections.abc import Iterator

import attrs
import numpy as np

from fcnn import tree
from fcnn.arguments.arrays import check_sizes
from fcnn.arguments.settings import check_kind
from fcnn.arguments.tables import table
from fcnn.layers.batch_norm import BatchNormParams
from fcnn.layers.conv2d import Conv2dParams
from fcnn.layers.dense import DenseParams
from fcnn.layers.layer import Layer, call_init
from fcnn.layers.window_sizes import times
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
    # What does not fit is told by its place in the whole.
    call_init(model, np.random.default_rng(0), tuple(in_shape))
    return list(_rows(model, tuple(in_shape), ""))


@attrs.frozen(repr=False)
class Summary:
    """What a network is made of and what it costs, for one example; it prints as a table.

    Attributes
    ----------
    in_shape
        The shape of the example.
    rows
        One for each layer: see `Row`.
    """

    in_shape: Shape
    rows: tuple[Row, ...]

    def __repr__(self) -> str:
        return (
            f"Input {times(self.in_shape)}; multiply-adds and activation bytes for one image, "
            f"float32\n\n{self.table()}"
        )

    def table(self) -> str:
        """The rows, and their sums."""
        body = [
            [
                row.path,
                row.layer,
                times(row.out_shape),
                f"{row.parameters:,}",
                "?" if row.multiply_adds is None else f"{row.multiply_adds:,}",
                f"{row.activation_bytes:,}",
            ]
            for row in self.rows
        ]
        parameters = sum(row.parameters for row in self.rows)
        multiply_adds = sum(row.multiply_adds or 0 for row in self.rows)
        unknown = "+?" * any(row.multiply_adds is None for row in self.rows)
        size = sum(row.activation_bytes for row in self.rows)
        body.append(
            ["Total", "", "", f"{parameters:,}", f"{multiply_adds:,}{unknown}", f"{size:,}"]
        )
        header = ["Path", "Layer", "Output", "Parameters", "Multiply-adds", "Bytes"]
        return table(header, body, left=[0, 1, 2], folded=1)


def summary(model: Layer, in_shape: Shape) -> Summary:
    """The layers of a network with their shapes and costs for one image, as `fcnn summary` shows
    them.

    Parameters
    ----------
    model
        Any layer; those of nested chains and branches have rows of their own.
    in_shape
        Of an example, without the batch axis. ValueError, if the network does not fit it.

    Examples
    --------
    >>> import fcnn
    >>> fcnn.summary(fcnn.models.linear(), (1, 28, 28))
    Input 1x28x28; multiply-adds and activation bytes for one image, float32
    <BLANKLINE>
    Path   Layer      Output  Parameters  Multiply-adds  Bytes
    [0]    flatten    784              0              0  3,136
    [1]    dense(10)  10           7,850          7,840     40
    Total                          7,850          7,840  3,176
    """
    check_kind("summary", "model", model, Layer)
    in_shape = check_sizes("summary", in_shape)
    return Summary(in_shape, tuple(summarize(model, in_shape)))


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
