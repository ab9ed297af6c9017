"""Reading ONNX: the network that a graph computes, as layers of fcnn.

What a file announces is not trusted: nothing of it is executed, sizes are compared with the bytes
that are there, no other file is opened. What is read is the graph's function, or a ValueError says
which node is none of fcnn's.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from typing import Any, Final

import attrs
import numpy as np

from fcnn.arguments.settings import as_path
from fcnn.data.dataset import class_names
from fcnn.exchange.onnx_nodes import OF_CONSTANTS, OPERATORS
from fcnn.exchange.onnx_reference import operators
from fcnn.exchange.onnx_values import ANY_BATCH, FEW, FLOAT, MOST, Known, Node, value_of
from fcnn.exchange.reading_back import MOST_APART, how_far_apart, needed
from fcnn.exchange.saved_model import PREPARATIONS, SavedModel, check_names
from fcnn.exchange.series_parallel import Value, network_of
from fcnn.files.reading import read_regular
from fcnn.numerics.arrays import Array, Shape
from fcnn.training.inference import predict

_OLDEST: Final = 9  # opset
_EXAMPLES: Final = 3
_DOMAINS: Final = ("", "ai.onnx")
# By ONNX's numbers, the dtypes of constants, and where they may be; what others are called.
_DTYPES: Final[Mapping[int, tuple[np.dtype[Any], str]]] = {
    1: (np.dtype(np.float32), "float_data"),
    6: (np.dtype(np.int32), "int32_data"),
    7: (np.dtype(np.int64), "int64_data"),
    9: (np.dtype(np.bool_), "int32_data"),
    11: (np.dtype(np.float64), "double_data"),
}
_KINDS: Final = {10: "float16", 11: "float64", 16: "bfloat16"}
# What a node that is a constant may hold.
_CONSTANTS: Final[Mapping[str, Any]] = {
    "value": None,  # a tensor
    "value_float": np.float32,
    "value_floats": np.float32,
    "value_int": np.int64,
    "value_ints": np.int64,
}
# Why operators are refused that may be expected, by how their names begin.
_WHY: Final = {
    "If": "fcnn's networks have no control flow",
    "Loop": "fcnn's networks have no control flow",
    "Scan": "fcnn's networks have no control flow",
    "Quantize": "export the network before it is quantized",
    "Dequantize": "export the network before it is quantized",
    "DynamicQuantize": "export the network before it is quantized",
    "QLinear": "export the network before it is quantized",
    "Pow": "GELU is exact in fcnn: export it as such, in PyTorch nn.GELU(approximate='none')",
}


def load_onnx(path: str | os.PathLike[str]) -> SavedModel:
    """Read a network from an ONNX file: one of `save_onnx`, or of PyTorch's exporters.

    The graph has one input and one output, float32, and sizes that are fixed but for the number
    of examples. Its nodes must be, alone or several together, layers of fcnn in inference:
    dropout is gone, padding is a number or "same", what is added to what it was computed from is
    a `residual`, branches are a `parallel`. Labels and preparation are those that `save_onnx`
    wrote. The outputs of the network are compared with those of ONNX's reference, on random
    examples, to 1e-4 of the largest.

    Raises ImportError without the extra `onnx`, OSError if there is no file, and ValueError for
    one that is no ONNX, or whose graph is not a network of fcnn's layers: it names the node, and
    says why.

    Examples
    --------
    >>> import fcnn, numpy as np
    >>> model = fcnn.models.linear()
    >>> params, _ = model.init(np.random.default_rng(0), (1, 28, 28))
    >>> path = getfixture("tmp_path") / "linear.onnx"
    >>> apart = fcnn.exchange.save_onnx(path, model, params, (1, 28, 28))
    >>> saved = fcnn.exchange.load_onnx(path)
    >>> saved.model.children
    (flatten, dense(10))
    >>> fcnn.tree.equal(saved.params, params)
    True
    """
    onnx = needed("load_onnx", "onnx", "onnx")
    needed("load_onnx", "onnx.reference", "onnx")
    source = as_path("load_onnx", "path", path)
    content = read_regular(source)
    try:
        return _saved_model(onnx, content)
    except RecursionError as error:
        raise ValueError(f"load_onnx: {source}: the network is nested too deeply") from error
    except ValueError as error:
        raise ValueError(f"load_onnx: {source}: {error}") from error


def _saved_model(onnx: Any, content: bytes) -> SavedModel:
    proto = _parsed(onnx, content)
    opset = _opset(proto)
    batch, in_shape = _input(proto.graph)
    graph = _needed_part(onnx, proto.graph)
    y = _Graph(onnx, opset, batch, in_shape).output(graph)
    saved = SavedModel(*network_of(y), in_shape, *_metadata(proto, y.shape))
    x = _examples(_EXAMPLES if batch == ANY_BATCH else batch, in_shape)
    expected = _run(onnx, graph, opset, {graph.input[0].name: x}, new_ops=operators(onnx))
    _check_same_outputs(saved, x, expected)
    return saved


def _parsed(onnx: Any, content: bytes) -> Any:
    """A file as ONNX's message, with nothing in it that fcnn has no use for."""
    try:
        proto = onnx.ModelProto.FromString(content)
    except Exception as error:  # protobuf has errors of its own, which depend on its version
        raise ValueError("it is no ONNX, or it is damaged") from error
    if not proto.graph.node or not proto.opset_import:
        raise ValueError("it is no ONNX, or it holds no graph")
    if proto.functions:
        raise ValueError("it defines functions of its own; export the network with them inlined")
    if proto.graph.sparse_initializer:
        raise ValueError("it holds sparse weights")
    opset = _opset(proto)
    if not _OLDEST <= opset <= onnx.defs.onnx_opset_version():
        raise ValueError(
            f"its opset is {opset}, expected {_OLDEST} to {onnx.defs.onnx_opset_version()}"
        )
    return proto


def _opset(proto: Any) -> int:
    versions: list[int] = [o.version for o in proto.opset_import if o.domain in _DOMAINS]
    return max(versions, default=0)


def _input(graph: Any) -> tuple[int, Shape]:
    """How many examples the input of a graph has, and their shape."""
    inputs = _inputs(graph)
    for what, values in (("inputs", inputs), ("outputs", graph.output)):
        if len(values) != 1:
            names = ", ".join(value.name for value in values)
            raise ValueError(f"it has {len(values)} {what} ({names}), expected one")
    kind = inputs[0].type.tensor_type
    if kind.elem_type != FLOAT:
        dtype = _KINDS.get(kind.elem_type, "not float32")
        raise ValueError(
            f"its input {inputs[0].name} is {dtype}; export the network in float32, in PyTorch "
            "model.float()"
        )
    sizes = [dim.dim_value or dim.dim_param or "?" for dim in kind.shape.dim]
    what = f"its input {inputs[0].name} is ({', '.join(map(str, sizes))})"
    if len(sizes) < 2:
        raise ValueError(f"{what}, expected (N, ...)")
    batch, *in_shape = [size if isinstance(size, int) else ANY_BATCH for size in sizes]
    if ANY_BATCH in in_shape or min(batch, *in_shape) < 1:
        raise ValueError(
            f"{what}, where all but the first must be numbers: export the network for images of "
            "one size"
        )
    if math.prod(in_shape) * (1 if batch == ANY_BATCH else batch) > MOST:
        raise ValueError(f"{what}, more than can be checked")
    return batch, tuple(in_shape)


def _needed_part(onnx: Any, graph: Any) -> Any:
    """The graph with what its output is computed from, and nothing else."""
    makers = {name: i for i, node in enumerate(graph.node) for name in node.output if name}
    names: set[str] = set()
    asked = [graph.output[0].name]
    while asked:
        name = asked.pop()
        if name not in names:
            names.add(name)
            asked += graph.node[makers[name]].input if name in makers else ()
    indices = sorted({makers[name] for name in names if name in makers})
    constants = [tensor for tensor in graph.initializer if tensor.name in names]
    nodes = [graph.node[i] for i in indices]
    return onnx.helper.make_graph(nodes, "network", _inputs(graph), graph.output, constants)


def _inputs(graph: Any) -> list[Any]:
    """Those that have no value: in older formats constants are inputs too."""
    constants = {tensor.name for tensor in graph.initializer}
    return [value for value in graph.input if value.name not in constants]


# Nodes, one after the other


@attrs.frozen
class _Graph:
    """What is known of a graph whose nodes are read."""

    onnx: Any
    opset: int
    batch: int
    in_shape: Shape
    kernels: dict[int, str] = attrs.field(factory=dict)  # see `Node`

    def output(self, graph: Any) -> Value:
        """What the graph computes."""
        known: dict[str, Known] = {t.name: _array(t) for t in graph.initializer}
        (x,), (y,) = graph.input, graph.output
        known[x.name] = Value(f"the input {x.name}", self.in_shape)
        for node in graph.node:
            name = node.name or node.output[0]
            try:
                known[node.output[0]] = self.result(node, name, known)
            except (TypeError, ValueError, OverflowError) as error:
                raise ValueError(f"{node.op_type} ({name}): {error}") from error
        if y.name not in known:
            raise ValueError(f"its output {y.name} is not the first of a node's")
        try:
            return value_of(known[y.name])
        except ValueError as error:
            raise ValueError(f"its output {y.name}: {error}") from error

    def result(self, node: Any, name: str, known: Mapping[str, Known]) -> Known:
        """What a node computes, from what is known before it."""
        operator = node.op_type
        if node.domain not in _DOMAINS:
            raise ValueError(f"it is of the domain {node.domain}, not of ONNX's own operators")
        attributes = self.attributes(node)
        if operator == "Constant":
            return _constant(attributes)
        for given in node.input:
            if given and given not in known:
                raise ValueError(f"its input {given} is not the first output of a node before it")
        given = [known[given] if given else None for given in node.input]
        arrays = [array for array in given if isinstance(array, np.ndarray)]
        if operator in OF_CONSTANTS and len(arrays) == sum(map(bool, node.input)):
            return self.computed(node, arrays)
        if operator not in OPERATORS:
            why = (why for start, why in _WHY.items() if operator.startswith(start))
            raise ValueError(next(why, "it is no layer of fcnn, nor part of one"))
        own = Node(operator, name, attributes, self.opset, self.batch, self.kernels)
        return OPERATORS[operator](own, *given)

    def attributes(self, node: Any) -> dict[str, Any]:
        """The attributes of a node, all of which are among its operator's."""
        defs, operator = self.onnx.defs, node.op_type
        known = {}
        if defs.has(operator, self.opset, ""):
            known = defs.get_schema(operator, self.opset, "").attributes
        for attribute in node.attribute:
            if operator in OPERATORS and attribute.name not in known:
                raise ValueError(f"{attribute.name} is no attribute of it in opset {self.opset}")
        return {a.name: self.onnx.helper.get_attribute_value(a) for a in node.attribute}

    def computed(self, node: Any, arrays: list[Array]) -> Array:
        """A constant that is computed from others, a shape or a number."""
        if sum(array.size for array in arrays) > FEW:
            raise ValueError(f"it computes constants of more than {FEW:,} numbers")
        helper, tensor = self.onnx.helper, self.onnx.ValueInfoProto
        inputs, outputs = (
            [tensor(name=name) for name in side] for side in (node.input, node.output)
        )
        graph = helper.make_graph([node], "constant", inputs, outputs)
        names = [name for name in node.input if name]
        found = _run(self.onnx, graph, self.opset, dict(zip(names, arrays, strict=True)))
        if found.size > FEW:
            raise ValueError(f"it computes a constant of more than {FEW:,} numbers")
        return found


def _constant(attributes: Mapping[str, Any]) -> Array:
    """The constant of a node that is one."""
    (kind, value), *others = attributes.items()
    if others or kind not in _CONSTANTS:
        raise ValueError(f"it is a constant of the kind {kind}")
    dtype = _CONSTANTS[kind]
    return _array(value) if dtype is None else np.array(value, dtype)


def _array(tensor: Any) -> Array:
    """The numbers of a tensor, which must be as many as it announces."""
    what = f"the constant {tensor.name}" if tensor.name else "its constant"
    if tensor.data_location or tensor.external_data:
        raise ValueError(
            f"{what} is in another file; save the network in one, in PyTorch external_data=False"
        )
    if tensor.data_type not in _DTYPES:
        kind = _KINDS.get(tensor.data_type, f"of the kind {tensor.data_type}")
        raise ValueError(f"{what} is {kind}; export the network in float32")
    dtype, field = _DTYPES[tensor.data_type]
    shape, content = tuple(tensor.dims), tensor.raw_data
    if content:
        numbers = np.frombuffer(content, np.uint8)
        if len(numbers) == math.prod(shape) * dtype.itemsize:
            numbers = numbers.view(dtype.newbyteorder("<")).astype(dtype, copy=False)
    else:
        numbers = np.array(getattr(tensor, field), dtype)
    if min(shape, default=1) < 0 or len(numbers) != math.prod(shape):
        raise ValueError(f"{what} is not as long as its shape {shape} announces")
    return numbers.reshape(shape)


# What is known beside the network, and whether it is right


def _metadata(proto: Any, out_shape: Shape) -> tuple[tuple[str, ...] | None, str | None]:
    """Labels and preparation, where they are as `save_onnx` writes them."""
    texts = {prop.key: prop.value for prop in proto.metadata_props}
    preparation = texts.get("preparation")
    try:
        labels = class_names(json.loads(texts.get("labels", "")))
        check_names("load_onnx", labels, out_shape)
    except (TypeError, ValueError, RecursionError):
        labels = None
    return labels, preparation if preparation in PREPARATIONS else None


def _examples(number: int, in_shape: Shape) -> Array:
    return np.random.default_rng(0).standard_normal((number, *in_shape)).astype(np.float32)


def _run(onnx: Any, graph: Any, opset: int, inputs: Mapping[str, Array], **more: Any) -> Array:
    """The output of a graph in ONNX's reference; ValueError, if it cannot run it."""
    try:
        evaluator = onnx.reference.ReferenceEvaluator(graph, opsets={"": opset}, **more)
        with np.errstate(all="ignore"):
            return np.asarray(evaluator.run(None, inputs)[0])
    except Exception as error:  # of NumPy, or its own
        raise ValueError(f"ONNX's reference cannot run it: {error}") from error


def _check_same_outputs(saved: SavedModel, x: Array, expected: Array) -> None:
    """ValueError unless the network gives what ONNX's reference makes of the graph."""
    with np.errstate(all="ignore"):
        apart = how_far_apart(predict(saved.model, saved.params, x), expected)
    if not apart <= MOST_APART:
        raise ValueError(
            f"as layers of fcnn, its outputs are {apart:.1e} apart from those of ONNX's reference, "
            "relative to the largest"
        )
