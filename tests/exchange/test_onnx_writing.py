"""What save_onnx writes: ONNX's own reference reads the outputs of predict from it."""

import json
import sys

import numpy as np
import onnx
import pytest
from effort import times
from models_to_write import LAYERS, MODELS, drawn
from onnx.reference import ReferenceEvaluator
from wrong_calls import MODEL, PARAMS, each_row, refuses

import fcnn
from fcnn import tree
from fcnn.exchange import onnx_writing, save_onnx
from fcnn.networks.documents import LAYERS as LAYERS_OF_FCNN
from fcnn.networks.documents import public_name

OPSETS = [17, 18, 19, 20]
IN_SHAPE = (1, 5, 5)


def written(folder, model, params=None, in_shape=IN_SHAPE, **options):
    """What is in the file, as a message of ONNX."""
    if params is None:
        params, _ = model.init(np.random.default_rng(0), in_shape)
    save_onnx(folder / "model.onnx", model, params, in_shape, **options)
    return onnx.load(folder / "model.onnx")


def agrees(folder, case, opset):
    """Whether the file gives the outputs of predict, for one example and for several."""
    path = folder / "model.onnx"
    apart = save_onnx(path, case.model, case.params, case.in_shape, opset=opset)
    evaluator = ReferenceEvaluator(str(path))
    for n in (1, 3):
        expected = fcnn.predict(case.model, case.params, case.x(n))
        (found,) = evaluator.run(None, {"x": case.x(n)})
        assert found.shape == expected.shape
        assert found.dtype == np.float32
        largest = max(1, np.abs(expected).max())
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5 * largest)
    return 0 <= apart <= 1e-4


@pytest.mark.parametrize("opset", [17, 20])
@pytest.mark.parametrize("case", LAYERS, ids=str)
def test_each_layer_is_read_back(tmp_path, case, opset):
    assert agrees(tmp_path, case, opset)


@pytest.mark.parametrize("case", MODELS, ids=str)
def test_each_model_is_read_back(tmp_path, case):
    assert agrees(tmp_path, case, opset=17)


@pytest.mark.heavy
@pytest.mark.parametrize("opset", OPSETS)
def test_drawn_networks_are_read_back(tmp_path, opset):
    for seed in range(times(50)):
        assert agrees(tmp_path, drawn(50 * opset + seed), opset)


NESTED = fcnn.chain(
    fcnn.conv2d(4, (2, 3), padding="same", dilation=(3, 1), groups=2, bias=False),
    fcnn.batch_norm(epsilon=0.25),
    fcnn.residual(fcnn.chain(fcnn.dropout(0.5), fcnn.conv2d(4, 1), fcnn.leaky_relu(0.5))),
    fcnn.parallel(fcnn.relu, fcnn.chain(), fcnn.tanh, merge="add"),
    fcnn.parallel(fcnn.avg_pool2d(2, padding=1), fcnn.max_pool2d(2, padding=1)),
    fcnn.global_avg_pool,
    fcnn.dense(3, bias=False),
    fcnn.dense(2),
    fcnn.softmax,
)


def shown(node):
    """A node as one line: `y = Gemm(x, [0].w) axis=1`."""
    attributes = [f"{a.name}={onnx.helper.get_attribute_value(a)}" for a in node.attribute]
    return " ".join([f"{node.output[0]} = {node.op_type}({', '.join(node.input)})", *attributes])


def test_nodes_and_parameters_are_called_by_their_places(tmp_path):
    proto = written(tmp_path, NESTED, in_shape=(2, 6, 7))
    assert [shown(node) for node in proto.graph.node] == [
        "0.conv2d/Conv = Conv(x, [0].w) "
        "dilations=[3, 1] group=2 kernel_shape=[2, 3] pads=[1, 1, 2, 1] strides=[1, 1]",
        "1.batch_norm/BatchNormalization = BatchNormalization"
        "(0.conv2d/Conv, [1].scale, [1].shift, [1].mean, [1].var) epsilon=0.25",
        "2.residual/0.chain/1.conv2d/Conv = Conv"
        "(1.batch_norm/BatchNormalization, [2][1].w, [2][1].b) "
        "dilations=[1, 1] group=1 kernel_shape=[1, 1] pads=[0, 0, 0, 0] strides=[1, 1]",
        "2.residual/0.chain/2.leaky_relu/LeakyRelu = LeakyRelu"
        "(2.residual/0.chain/1.conv2d/Conv) alpha=0.5",
        "2.residual/Add = Add"
        "(1.batch_norm/BatchNormalization, 2.residual/0.chain/2.leaky_relu/LeakyRelu)",
        "3.parallel/0.relu/Relu = Relu(2.residual/Add)",
        "3.parallel/2.tanh/Tanh = Tanh(2.residual/Add)",
        "3.parallel/Add = Add(3.parallel/0.relu/Relu, 2.residual/Add)",
        "3.parallel/Add_2 = Add(3.parallel/Add, 3.parallel/2.tanh/Tanh)",
        "4.parallel/0.avg_pool2d/AveragePool = AveragePool(3.parallel/Add_2) "
        "count_include_pad=1 kernel_shape=[2, 2] pads=[1, 1, 1, 1] strides=[2, 2]",
        "4.parallel/1.max_pool2d/MaxPool = MaxPool(3.parallel/Add_2) "
        "kernel_shape=[2, 2] pads=[1, 1, 1, 1] strides=[2, 2]",
        "4.parallel/Concat = Concat"
        "(4.parallel/0.avg_pool2d/AveragePool, 4.parallel/1.max_pool2d/MaxPool) axis=1",
        "5.global_avg_pool/GlobalAveragePool = GlobalAveragePool(4.parallel/Concat)",
        "5.global_avg_pool/Flatten = Flatten(5.global_avg_pool/GlobalAveragePool) axis=1",
        "6.dense/Gemm = Gemm(5.global_avg_pool/Flatten, [6].w)",
        "7.dense/Gemm = Gemm(6.dense/Gemm, [7].w, [7].b)",
        "y = Softmax(7.dense/Gemm) axis=-1",
    ]


def test_initializers_are_the_parameters(tmp_path):
    params, _ = NESTED.init(np.random.default_rng(0), (2, 6, 7))
    proto = written(tmp_path, NESTED, params, (2, 6, 7))
    found = {i.name: onnx.numpy_helper.to_array(i) for i in proto.graph.initializer}
    expected = dict(tree.leaves_with_path(params))
    assert found.keys() == expected.keys()
    assert all(np.array_equal(found[path], leaf) for path, leaf in expected.items())


@pytest.mark.parametrize("seed", range(10))
def test_no_name_is_given_twice_and_no_initializer_is_unused(tmp_path, seed):
    case = drawn(seed)
    graph = written(tmp_path, case.model, case.params, case.in_shape).graph
    values = [name for node in graph.node for name in node.output]
    names, initializers = [node.name for node in graph.node], [i.name for i in graph.initializer]
    assert len({"x", *values, *initializers}) == 1 + len(values) + len(initializers)
    assert len({*names}) == len(names)
    assert {*initializers} <= {name for node in graph.node for name in node.input}


@pytest.mark.parametrize(
    "model",
    [
        fcnn.chain(),
        fcnn.dropout(0.5),
        fcnn.chain(fcnn.chain(), fcnn.dropout(0.5)),
        fcnn.parallel(fcnn.chain(), merge="add"),
    ],
    ids=str,
)
def test_what_gives_back_its_input_is_an_identity(tmp_path, model):
    proto = written(tmp_path, model)
    assert [shown(node) for node in proto.graph.node] == ["y = Identity(x)"]


def test_an_input_may_be_used_twice(tmp_path):
    model = fcnn.residual(fcnn.chain())
    assert [shown(node) for node in written(tmp_path, model).graph.node] == ["y = Add(x, x)"]


@pytest.mark.parametrize(("opset", "ir"), [(17, 8), (18, 8), (19, 9), (20, 9)])
def test_the_format_is_the_oldest_that_has_the_opset(tmp_path, opset, ir):
    proto = written(tmp_path, MODEL, opset=opset)
    assert proto.ir_version == ir
    assert [(o.domain, o.version) for o in proto.opset_import] == [("", opset)]


def test_by_default_it_is_opset_17(tmp_path):
    assert written(tmp_path, MODEL).opset_import[0].version == 17


@pytest.mark.parametrize("opset", OPSETS)
def test_gelu_is_an_operator_from_opset_20_on(tmp_path, opset):
    proto = written(tmp_path, fcnn.chain(fcnn.gelu, fcnn.gelu), opset=opset)
    operators = [node.op_type for node in proto.graph.node]
    assert operators == 2 * (["Gelu"] if opset == 20 else ["Div", "Erf", "Add", "Mul", "Mul"])


def test_every_layer_of_fcnn_is_written():
    assert onnx_writing._LAYERS.keys() == LAYERS_OF_FCNN.keys()
    assert {name for case in LAYERS if (name := public_name(case.model))} == LAYERS_OF_FCNN.keys()


@pytest.mark.parametrize(
    ("padding", "stride", "operators"),
    [((1, 0), 1, ["Pad", "MaxPool"]), ((1, 1), 1, ["MaxPool"]), ((1, 0), 2, ["MaxPool"])],
)
def test_padding_is_a_node_where_the_reference_mistakes_it(tmp_path, padding, stride, operators):
    proto = written(tmp_path, fcnn.max_pool2d(2, stride=stride, padding=padding))
    assert [node.op_type for node in proto.graph.node] == operators


def test_gelu_of_the_greatest_numbers_is_finite(tmp_path):
    x = np.array([[3e38, -3e38]], np.float32)
    proto = written(tmp_path, fcnn.gelu, in_shape=(2,))
    assert np.array_equal(ReferenceEvaluator(proto).run(None, {"x": x})[0], [[x[0, 0], 0]])


def test_the_batch_axis_is_free_and_the_others_are_not(tmp_path):
    graph = written(tmp_path, NESTED, in_shape=(2, 6, 7)).graph
    (x,), (y,) = graph.input, graph.output
    sizes = [[d.dim_param or d.dim_value for d in v.type.tensor_type.shape.dim] for v in (x, y)]
    assert (x.name, y.name) == ("x", "y")
    assert sizes == [["N", 2, 6, 7], ["N", 2]]
    assert {v.type.tensor_type.elem_type for v in (x, y)} == {onnx.TensorProto.FLOAT}


def test_a_file_says_what_it_holds_and_who_wrote_it(tmp_path):
    proto = written(tmp_path, MODEL, labels=["eins", "zwei", "drei", "größer"], preparation="mnist")
    assert (proto.producer_name, proto.producer_version) == ("fcnn", fcnn.__version__)
    assert proto.doc_string == "chain(flatten, dense(4))"
    metadata = {prop.key: prop.value for prop in proto.metadata_props}
    assert json.loads(metadata.pop("labels")) == ["eins", "zwei", "drei", "größer"]
    assert metadata == {"preparation": "mnist"}
    assert not written(tmp_path, MODEL).metadata_props


# What is refused

DOUBLE = tree.map(lambda a: a.astype(np.float64), PARAMS)


def save(params=PARAMS, **options):
    return lambda: save_onnx("model.onnx", MODEL, params, IN_SHAPE, **options)


# What is wrong, the call, the exception, its text.
WRONG = [
    ("an older opset", save(opset=16), ValueError, "save_onnx: opset is 16, expected 17 to 20"),
    ("a newer opset", save(opset=21), ValueError, "save_onnx: opset is 21, expected 17 to 20"),
    ("a text as opset", save(opset="17"), TypeError, "save_onnx: opset is '17', expected an int"),
    ("float64", save(params=DOUBLE), TypeError,
     "save_onnx: the parameter at [1].w is float64, but the file holds float32; cast the "
     "parameters: fcnn.tree.map(lambda a: a.astype(np.float32), params)"),
]  # fmt: skip


@each_row(WRONG)
def test_wrong_calls_write_nothing(elsewhere, call, error, text):
    refuses(call, error, text)
    assert not [*elsewhere.iterdir()]


def test_what_would_be_read_back_otherwise_is_not_written(tmp_path, monkeypatch):
    path, model = tmp_path / "model.onnx", fcnn.chain(fcnn.relu)
    path.write_bytes(b"before")
    add = onnx_writing._LAYERS["tanh"]
    monkeypatch.setitem(onnx_writing._LAYERS, "relu", add)
    with pytest.raises(ValueError, match=r"^save_onnx: nothing is written: .* apart from those"):
        save_onnx(path, model, ((),), (3,))
    assert [(p.name, p.read_bytes()) for p in tmp_path.iterdir()] == [("model.onnx", b"before")]


def test_without_onnx_it_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(ImportError, match=r"^save_onnx needs onnx .*pip install 'fcnn\[onnx\]'$"):
        save_onnx(tmp_path / "model.onnx", MODEL, PARAMS, IN_SHAPE)
    assert not [*tmp_path.iterdir()]
