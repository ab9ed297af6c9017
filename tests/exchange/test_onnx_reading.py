"""What load_onnx reads: every spelling of a layer, graphs of layers, and nothing else."""

import json
import sys
from typing import Any

import attrs
import numpy as np
import onnx
import pytest
from drawn_networks import drawn_network
from effort import times
from models_to_write import LAYERS, MODELS
from onnx import TensorProto, helper, numpy_helper
from onnx.parser import parse_node
from onnx.reference import ReferenceEvaluator
from wrong_calls import refuses

import fcnn
from fcnn import tree
from fcnn.exchange import load_onnx, save_onnx
from fcnn.exchange.onnx_nodes import OPERATORS

IMAGES = (4, 6, 7)
VECTORS = (5,)
KERNEL = {"w": (3, 4, 3, 3), "b": (3,)}
DENSE = {"w": (5, 3), "b": (3,)}
NORM = {"scale": (4,), "shift": (4,), "mean": (4,), "var": (4,)}


def constant(name, number):
    return f"{name} = Constant<value_float: float = {number}>()"


GELU = [constant("r", 2**0.5), constant("h", 0.5), constant("o", 1), "d = Div(x, r)", "e = Erf(d)"]


def weights(shapes):
    """Constants by their names: arrays as they are, others drawn, of these shapes."""
    rng = np.random.default_rng(0)
    return {
        name: shape
        if isinstance(shape, np.ndarray)
        else rng.uniform(0.1, 1, shape).astype(np.float32)
        for name, shape in shapes.items()
    }


def graph(nodes, constants, in_shape, batch="N", opset=17, kind=TensorProto.FLOAT):
    """A model of nodes, written as ONNX's parser has them; x goes in, y comes out."""
    x = helper.make_tensor_value_info("x", kind, (batch, *in_shape))
    y = helper.make_tensor_value_info("y", kind, None)
    arrays = [numpy_helper.from_array(a, name) for name, a in weights(constants).items()]
    parsed = [parse_node(node) for node in nodes]
    return helper.make_model(
        helper.make_graph(parsed, "network", [x], [y], arrays),
        opset_imports=[helper.make_opsetid("", opset)],
    )


@pytest.fixture
def load(tmp_path):
    """What load_onnx makes of a message, or of the bytes of a file."""

    def loaded(model):
        path = tmp_path / "model.onnx"
        path.write_bytes(model if isinstance(model, bytes) else model.SerializeToString())
        return load_onnx(path)

    return loaded


@pytest.fixture
def refused(load, tmp_path):
    """Whether load_onnx refuses a message or a file, and with these words."""

    def is_refused(model, text):
        refuses(lambda: load(model), ValueError, f"load_onnx: {tmp_path / 'model.onnx'}: {text}")

    return is_refused


def agrees(saved, model, n=3):
    """Whether a network gives what ONNX's reference makes of a model."""
    x = np.random.default_rng(1).standard_normal((n, *saved.in_shape)).astype(np.float32)
    (expected,) = ReferenceEvaluator(model).run(None, {"x": x})
    found = fcnn.predict(saved.model, saved.params, x)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5 * max(1, np.abs(expected).max()))
    return True


@attrs.frozen
class Case:
    """Nodes, what they are in a network or why they are refused, and the graph that they are in."""

    expected: str
    nodes: tuple[str, ...]
    in_shape: tuple[Any, ...]
    opset: int
    constants: dict[str, Any]

    def __str__(self):
        return f"{self.nodes[-1]}: {self.expected}"[:80]

    def model(self):
        return graph(self.nodes, self.constants, self.in_shape, opset=self.opset)


def case(expected, *nodes, in_shape=IMAGES, opset=17, **constants):
    return Case(expected, nodes, in_shape, opset, constants)


# How a network prints, and the nodes that it is read from.
SPELLINGS = [
    case("conv2d(3, 3, bias=False)", "y = Conv(x, w)", **KERNEL),
    case("conv2d(3, 3)", "y = Conv(x, w, b)", **KERNEL),
    case(
        "conv2d(6, (2, 3), stride=(2, 1), padding=(2, 1), dilation=(1, 2), groups=2, bias=False)",
        "y = Conv<pads=[2,1,2,1], strides=[2,1], dilations=[1,2], group=2>(x, w)",
        w=(6, 2, 2, 3),
    ),
    case(
        'conv2d(3, (2, 4), padding="same")',
        "y = Conv<pads=[0,1,1,2]>(x, w, b)",
        w=(3, 4, 2, 4),
        b=(3,),
    ),
    case("conv2d(3, 3)", 'y = Conv<auto_pad="VALID">(x, w, b)', **KERNEL),
    case(
        'conv2d(3, (2, 4), padding="same", bias=False)',
        'y = Conv<auto_pad="SAME_UPPER">(x, w)',
        w=(3, 4, 2, 4),
    ),
    case('conv2d(3, 3, padding="same")', 'y = Conv<auto_pad="SAME_LOWER">(x, w, b)', **KERNEL),
    case(
        "conv2d(3, 3, stride=(1, 2), padding=1)",
        'y = Conv<auto_pad="SAME_UPPER", strides=[1,2]>(x, w, b)',
        **KERNEL,
    ),
    case(
        'conv2d(3, (2, 3), padding="same")',
        "p = Pad(x, pads)",
        "y = Conv<pads=[0,1,0,1]>(p, w, b)",
        w=(3, 4, 2, 3),
        b=(3,),
        pads=np.array([0, 0, 0, 0, 0, 0, 1, 0]),
    ),
    case("conv2d(3, 3)", "c = Conv(x, w)", "y = Add(c, b)", w=(3, 4, 3, 3), b=(1, 3, 1, 1)),
    case(
        "conv2d(3, 3)",
        "s = Shape<start=0, end=1>(w)",
        "b = Expand(zero, s)",
        "y = Conv(x, w, b)",
        w=(3, 4, 3, 3),
        zero=np.zeros((), np.float32),
    ),
    case("dense(3)", "y = Gemm(x, w, b)", in_shape=VECTORS, **DENSE),
    case("dense(3, bias=False)", "y = Gemm(x, w)", in_shape=VECTORS, **DENSE),
    case("dense(3)", "y = Gemm<transB=1>(x, w, b)", in_shape=VECTORS, w=(3, 5), b=(1, 3)),
    case("dense(3)", "y = Gemm<alpha=0.5, beta=3.0>(x, w, b)", in_shape=VECTORS, w=(5, 3), b=()),
    case("dense(3, bias=False)", "y = MatMul(x, w)", in_shape=VECTORS, **DENSE),
    case("dense(3)", "m = MatMul(x, w)", "y = Add(b, m)", in_shape=VECTORS, **DENSE),
    case(
        "dense(3)",
        "t = Transpose<perm=[1,0]>(w)",
        "m = MatMul(x, t)",
        "y = Add(m, b)",
        in_shape=VECTORS,
        w=(3, 5),
        b=(3,),
    ),
    case(
        "batch_norm(epsilon=0.001)",
        "y = BatchNormalization<epsilon=0.001>(x, scale, shift, mean, var)",
        **NORM,
    ),
    case(
        "batch_norm",
        "i = Identity(scale)",
        "y = BatchNormalization(x, scale, shift, shift, i)",
        in_shape=(4,),
        **NORM,
    ),
    case("relu", "y = Relu(x)"),
    case("leaky_relu(0.2)", "y = LeakyRelu<alpha=0.2>(x)"),
    case("leaky_relu(0.01)", "y = LeakyRelu(x)"),
    case("sigmoid", "y = Sigmoid(x)", in_shape=VECTORS),
    case("tanh", "y = Tanh(x)", in_shape=VECTORS),
    case("softmax", "y = Softmax(x)", in_shape=VECTORS),
    case("softmax", "y = Softmax<axis=1>(x)", in_shape=VECTORS),
    case("softmax", "y = Softmax(x)", in_shape=VECTORS, opset=11),
    case("softmax", "y = Softmax<axis=3>(x)"),
    case("gelu", "y = Gelu(x)", opset=20),
    case("gelu", *GELU, "s = Add(e, o)", "m = Mul(x, s)", "y = Mul(m, h)"),
    case("gelu", *GELU, "s = Add(o, e)", "m = Mul(x, h)", "y = Mul(m, s)"),
    case("gelu", *GELU, "s = Add(o, e)", "m = Mul(h, s)", "y = Mul(m, x)"),
    case("gelu", *GELU, "m = Mul(e, h)", "s = Add(m, h)", "y = Mul(s, x)"),
    case(
        "gelu",
        constant("r", 0.5**0.5),
        constant("h", 2),
        constant("o", 1),
        "d = Mul(r, x)",
        "e = Erf(d)",
        "s = Add(e, o)",
        "m = Mul(x, s)",
        "y = Div(m, h)",
        in_shape=VECTORS,
    ),
    case(
        "max_pool2d((2, 3), stride=(2, 1), padding=1)",
        "y = MaxPool<kernel_shape=[2,3], strides=[2,1], pads=[1,1,1,1]>(x)",
    ),
    case(
        "max_pool2d(3, stride=1, padding=(0, 1))",
        "p = Pad(x, pads, low)",
        "y = MaxPool<kernel_shape=[3,3]>(p)",
        pads=np.array([0, 0, 0, 1, 0, 0, 0, 1]),
        low=np.array(-np.inf, np.float32),
    ),
    case("avg_pool2d(2)", "y = AveragePool<kernel_shape=[2,2], strides=[2,2]>(x)"),
    case(
        "avg_pool2d((3, 2), stride=1, padding=(1, 0))",
        "y = AveragePool<kernel_shape=[3,2], pads=[1,0,1,0], count_include_pad=1>(x)",
    ),
    case(
        "avg_pool2d(3, padding=1)",
        "p = Pad(x, pads, zero)",
        "y = AveragePool<kernel_shape=[3,3], strides=[3,3]>(p)",
        pads=np.array([0, 0, 1, 1, 0, 0, 1, 1]),
        zero=np.zeros((), np.float32),
    ),
    case(
        "avg_pool2d(2, stride=1, padding=1)",
        "p = Pad<pads=[0,0,1,1,0,0,1,1]>(x)",
        "y = AveragePool<kernel_shape=[2,2]>(p)",
        opset=10,
    ),
    case(
        "avg_pool2d(2, stride=1, padding=(0, 1))",
        "p = Pad(x, pads, , axes)",
        "y = AveragePool<kernel_shape=[2,2]>(p)",
        opset=18,
        pads=np.array([1, 1]),
        axes=np.array([-1]),
    ),
    case("global_avg_pool", "m = GlobalAveragePool(x)", "y = Flatten(m)"),
    case(
        "global_avg_pool", "m = GlobalAveragePool(x)", "y = Squeeze(m, axes)", axes=np.array([3, 2])
    ),
    case("global_avg_pool", "y = ReduceMean<axes=[-1,-2], keepdims=0>(x)"),
    case(
        "global_avg_pool",
        "m = ReduceMean<keepdims=1>(x, axes)",
        "y = Reshape(m, shape)",
        opset=18,
        axes=np.array([2, 3]),
        shape=np.array([-1, 4]),
    ),
    case("avg_pool2d((6, 7))", "y = GlobalAveragePool(x)"),
    case(
        "global_avg_pool",
        "m = GlobalAveragePool(x)",
        "s = Squeeze(m, axes)",
        "y = Squeeze(s, axes)",
        axes=np.array([-1]),
    ),
    case("flatten", "y = Flatten(x)"),
    case("flatten", "y = Flatten<axis=-3>(x)"),
    *(
        case(layer, "y = Reshape(x, s)", s=np.array(shape))
        for shape, layer in (
            ([0, -1], "flatten"),
            ([-1, 168], "flatten"),
            ([0, 168], "flatten"),
            ([0, 4, 6, 7], ""),
            ([-1, 4, 6, 7], ""),
        )
    ),
    case(
        "flatten",
        "s = Shape(x)",
        "i = Constant<value_ints=[0]>()",
        "j = Constant<value_ints=[1]>()",
        "n = Slice(s, i, j)",
        "m = Constant<value_ints=[-1]>()",
        "t = Concat<axis=0>(n, m)",
        "y = Reshape(x, t)",
    ),
    case(
        "flatten",
        "s = Shape(x)",
        *(f"k{i} = Constant<value_int={i}>()" for i in range(4)),
        *(f"g{i} = Gather<axis=0>(s, k{i})" for i in range(4)),
        "p = Mul(g1, g2)",
        "q = Mul(p, g3)",
        "z = Constant<value_ints=[0]>()",
        "a = Unsqueeze(g0, z)",
        "b = Unsqueeze(q, z)",
        "t = Concat<axis=0>(a, b)",
        "y = Reshape(x, t)",
    ),
    case(
        "",
        "i = Identity(x)",
        "d, mask = Dropout(i)",
        "c = Cast<to=1>(d)",
        "z = Constant<value_float: float = 0.0>()",
        "a = Add(c, z)",
        "o = Constant<value_float: float = 1.0>()",
        "y = Mul(a, o)",
    ),
]


@pytest.mark.parametrize("case", SPELLINGS, ids=str)
def test_every_spelling_of_a_layer_is_read(load, case):
    model = case.model()
    saved = load(model)
    assert repr(saved.model) == (f"chain({case.expected})" if case.expected else "chain")
    assert saved.in_shape == case.in_shape
    assert (saved.labels, saved.preparation) == (None, None)
    assert agrees(saved, model)


def test_nodes_that_the_output_does_not_need_are_none_of_it(load):
    model = graph(["n = NonZero(x)", "y = Relu(x)", "z = Foo(y)"], {"w": (1,)}, VECTORS)
    model.graph.initializer[0].data_type = TensorProto.STRING
    assert repr(load(model).model) == "chain(relu)"


def test_parameters_are_contiguous_and_read_only(load):
    saved = load(graph(["y = Gemm<transB=1>(x, w, b)"], {"w": (3, 5), "b": (3,)}, VECTORS))
    for leaf in tree.leaves(saved.params):
        assert leaf.flags.c_contiguous
        assert not leaf.flags.writeable
        assert leaf.dtype == np.float32
    assert saved.params[0].w.shape == (5, 3)


@pytest.mark.parametrize("batch", [1, 2, None])
def test_the_batch_is_free_or_of_any_size(load, batch):
    shape = np.array([batch or -1, 168])
    model = graph(["f = Reshape(x, s)", "y = Relu(f)"], {"s": shape}, IMAGES, batch=batch)
    saved = load(model)
    assert repr(saved.model) == "chain(flatten, relu)"
    assert agrees(saved, model, batch or 4)


# Graphs: which values are computed from which, and how the network prints.
D = {"w": (5, 5), "v": (5, 5), "u": (5, 5), "k": (5, 3)}
GRAPHS = [
    (["f = MatMul(x, w)", "y = Add(x, f)"], "residual(dense(5, bias=False))"),
    (["f = MatMul(x, w)", "y = Add(f, x)"], "residual(dense(5, bias=False))"),
    (
        ["f = MatMul(x, w)", "g = Tanh(f)", "a = Add(x, g)", "y = Relu(a)"],
        "residual(chain(dense(5, bias=False), tanh)), relu",
    ),
    (
        ["t = Tanh(x)", "f = MatMul(t, w)", "g = Add(t, f)", "y = Add(x, g)"],
        "residual(chain(tanh, residual(dense(5, bias=False))))",
    ),
    (["f = Tanh(x)", "g = Relu(x)", "y = Add(f, g)"], 'parallel(tanh, relu, merge="add")'),
    (
        ["f = Tanh(x)", "g = Relu(x)", "h = Sigmoid(x)", "a = Add(f, g)", "y = Add(a, h)"],
        'parallel(tanh, relu, sigmoid, merge="add")',
    ),
    (
        ["f = Tanh(x)", "g = Relu(x)", "y = Sum(f, g, x)"],
        'parallel(tanh, relu, chain, merge="add")',
    ),
    (
        ["f = Tanh(x)", "a = Add(x, f)", "g = Relu(x)", "y = Add(a, g)"],
        'parallel(residual(tanh), relu, merge="add")',
    ),
    (
        ["f = Tanh(x)", "g = Relu(x)", "a = Add(f, g)", "y = Add(x, a)"],
        'residual(parallel(tanh, relu, merge="add"))',
    ),
    (["y = Add(x, x)"], "residual(chain)"),
    (["f = Tanh(x)", "y = Add(f, f)"], "tanh, residual(chain)"),
    (
        ["f = Tanh(x)", "g = MatMul(x, k)", "y = Concat<axis=1>(f, g)"],
        "parallel(tanh, dense(3, bias=False))",
    ),
    (
        ["f = Tanh(x)", "c = Concat<axis=-1>(x, f)", "y = Relu(c)"],
        "parallel(chain, tanh), relu",
    ),
    (
        [
            "s = Sigmoid(x)",
            "f = Tanh(s)",
            "g = Relu(s)",
            "c = Concat<axis=1>(f, g, s)",
            "h = MatMul(x, w)",
            "y = Concat<axis=1>(c, h)",
        ],
        "parallel(chain(sigmoid, parallel(tanh, relu, chain)), dense(5, bias=False))",
    ),
    (
        ["f = Tanh(x)", "i = Identity(x)", "d = Dropout(f)", "y = Add(i, d)"],
        "residual(tanh)",
    ),
    (
        [
            *("z = Constant<value_ints=[0]>()", "f = Tanh(x)", "g = Relu(x)"),
            *("a = Unsqueeze(f, z)", "b = Unsqueeze(g, z)", "s = Concat<axis=0>(a, b)"),
            "y = ReduceSum<keepdims=0>(s, z)",
        ],
        'parallel(tanh, relu, merge="add")',
    ),
    (["y = Concat<axis=1>(x)"], ""),
]


@pytest.mark.parametrize(("nodes", "layers"), GRAPHS, ids=[row[1] for row in GRAPHS])
def test_graphs_become_residuals_and_branches(load, nodes, layers):
    model = graph(nodes, D, VECTORS)
    saved = load(model)
    assert repr(saved.model) == (f"chain({layers})" if layers else "chain")
    assert agrees(saved, model)


# Round trips


@pytest.mark.parametrize("opset", [17, 20])
@pytest.mark.parametrize("case", LAYERS, ids=str)
def test_each_layer_comes_back_from_save_onnx(tmp_path, case, opset):
    comes_back(tmp_path, case.model, case.params, case.in_shape, opset)


def comes_back(folder, model, params, in_shape, opset):
    path = folder / "model.onnx"
    save_onnx(path, model, params, in_shape, opset=opset)
    saved = load_onnx(path)
    x = np.random.default_rng(0).standard_normal((4, *in_shape)).astype(np.float32)
    expected = fcnn.predict(model, params, x)
    found = fcnn.predict(saved.model, saved.params, x)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6 * max(1, np.abs(expected).max()))
    assert saved.in_shape == in_shape
    return saved


@pytest.mark.parametrize("case", MODELS, ids=str)
def test_models_come_back_as_they_were(tmp_path, case):
    saved = comes_back(tmp_path, case.model, case.params, case.in_shape, 17)
    kept = [layer for layer in case.model.children if layer.name != "dropout"]
    assert repr(saved.model) == repr(fcnn.chain(*kept))
    assert tree.equal(
        saved.params,
        tuple(
            params
            for layer, params in zip(case.model.children, case.params, strict=True)
            if layer.name != "dropout"
        ),
    )


@pytest.mark.heavy
@pytest.mark.parametrize("opset", [17, 18, 19, 20])
def test_drawn_networks_come_back(tmp_path, opset):
    for seed in range(times(50)):
        comes_back(tmp_path, *drawn_network(50 * opset + seed), opset)


def test_labels_and_preparation_come_back(tmp_path):
    model = fcnn.chain(fcnn.flatten, fcnn.dense(2))
    params, _ = model.init(np.random.default_rng(0), (1, 2, 2))
    path = tmp_path / "model.onnx"
    names = {"labels": ["cat", "dog"], "preparation": "mnist"}
    save_onnx(path, model, params, (1, 2, 2), **names)
    saved = load_onnx(path)
    assert (saved.labels, saved.preparation) == (("cat", "dog"), "mnist")


@pytest.mark.parametrize("labels", ["cat, dog", "[", '["a", "a"]', "[1, 2]", "3", "[" * 10**5])
def test_labels_of_others_are_none(load, labels):
    model = graph(["y = Relu(x)"], {}, VECTORS)
    helper.set_model_props(model, {"labels": labels, "preparation": "squared"})
    saved = load(model)
    assert (saved.labels, saved.preparation) == (None, None)


def test_labels_of_more_classes_than_outputs_are_none(load):
    model = graph(["y = Relu(x)"], {}, VECTORS)
    helper.set_model_props(model, {"labels": json.dumps([*"abcdef"])})
    assert load(model).labels is None


# Refusals


def tensor(name, kind, dims, content=b"", **options):
    """A constant as a file holds it, right or wrong."""
    return TensorProto(name=name, data_type=kind, dims=dims, raw_data=content, **options)


# Why nodes are refused, and these.
CONV = "Conv (y): "
NOT_GELU = (
    "but not as in GELU, x / 2 * (1 + erf(x / sqrt(2))), in PyTorch nn.GELU(approximate='none')"
)
OPSETS = f"expected 9 to {onnx.defs.onnx_opset_version()}"
ONLY_FLATTEN = "the only layer that does such a thing is flatten"
REFUSED = [
    case(
        "Mish (y): it is no layer of fcnn, nor part of one",
        "y = Mish(x)",
        in_shape=VECTORS,
        opset=18,
    ),
    case(
        "ConvTranspose (y): it is no layer of fcnn, nor part of one",
        "y = ConvTranspose(x, w)",
        **KERNEL,
    ),
    case(
        "QuantizeLinear (q): export the network before it is quantized",
        "q = QuantizeLinear(x, s)",
        "y = DequantizeLinear(q, s)",
        in_shape=VECTORS,
        s=(),
    ),
    case(
        "Relu (y): it is of the domain foo, not of ONNX's own operators",
        "y = foo.Relu(x)",
        in_shape=VECTORS,
    ),
    case(
        "Gelu (y): it is approximated by tanh, gelu is exact; export it as such, in PyTorch "
        "nn.GELU(approximate='none')",
        'y = Gelu<approximate="tanh">(x)',
        in_shape=VECTORS,
        opset=20,
    ),
    case(
        "Pow (y): GELU is exact in fcnn: export it as such, in PyTorch nn.GELU(approximate='none')",
        "t = Constant<value_float: float = 3.0>()",
        "y = Pow(x, t)",
        in_shape=VECTORS,
    ),
    case(
        "Tanh (y): what the input x gives is multiplied by a constant or put into erf before it, "
        + NOT_GELU,
        "h = Constant<value_float: float = 0.5>()",
        "m = Mul(x, h)",
        "y = Tanh(m)",
        in_shape=VECTORS,
    ),
    case(
        "its output y: what the input x gives is multiplied by a constant or put into erf before "
        "it, " + NOT_GELU,
        *GELU,
        "s = Add(e, h)",
        "m = Mul(x, s)",
        "y = Mul(m, h)",
        in_shape=VECTORS,
    ),
    case(
        "Mul (m): it multiplies what layers give by one another, " + NOT_GELU,
        "m = Mul(x, x)",
        "y = Tanh(m)",
        in_shape=VECTORS,
    ),
    case(
        "Mul (y): it multiplies by a constant for each channel or number",
        "y = Mul(x, w)",
        in_shape=VECTORS,
        w=(5,),
    ),
    case(
        "Add (y): it adds a constant, but not after a conv2d or dense without bias",
        "y = Add(x, w)",
        in_shape=VECTORS,
        w=(5,),
    ),
    case(
        "Add (y): it adds (4, 6, 7), (4, 1, 1), not of one shape",
        "g = AveragePool<kernel_shape=[6,7]>(x)",
        "y = Add(x, g)",
    ),
    case(
        "MaxPool (y): ceil_mode is 1, but pools leave out what fills no whole window",
        "y = MaxPool<kernel_shape=[2,2], ceil_mode=1>(x)",
    ),
    case(
        "MaxPool (y): the pixels of its windows are apart, those of fcnn's pools are not",
        "y = MaxPool<kernel_shape=[2,2], dilations=[1,2]>(x)",
    ),
    case(
        "MaxPool (y): its padding is (1, 1) on one side, but (0, 0) on the other",
        "y = MaxPool<kernel_shape=[2,2], pads=[1,1,0,0]>(x)",
    ),
    case(
        "MaxPool (y): max_pool2d: padding (2, 2) exceeds half of the window (2, 2), rounded down",
        "y = MaxPool<kernel_shape=[2,2], pads=[2,2,2,2]>(x)",
    ),
    case(
        "MaxPool (y): auto_pad is 'SAME_UPPER', expected pads",
        'y = MaxPool<kernel_shape=[2,2], auto_pad="SAME_UPPER">(x)',
    ),
    case("its output y is not the first of a node's", "a, y = MaxPool<kernel_shape=[2,2]>(x)"),
    case(
        "Relu (y): its input i is not the first output of a node before it",
        "a, i = MaxPool<kernel_shape=[2,2]>(x)",
        "y = Relu(i)",
    ),
    case("MaxPool (y): kernel_shape are 1 numbers, expected 2", "y = MaxPool<kernel_shape=[2]>(x)"),
    case(
        "AveragePool (y): its padding does not count in the mean, that of avg_pool2d does",
        "y = AveragePool<kernel_shape=[2,2], pads=[1,1,1,1]>(x)",
    ),
    case(
        "ReduceMean (y): it is a mean along other axes than (2, 3), those of global_avg_pool",
        "y = ReduceMean<axes=[2], keepdims=0>(x)",
    ),
    case(
        CONV + "its padding is (0, 0) above and to the left, but (1, 1) below and to the right",
        "y = Conv<pads=[0,0,1,1]>(x, w)",
        **KERNEL,
    ),
    case(
        CONV + "its padding is (1, 1) above and to the left, but (0, 0) below and to the right",
        'y = Conv<auto_pad="SAME_LOWER">(x, w)',
        w=(3, 4, 2, 2),
    ),
    case(
        CONV + "its kernel is (3, 4, 3, 3), and does not fit (N, 4, 6, 7)",
        "y = Conv<group=3>(x, w)",
        **KERNEL,
    ),
    case(
        CONV + "its kernel is float32 (3, 5, 3, 3), expected float32 (3, 4, 3, 3)",
        "y = Conv(x, w)",
        w=(3, 5, 3, 3),
    ),
    case(
        CONV + "its kernel is float64 (3, 4, 3, 3), expected float32 (3, 4, 3, 3)",
        "y = Conv(x, w)",
        w=np.ones((3, 4, 3, 3), np.float64),
    ),
    case(
        CONV + "conv2d: the kernel 7x3 exceeds the image 6x7 with padding 0x0",
        "y = Conv(x, w)",
        w=(3, 4, 7, 3),
    ),
    case(
        CONV + "its kernel is (3, 4, 3), expected (F, C/G, KH, KW)", "y = Conv(x, w)", w=(3, 4, 3)
    ),
    case(
        CONV + "an input that should be constant depends on the input of the network",
        "y = Conv(x, x)",
    ),
    case(
        CONV + "pad is no attribute of it in opset 17",
        "y = Conv<pad=[1,1,1,1]>(x, w)",
        **KERNEL,
    ),
    case(
        CONV + "strides are (0, 1), expected at least 1", "y = Conv<strides=[0,1]>(x, w)", **KERNEL
    ),
    case(CONV + "object of type 'int' has no len()", "y = Conv<strides=1>(x, w)", **KERNEL),
    case(
        "Conv (y): its weights are also those of a: layers of fcnn share none",
        "a = Conv<pads=[1,1,1,1]>(x, w)",
        "y = Conv<pads=[1,1,1,1]>(a, w)",
        w=(4, 4, 3, 3),
    ),
    case(
        "Relu (y): what it is given is no output of a layer",
        "y = Relu(w)",
        **KERNEL,
    ),
    case(
        "Gemm (y): it transposes the batch", "y = Gemm<transA=1>(x, w)", in_shape=VECTORS, **DENSE
    ),
    case(
        "MatMul (y): its input is (N, 4, 6, 7), expected vectors (N, D)",
        "y = MatMul(x, w)",
        w=(7, 3),
    ),
    case(
        "MatMul (y): its weights is float32 (4, 3), expected float32 (5, 3)",
        "y = MatMul(x, w)",
        in_shape=VECTORS,
        w=(4, 3),
    ),
    case(
        "Gemm (y): its bias is float32 (2, 3), expected float32 (3,)",
        "y = Gemm(x, w, b)",
        in_shape=VECTORS,
        w=(5, 3),
        b=(2, 3),
    ),
    case(
        "BatchNormalization (y): it is in training mode; export the network in inference mode",
        "y = BatchNormalization<training_mode=1>(x, scale, shift, mean, var)",
        **NORM,
    ),
    case(
        "Dropout (y): it is in training mode; export the network in inference mode",
        "y = Dropout(x, , t)",
        in_shape=VECTORS,
        t=np.array(True),
    ),
    case(
        "Softmax (y): it is along axis 1 of 4; softmax is along the last one",
        "y = Softmax<axis=1>(x)",
    ),
    case(
        "Softmax (y): it is along axis 1 of 4; softmax is along the last one",
        "y = Softmax(x)",
        opset=11,
    ),
    case(
        "LeakyRelu (y): leaky_relu: slope is -1.0, expected 0 to 1",
        "y = LeakyRelu<alpha=-1.0>(x)",
        in_shape=VECTORS,
    ),
    case("Flatten (y): it is along axis 2, expected 1", "y = Flatten<axis=2>(x)"),
    *(
        case(f"Reshape (y): {text}", "y = Reshape(x, s)", s=np.array(shape))
        for shape, text in (
            ([-1], "it makes (-1) of (N, 4, 6, 7); " + ONLY_FLATTEN),
            ([2, -1], "it makes (2, -1) of (N, 4, 6, 7); " + ONLY_FLATTEN),
            ([0, 6, 4, 7], "it makes (0, 6, 4, 7) of (N, 4, 6, 7); " + ONLY_FLATTEN),
            ([-1, 84], "it makes (-1, 84) of (N, 4, 6, 7); " + ONLY_FLATTEN),
        )
    ),
    case(
        "Concat (y): it is along axis 2 of (4, 6, 7), (4, 6, 7); parallel is along the channels",
        "y = Concat<axis=2>(x, x)",
    ),
    case(
        "its output y: fcnn pads images in conv2d and pools alone, with what they expect",
        "y = Pad(x, pads)",
        pads=np.array([0, 0, 1, 1, 0, 0, 1, 1]),
    ),
    case(
        "MaxPool (y): fcnn pads images in conv2d and pools alone, with what they expect",
        "p = Pad(x, pads)",
        "y = MaxPool<kernel_shape=[2,2]>(p)",
        pads=np.array([0, 0, 1, 1, 0, 0, 1, 1]),
    ),
    case(
        "Pad (p): it pads other axes than those of pixels, or cuts pixels off",
        "p = Pad(x, pads)",
        "y = Conv(p, w)",
        pads=np.array([0, 1, 0, 0, 0, 0, 0, 0]),
        w=(3, 5, 3, 3),
    ),
    case(
        "Cast (y): it casts to another dtype than float32", "y = Cast<to=10>(x)", in_shape=VECTORS
    ),
    case(
        "Tanh (f): its output goes several ways that cross, but residual and parallel are ways "
        "that part in one place and come together in another",
        "f = Tanh(x)",
        "g = Relu(f)",
        "h = Sigmoid(x)",
        "a = Add(g, h)",
        "y = Concat<axis=1>(f, a)",
        in_shape=VECTORS,
    ),
    case(
        "Expand (y): it makes a constant (1099511627776,), of more than 4,096 numbers",
        "y = Expand(w, s)",
        in_shape=VECTORS,
        w=(1,),
        s=np.array([1 << 40]),
    ),
    case(
        "Concat (c): it computes constants of more than 4,096 numbers",
        "c = Concat<axis=0>(w, w)",
        "y = MatMul(x, c)",
        in_shape=VECTORS,
        w=(5, 500),
    ),
    case(
        CONV + "it gives (3, 20000002, 20000003) for each example, more than 67,108,864 numbers",
        "y = Conv<pads=[9999999,9999999,9999999,9999999]>(x, w)",
        **KERNEL,
    ),
    case(
        "Relu (y): its input z is not the first output of a node before it",
        "y = Relu(z)",
        in_shape=VECTORS,
    ),
    case("its output y is not the first of a node's", "z = Relu(x)", in_shape=VECTORS),
    case(
        "Relu (y): its input y is not the first output of a node before it",
        "y = Relu(y)",
        in_shape=VECTORS,
    ),
    case(
        f"its opset is 8, {OPSETS}",
        "y = Relu(x)",
        in_shape=VECTORS,
        opset=8,
    ),
    case(
        f"its opset is 999, {OPSETS}",
        "y = Relu(x)",
        in_shape=VECTORS,
        opset=999,
    ),
    case(
        "its input x is (N, H, 7), where all but the first must be numbers: export the network for "
        "images of one size",
        "y = Relu(x)",
        in_shape=("H", 7),
    ),
    case(
        "Squeeze (y): it makes (N, 2, 5) of (N, 2, 1, 5); " + ONLY_FLATTEN,
        "y = Squeeze(x, axes)",
        in_shape=(2, 1, 5),
        axes=np.array([2]),
    ),
    case("its input x is (N), expected (N, ...)", "y = Relu(x)", in_shape=()),
    case(
        "its input x is (N, 1048576, 1048576), more than can be checked",
        "y = Relu(x)",
        in_shape=(1 << 20, 1 << 20),
    ),
]


@pytest.mark.parametrize("case", REFUSED, ids=str)
def test_other_nodes_are_refused_by_name(refused, case):
    refused(case.model(), case.expected)


HUGE = 1 << 40
STORED = [  # what a file says of a constant, and what is wrong with it
    (
        tensor("w", 1, [5, HUGE], b"1234"),
        f"the constant w is not as long as its shape (5, {HUGE}) announces",
    ),
    (
        tensor("w", 1, [5, -1], bytes(40)),
        "the constant w is not as long as its shape (5, -1) announces",
    ),
    (
        TensorProto(name="w", data_type=1, dims=[5, 3], float_data=[1, 2]),
        "the constant w is not as long as its shape (5, 3) announces",
    ),
    (
        tensor("w", 10, [5, 3], bytes(30)),
        "the constant w is float16; export the network in float32",
    ),
    (tensor("w", 8, [1]), "the constant w is of the kind 8; export the network in float32"),
    (
        tensor("w", 1, [5, 3], data_location=1),
        "the constant w is in another file; save the network in one, in PyTorch "
        "external_data=False",
    ),
    (
        TensorProto(
            name="w", data_type=1, dims=[5, 3], data_location=1,
            external_data=[{"key": "location", "value": "/etc/passwd"}],
        ),
        "the constant w is in another file; save the network in one, in PyTorch "
        "external_data=False",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("stored", "text"), STORED, ids=range(len(STORED)))
def test_constants_that_are_not_there_are_refused(refused, stored, text):
    model = graph(["y = MatMul(x, w)"], {}, VECTORS)
    model.graph.initializer.append(stored)
    refused(model, text)


def test_graphs_of_other_inputs_and_outputs_are_refused(refused):
    model = graph(["y = Relu(x)"], {}, VECTORS)
    value = helper.make_tensor_value_info("z", TensorProto.FLOAT, ("N", 5))
    model.graph.output.append(value)
    refused(model, "it has 2 outputs (y, z), expected one")
    model.graph.input.append(value)
    refused(model, "it has 2 inputs (x, z), expected one")


def test_a_constant_may_be_among_the_inputs(load):
    model = graph(["y = MatMul(x, w)"], DENSE, VECTORS)
    model.graph.input.append(helper.make_tensor_value_info("w", TensorProto.FLOAT, (5, 3)))
    assert repr(load(model).model) == "chain(dense(3, bias=False))"


@pytest.mark.parametrize(
    ("kind", "dtype"), [(TensorProto.DOUBLE, "float64"), (TensorProto.FLOAT16, "float16")]
)
def test_other_dtypes_are_refused_with_what_would_do(refused, kind, dtype):
    text = f"its input x is {dtype}; export the network in float32, in PyTorch model.float()"
    refused(graph(["y = Relu(x)"], {}, VECTORS, kind=kind), text)


def test_control_flow_and_functions_are_refused(refused):
    then = helper.make_graph([], "then", [], [])
    model = graph(["y = Relu(x)"], {}, VECTORS)
    node = helper.make_node("If", ["x"], ["y"], "choice", then_branch=then, else_branch=then)
    del model.graph.node[:]
    model.graph.node.append(node)
    refused(model, "If (choice): fcnn's networks have no control flow")
    model.functions.add()
    refused(model, "it defines functions of its own; export the network with them inlined")


def test_a_graph_inside_of_a_node_is_refused(refused):
    model = graph(["y = Relu(x)"], {}, VECTORS)
    inner = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "inner", [], [])
    model.graph.node[0].attribute.append(helper.make_attribute("body", inner))
    refused(model, "Relu (y): body is no attribute of it in opset 17")


def test_files_that_are_no_onnx_are_refused(refused, load, tmp_path):
    refused(b"", "it is no ONNX, or it holds no graph")
    refused(b"\xff" * 100, "it is no ONNX, or it is damaged")
    with pytest.raises(FileNotFoundError):
        load_onnx(tmp_path / "other.onnx")
    with pytest.raises(TypeError, match="load_onnx: path is None, expected a path"):
        load_onnx(None)


def test_deep_nests_are_refused(refused):
    nodes = [f"v{i} = Tanh(v{i + 1})" for i in reversed(range(2000))]
    sums = [f"s{i} = Add(v{i}, s{i - 1})" for i in range(1, 2000)]
    nodes += [*sums, "y = Relu(s1999)"]
    model = graph([n.replace("v2000", "x").replace("s0)", "v0)") for n in nodes], {}, VECTORS)
    refused(model, "the network is nested too deeply")


@pytest.mark.heavy
def test_every_damaged_file_is_refused_or_read(load, tmp_path):
    """Whichever byte is another: a ValueError that names the file, or a network."""
    nodes = [
        "c = Conv<pads=[1,1,1,1]>(x, w, b)",
        "p = MaxPool<kernel_shape=[2,2]>(c)",
        "y = Flatten(p)",
    ]
    content = graph(nodes, KERNEL, (4, 3, 3)).SerializeToString()
    rng = np.random.default_rng(0)
    read, errors = 0, []
    for _ in range(times(400)):
        damaged = bytearray(content)
        damaged[rng.integers(len(damaged))] ^= 1 << rng.integers(8)
        try:
            load(bytes(damaged))
            read += 1
        except ValueError as error:
            errors.append(str(error))
    assert read
    assert errors
    assert all(error.startswith(f"load_onnx: {tmp_path / 'model.onnx'}: ") for error in errors)


def test_outputs_that_are_not_those_of_the_reference_are_refused(refused, load, monkeypatch):
    model = graph(["y = Relu(x)"], {}, VECTORS)
    monkeypatch.setitem(OPERATORS, "Relu", OPERATORS["Tanh"])
    with pytest.raises(
        ValueError, match=r"its outputs are .* apart from those of ONNX's reference"
    ):
        load(model)


def test_outputs_that_are_not_finite_are_refused(refused):
    model = graph(["y = MatMul(x, w)"], {"w": np.full((5, 2), np.nan, np.float32)}, VECTORS)
    refused(
        model,
        "as layers of fcnn, its outputs are nan apart from those of ONNX's reference, relative to "
        "the largest",
    )


def test_without_onnx_it_says_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(ImportError, match=r"load_onnx needs onnx .*; pip install 'fcnn\[onnx\]'"):
        load_onnx(tmp_path / "model.onnx")
