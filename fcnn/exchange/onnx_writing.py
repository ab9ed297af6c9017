"""Writing a model as ONNX: a node or a few for each layer, its parameters as initializers.

The graph has one input, "x", and one output, "y", both with a free batch axis "N". An initializer
is called by the path of the parameter, "[0].w", and a node by its place among the layers and its
operator, "3.residual/0.chain/1.relu/Relu".
"""

from __future__ import annotations

import json
import math
import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import partial, reduce
from typing import Any, Final, NamedTuple, TypeAlias

import attrs
import numpy as np

from fcnn import tree
from fcnn.arguments.settings import as_path, whole_number
from fcnn.exchange.reading_back import known_name, needed, write_if_same
from fcnn.exchange.saved_model import SavedModel, checked
from fcnn.exchange.whole_settings import padding_around, whole_settings
from fcnn.layers.layer import Layer
from fcnn.networks.documents import placing
from fcnn.numerics.arrays import Array, Pair, Shape
from fcnn.training.inference import predict
from fcnn.tree import Tree
from fcnn.version import __version__

OPSETS: Final = (17, 18, 19, 20)
INPUT: Final = "x"
OUTPUT: Final = "y"
BATCH: Final = "N"  # an axis of any size


def save_onnx(
    path: str | os.PathLike[str],
    model: Layer,
    params: Tree,
    in_shape: Sequence[int],
    *,
    opset: int = 17,
    labels: Sequence[str] | None = None,
    preparation: str | None = None,
) -> float:
    """Write a model as ONNX, as it is in inference.

    Parameters
    ----------
    path
        The file. It appears whole, and only if what is to be in it gives the outputs of `predict`
        when ONNX's reference reads it.
    model, params
        A network of layers of fcnn, and its parameters, float32.
    in_shape
        The shape of an example, such as (C, H, W). The number of examples stays free.
    opset
        The version of ONNX's operators, from 17 to 20.
    labels, preparation
        What the classes are called, and how pictures are prepared, see `SavedModel`: kept in the
        file's metadata.

    Returns how far the outputs were apart, relative to the largest. Raises ImportError without
    the extra `onnx`; TypeError for parameters in float64; ValueError for a layer of one's own,
    which it names, for parameters that do not fit, and for outputs that are not the same.

    Examples
    --------
    >>> import fcnn, numpy as np, tempfile, pathlib
    >>> model = fcnn.models.lines_cnn()
    >>> params, _ = model.init(np.random.default_rng(0), (1, 14, 14))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder, "lines.onnx")
    ...     fcnn.exchange.save_onnx(path, model, params, (1, 14, 14)) < 1e-5
    True
    """
    target = as_path("save_onnx", "path", path)
    if whole_number("save_onnx", "opset", opset, 1) not in OPSETS:
        raise ValueError(f"save_onnx: opset is {opset}, expected {OPSETS[0]} to {OPSETS[-1]}")
    saved = checked("save_onnx", model, params, in_shape, labels, preparation)
    _check_float32(params)
    onnx = needed("save_onnx", "onnx", "onnx")
    needed("save_onnx", "onnx.reference", "onnx")
    proto = _proto(onnx, saved, opset)
    onnx.checker.check_model(proto, full_check=True)
    content: bytes = proto.SerializeToString()
    return write_if_same("save_onnx", target, content, saved, _reference(onnx, content))


def _reference(onnx: Any, content: bytes) -> Callable[[Array], Array]:
    """A model as ONNX's own reference runs it, the first example alone: any number will do."""
    evaluator = onnx.reference.ReferenceEvaluator(content)

    def outputs_of(x: Array) -> Array:
        return np.concatenate([evaluator.run(None, {INPUT: part})[0] for part in (x[:1], x[1:])])

    return outputs_of


def _proto(onnx: Any, saved: SavedModel, opset: int) -> Any:
    """A model as a message of ONNX, in the oldest format that has the opset."""
    helper, graph = onnx.helper, _Graph(opset, onnx.helper.make_node)
    y = predict(saved.model, saved.params, np.zeros((1, *saved.in_shape), np.float32))
    graph.name_output(_add(_Part(graph, saved.model, saved.params), INPUT))
    opsets = [helper.make_opsetid("", opset)]
    proto = helper.make_model(
        helper.make_graph(
            graph.nodes,
            saved.model.name,
            [_value(onnx, INPUT, saved.in_shape)],
            [_value(onnx, OUTPUT, y.shape[1:])],
            [onnx.numpy_helper.from_array(a, name) for name, a in graph.initializers.items()],
        ),
        producer_name="fcnn",
        producer_version=__version__,
        doc_string=repr(saved.model),
        opset_imports=opsets,
        ir_version=helper.find_min_ir_version_for(opsets),
    )
    helper.set_model_props(proto, _metadata(saved))
    return proto


def _value(onnx: Any, name: str, shape: Shape) -> Any:
    """An input or output of a graph, for any number of examples of that shape."""
    return onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, (BATCH, *shape))


def _metadata(saved: SavedModel) -> dict[str, str]:
    """What a file holds beside the network, as texts; labels as JSON."""
    labels = {} if saved.labels is None else {"labels": json.dumps(saved.labels)}
    return labels | ({} if saved.preparation is None else {"preparation": saved.preparation})


def _check_float32(params: Tree) -> None:
    for path, leaf in tree.leaves_with_path(params):
        if leaf.dtype != np.float32:
            raise TypeError(
                f"save_onnx: the parameter at {path or 'the root'} is {leaf.dtype}, but the file "
                "holds float32; cast the parameters: "
                "fcnn.tree.map(lambda a: a.astype(np.float32), params)"
            )


# The graph, and what of it is a layer's


@attrs.frozen
class _Graph:
    """The nodes and initializers of a graph, as layers add them one after the other."""

    opset: int
    make_node: Callable[..., Any]
    nodes: list[Any] = attrs.field(factory=list)
    names: Counter[str] = attrs.field(factory=Counter)  # how many nodes asked for each
    initializers: dict[str, Array] = attrs.field(factory=dict)

    def name_output(self, value: str) -> None:
        """Give the last value the name of the output; without nodes it is the input itself."""
        if value == INPUT:
            self.nodes.append(self.make_node("Identity", [INPUT], [OUTPUT], "Identity"))
        else:
            self.nodes[-1].output[0] = OUTPUT


class _Part(NamedTuple):
    """A layer and its parameters, and where they are."""

    graph: _Graph
    layer: Layer
    params: Tree
    place: str = ""  # among the layers
    path: str = ""  # of the parameters

    def node(self, operator: str, *inputs: str, **attributes: Any) -> str:
        """Add a node; the value that it gives is called like it."""
        name = self.place + operator
        self.graph.names[name] += 1
        if self.graph.names[name] > 1:
            name += f"_{self.graph.names[name]}"
        self.graph.nodes.append(self.graph.make_node(operator, inputs, [name], name, **attributes))
        return name

    def parameters(self) -> list[str]:
        """Add the parameters, in their order, and give their names."""
        named = {self.path + path: leaf for path, leaf in tree.leaves_with_path(self.params)}
        self.graph.initializers.update(named)
        return [*named]

    def constant(self, name: str, value: Any, dtype: type = np.float32) -> str:
        """Add numbers that are no parameters, under a name that says which they are."""
        self.graph.initializers[name] = np.array(value, dtype)
        return name


# What each layer adds: `add(part, x) -> y`, with the names of the values that go in and come out


def _add(part: _Part, x: str) -> str:
    name = known_name("save_onnx", part.layer, "ONNX has no operator for")
    return _LAYERS[name](part, x)


def _add_child(part: _Part, i: int, params: Tree, path: str, x: str) -> str:
    """Add layer i of a combinator."""

    def add(layer: Layer) -> str:
        return _add(_Part(part.graph, layer, params, f"{part.place}{i}.{layer.name}/", path), x)

    y: str = placing(part.layer.name, i, part.layer.children[i], add)
    return y


def _chain(part: _Part, x: str) -> str:
    for i, params in enumerate(part.params):
        x = _add_child(part, i, params, f"{part.path}[{i}]", x)
    return x


def _residual(part: _Part, x: str) -> str:
    return part.node("Add", x, _add_child(part, 0, part.params, part.path, x))


def _parallel(part: _Part, x: str) -> str:
    ys = [
        _add_child(part, i, params, f"{part.path}[{i}]", x) for i, params in enumerate(part.params)
    ]
    if part.layer.settings.get("merge") == "add":
        return reduce(partial(part.node, "Add"), ys)
    return part.node("Concat", *ys, axis=1)


def _conv2d(part: _Part, x: str) -> str:
    settings = whole_settings(part.layer)
    top, bottom, left, right = padding_around(part.layer)
    return part.node(
        "Conv",
        x,
        *part.parameters(),
        kernel_shape=settings["kernel"],
        strides=settings["stride"],
        pads=[top, left, bottom, right],
        dilations=settings["dilation"],
        group=settings["groups"],
    )


def _avg_pool2d(part: _Part, x: str) -> str:
    return _pool(part, "AveragePool", x, part.layer.settings["padding"], count_include_pad=1)


def _max_pool2d(part: _Part, x: str) -> str:
    """Padding that differs along the axes has a node of its own where the windows move by one
    pixel: there ONNX's reference takes (top, left, bottom, right) for (top, bottom, left, right).
    """
    padding = part.layer.settings["padding"]
    if padding[0] != padding[1] and part.layer.settings["stride"] == (1, 1):
        both = [0, 0, *padding]  # before and after, along (N, C, H, W)
        pads = part.constant(f"{part.place}pads", [*both, *both], np.int64)
        x, padding = part.node("Pad", x, pads, part.constant("-inf", -math.inf)), (0, 0)
    return _pool(part, "MaxPool", x, padding)


def _pool(part: _Part, operator: str, x: str, padding: Pair, **attributes: Any) -> str:
    settings, pads = part.layer.settings, [*padding, *padding]
    window, strides = settings["window"], settings["stride"]
    return part.node(operator, x, kernel_shape=window, strides=strides, pads=pads, **attributes)


def _global_avg_pool(part: _Part, x: str) -> str:
    return part.node("Flatten", part.node("GlobalAveragePool", x), axis=1)  # -> (N, C)


def _batch_norm(part: _Part, x: str) -> str:
    settings = whole_settings(part.layer)
    return part.node("BatchNormalization", x, *part.parameters(), **settings)


def _gelu(part: _Part, x: str) -> str:
    """One operator from opset 20 on; before, x / 2 * (1 + erf(x / sqrt(2)))."""
    if part.graph.opset >= 20:
        return part.node("Gelu", x)
    erf = part.node("Erf", part.node("Div", x, part.constant("sqrt(2)", math.sqrt(2))))
    twice = part.node("Add", erf, part.constant("1", 1))
    return part.node("Mul", part.node("Mul", x, part.constant("0.5", 0.5)), twice)


_Add: TypeAlias = Callable[[_Part, str], str]
_LAYERS: Final[Mapping[str, _Add]] = {
    "avg_pool2d": _avg_pool2d,
    "batch_norm": _batch_norm,
    "chain": _chain,
    "conv2d": _conv2d,
    "dense": lambda part, x: part.node("Gemm", x, *part.parameters()),
    "dropout": lambda part, x: x,
    "flatten": lambda part, x: part.node("Flatten", x, axis=1),
    "gelu": _gelu,
    "global_avg_pool": _global_avg_pool,
    "leaky_relu": lambda part, x: part.node("LeakyRelu", x, alpha=part.layer.settings["slope"]),
    "max_pool2d": _max_pool2d,
    "parallel": _parallel,
    "relu": lambda part, x: part.node("Relu", x),
    "residual": _residual,
    "sigmoid": lambda part, x: part.node("Sigmoid", x),
    "softmax": lambda part, x: part.node("Softmax", x, axis=-1),
    "tanh": lambda part, x: part.node("Tanh", x),
}
