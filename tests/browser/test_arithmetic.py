"""The arithmetic of a page beside fcnn in float64: outputs, all gradients, and explanations."""

import base64
import json
from pathlib import Path

import numpy as np
import pytest
from layer_cases import CASES, Case

import fcnn
from fcnn import tree
from fcnn.exchange.page import page_document
from fcnn.exchange.saved_model import SavedModel
from fcnn.networks.documents import LAYERS
from fcnn.proof.layer_cases import TIES
from fcnn.proof.proofs import spread
from fcnn.runs.model_by_name import MODELS

WHAT_IT_GIVES = Path(__file__).with_name("what_a_network_gives.js").read_text("utf-8")
ALL = [*CASES, *(Case(case) for ties in TIES.values() for case in spread(ties(), 40))]
NESTED = fcnn.chain(
    fcnn.conv2d(4, (3, 2), padding="same", dilation=(1, 2)),
    fcnn.residual(
        fcnn.chain(
            fcnn.residual(fcnn.batch_norm(epsilon=0.1)),
            fcnn.parallel(fcnn.gelu, fcnn.chain(fcnn.tanh, fcnn.conv2d(4, 1)), merge="add"),
        )
    ),
    fcnn.chain(),
    fcnn.parallel(
        fcnn.chain(), fcnn.conv2d(2, 3, padding=1), fcnn.max_pool2d(3, stride=1, padding=1)
    ),
    fcnn.global_avg_pool,
    fcnn.dense(5),
)  # fmt: skip


@pytest.fixture(scope="module")
def given(browser):
    """A function: what the page's arithmetic gives for an image of a network, and a label."""
    page = browser.new_page()
    parts = Path(fcnn.exchange.__file__).with_name("page_parts")
    for script in ("arithmetic.js", "explanations.js"):
        page.add_script_tag(path=parts / script)

    def given(model, params, x, label):
        found = page_document(SavedModel(model, params, x.shape))
        arguments = {"model": found, "x": x.ravel().tolist(), "label": label}
        return json.loads(page.evaluate(WHAT_IT_GIVES, arguments), object_hook=array_or_dict)

    yield given
    page.close()


def array_or_dict(found):
    if found.keys() != {"float32"}:
        return found
    return np.frombuffer(base64.b64decode(found["float32"]), np.float32)


def expected(model, params, x, label):
    """Logits, loss, dx and dparams in float64."""
    params, x = tree.map(lambda p: p.astype(np.float64), params), x.astype(np.float64)[None]
    logits, cache = model.forward(params, x)
    loss, loss_cache = fcnn.softmax_cross_entropy_forward(logits, np.array([label]))
    dparams, dx = model.backward(cache, fcnn.softmax_cross_entropy_backward(loss_cache))
    return logits, loss, dx, dparams


def layers_of(model, params, x, label):
    """What each layer of a flat chain gives in float64, and the gradient that arrives at it."""
    params, y = tree.map(lambda p: p.astype(np.float64), params), x.astype(np.float64)[None]
    ys, caches, dys = [], [], []
    for layer, own in zip(model.children, params, strict=True):
        y, cache = layer.forward(own, y)
        ys.append(y[0])
        caches.append(cache)
    _, cache = fcnn.softmax_cross_entropy_forward(y, np.array([label]))
    dy = fcnn.softmax_cross_entropy_backward(cache)
    for layer, cache in zip(reversed(model.children), reversed(caches), strict=True):
        dys.insert(0, dy[0])
        _, dy = layer.backward(cache, dy)
    return ys, dys


def check_same(found, values):
    """To 1e-4, relative to the largest."""
    np.testing.assert_allclose(
        np.ravel(found), np.ravel(values), rtol=0, atol=1e-4 * max(np.abs(values).max(), 1e-3)
    )


def check(given, model, params, x, label):
    params = tree.map(lambda p: p.astype(np.float32), params)
    x = x.astype(np.float32)
    found = given(model, params, x, label)
    logits, loss, dx, dparams = expected(model, params, x, label)
    check_same(found["logits"], logits)
    check_same(found["loss"], loss)
    check_same(found["dx"], dx)
    grads = dict(tree.leaves_with_path(dparams))
    assert [*found["params"]] == [*grads]
    for path, grad in grads.items():
        check_same(found["params"][path], grad)
    assert found["explained"] < 1e-4
    return found


def random_params(model, in_shape):
    """Parameters unlike the initial ones: no bias and no mean is zero."""
    rng = np.random.default_rng(0)
    initial, _ = model.init(rng, in_shape)
    return tree.map(lambda p: p + 0.1 * np.abs(rng.standard_normal(p.shape)), initial)


def ending_in_logits(layer, shape):
    """A network of a layer whose output has this shape, without the batch."""
    return fcnn.chain(layer, *([] if len(shape) == 1 else [fcnn.flatten]), fcnn.dense(4))


@pytest.mark.parametrize("case", ALL, ids=str)
def test_a_layer_gives_its_outputs_and_gradients(case, given):
    layer, (own, x, dy) = case.case.layer(), case.case.arguments()
    model = ending_in_logits(layer, dy.shape[1:])
    params = (own, *random_params(model, case.in_shape)[1:])
    check(given, model, params, x[0], label=2)


def test_every_layer_of_fcnn_is_among_them():
    assert {case.case.operation for case in CASES} == LAYERS.keys()


@pytest.mark.parametrize("name", MODELS)
def test_a_model_gives_its_outputs_and_gradients_layer_by_layer(name, given):
    model, side = getattr(fcnn.models, name)(), 14 if name == "lines_cnn" else 28
    params = random_params(model, (1, side, side))
    x = np.random.default_rng(1).random((1, side, side)).astype(np.float32)
    found = check(given, model, params, x, label=1)
    float32 = tree.map(lambda p: p.astype(np.float32), params)
    for key, values in zip(("layers", "gradients"), layers_of(model, float32, x, 1), strict=True):
        assert [layer["name"] for layer in found[key]] == [*map(repr, model.children)]
        assert [layer["shape"] for layer in found[key]] == [[*y.shape] for y in values]
        for layer, y in zip(found[key], values, strict=True):
            check_same(layer["values"], y)


def test_layers_of_layers_come_in_the_order_of_computation_and_say_what_they_get(given):
    x = np.random.default_rng(1).standard_normal((2, 5, 6))
    found = check(given, NESTED, random_params(NESTED, x.shape), x, label=4)
    places = [(layer["place"], layer["kind"], layer["from"]) for layer in found["layers"]]
    assert places == [
        ("0", "conv2d", ["x"]),
        ("1.0.0.0", "batch_norm", ["0"]),
        ("1.0.0", "residual", ["0", "1.0.0.0"]),
        ("1.0.1.0", "gelu", ["1.0.0"]),
        ("1.0.1.1.0", "tanh", ["1.0.0"]),
        ("1.0.1.1.1", "conv2d", ["1.0.1.1.0"]),
        ("1.0.1", "parallel", ["1.0.1.0", "1.0.1.1.1"]),
        ("1", "residual", ["0", "1.0.1"]),
        ("3.1", "conv2d", ["1"]),
        ("3.2", "max_pool2d", ["1"]),
        ("3", "parallel", ["1", "3.1", "3.2"]),
        ("4", "global_avg_pool", ["3"]),
        ("5", "dense", ["4"]),
    ]
    names = {layer["place"]: layer["name"] for layer in found["layers"]}
    assert names["1.0.1"] == 'parallel(merge="add")'
    assert names["3.2"] == "max_pool2d(3, stride=1, padding=1)"


def test_a_layer_alone_is_a_network(given):
    params = random_params(fcnn.dense(3), (2,))
    found = check(given, fcnn.dense(3), params, np.array([1.0, -2.0]), label=0)
    assert [*found["params"]] == [".w", ".b"]


def test_great_logits_do_not_overflow(given):
    params = fcnn.DenseParams(w=np.array([[1000.0, -1000.0]]), b=np.zeros(2))
    found = check(given, fcnn.dense(2), params, np.ones(1), label=1)
    assert found["loss"] == 2000
