"""residual and parallel: beside the table, their errors, their children, and what sees them."""

import numpy as np
import pytest

import fcnn
from fcnn import tree
from fcnn.layers.layer import call_apply
from fcnn.networks.rewriting import faster
from fcnn.networks.summary import parameter_count, summarize
from fcnn.training.not_finite import first_not_finite

RNG = np.random.default_rng(0)
X = RNG.standard_normal((6, 2, 6, 6)).astype(np.float32)
LABELS = np.arange(6) % 3


def block(features=2):
    return fcnn.chain(
        fcnn.conv2d(features, padding="same", bias=False), fcnn.batch_norm(), fcnn.relu
    )


def network():
    return fcnn.chain(
        fcnn.residual(block()),
        fcnn.parallel(fcnn.conv2d(3, 1), block(4), fcnn.chain()),
        fcnn.relu,
        fcnn.max_pool2d(2),
        fcnn.global_avg_pool,
        fcnn.dropout(0.2),
        fcnn.parallel(fcnn.dense(3), fcnn.dense(3, bias=False), merge="add"),
    )


def params_of(layer, in_shape=(2, 6, 6)):
    return layer.init(np.random.default_rng(1), in_shape)[0]


def test_parameters_are_those_of_the_layers():
    layer = fcnn.conv2d(2, padding=1)
    assert tree.equal(params_of(fcnn.residual(layer)), params_of(layer))
    both = params_of(fcnn.parallel(layer, fcnn.relu))
    assert type(both) is tuple
    assert [type(own) for own in both] == [fcnn.Conv2dParams, tuple]


def test_the_empty_chain_is_the_identity_beside_a_layer():
    layer = fcnn.conv2d(2, padding=1)
    params = params_of(layer)
    y, _ = fcnn.residual(layer).forward(params, X)
    sum_y, _ = fcnn.parallel(layer, fcnn.chain(), merge="add").forward((params, ()), X)
    assert np.array_equal(y, sum_y)
    twice, cache = fcnn.residual(fcnn.chain()).forward((), X)
    assert np.array_equal(twice, X + X)
    assert np.array_equal(fcnn.residual(fcnn.chain()).backward(cache, X)[1], X + X)


def test_a_network_of_branches_has_exact_gradients_and_one_answer_in_inference():
    model = network()
    assert fcnn.check.layer(model, (2, 6, 6), batch=3).worst < 1e-6
    params = params_of(model)
    y, _ = model.forward(params, X)
    assert np.array_equal(call_apply(model, params, X), y)
    assert np.array_equal(fcnn.predict(model, params, X), y)


def test_training_needs_a_generator_and_bits_do_not_depend_on_threads():
    model = network()
    params = params_of(model)
    x = np.concatenate([X] * 12)
    labels = np.tile(LABELS, 12)
    f = fcnn.value_and_grad(model, fcnn.softmax_cross_entropy)
    with pytest.raises(ValueError, match=r"layer 0 \(layer 0 \(layer 1 \(batch_norm\)\)\)"):
        f(params, x, labels)
    one, two = (
        fcnn.value_and_grad(model, fcnn.softmax_cross_entropy, threads=threads)(
            params, x, labels, np.random.default_rng(3)
        )
        for threads in (1, 2)
    )
    assert tree.equal(one, two)


def test_statistics_inside_of_branches_are_calibrated():
    model = network()
    params = params_of(model)
    calibrated = fcnn.calibrate(model, params, X)
    conv, norm, _ = calibrated[0]
    seen, _ = fcnn.conv2d(2, padding="same", bias=False).forward(conv, X)
    assert np.allclose(norm.mean, seen.mean((0, 2, 3)), atol=1e-6)
    assert np.allclose(norm.var, seen.var((0, 2, 3)), rtol=1e-4)
    below, _ = model.children[0].forward(calibrated[0], X)
    conv, norm, _ = calibrated[1][1]
    seen, _ = fcnn.conv2d(4, padding="same", bias=False).forward(conv, below)
    assert np.allclose(norm.mean, seen.mean((0, 2, 3)), atol=1e-6)
    unchanged = tree.map(lambda a: a, calibrated)
    assert tree.equal(fcnn.calibrate(model, calibrated, X), unchanged)


def test_layers_without_needs_have_none():
    for layer in (fcnn.residual(fcnn.relu), fcnn.parallel(fcnn.relu, fcnn.conv2d(2))):
        assert not layer.needs_rng
        assert layer.calibrate is None
    for layer in (fcnn.residual(block()), fcnn.parallel(fcnn.relu, block())):
        assert layer.needs_rng
        assert layer.calibrate is not None


def test_parameter_gradients_alone_do_not_pay_for_dx():
    def no_dx(cache, dy):
        raise AssertionError("dx was asked for")

    dense = fcnn.dense(4)
    lowest = fcnn.Layer("lowest", dense.init, dense.forward, no_dx, dense.backward_params)
    for layer in (fcnn.residual(lowest), fcnn.parallel(lowest, lowest)):
        params = params_of(layer, (4,))
        y, cache = layer.forward(params, np.ones((2, 4), np.float32))
        grads = layer.backward_params(cache, y)
        assert tree.structure(grads) == tree.structure(params)


def test_chains_inside_of_branches_are_rewritten_to_the_same_bits():
    inner = fcnn.chain(
        fcnn.conv2d(2, padding=1), fcnn.relu, fcnn.max_pool2d(3, stride=1, padding=1)
    )
    model = fcnn.chain(
        fcnn.residual(inner), fcnn.parallel(inner, fcnn.relu), fcnn.relu, fcnn.max_pool2d(2)
    )
    rewritten = "chain(conv2d(2, 3, padding=1), max_pool2d(3, stride=1, padding=1), relu)"
    assert repr(faster(model)) == (
        f"chain(residual({rewritten}), parallel({rewritten}, relu), max_pool2d(2), relu)"
    )
    added = fcnn.parallel(inner, fcnn.relu, merge="add")
    assert repr(faster(added)) == f'parallel({rewritten}, relu, merge="add")'
    params = params_of(model)
    (y, cache), (fast_y, fast_cache) = (m.forward(params, X) for m in (model, faster(model)))
    assert np.array_equal(y, fast_y)
    assert tree.equal(model.backward(cache, y), faster(model).backward(fast_cache, y))


def test_outputs_stay_batch_innermost_in_memory():
    x = np.ones((6, 2, 5, 3), np.float32).transpose(3, 1, 0, 2)  # (H, C, W, N) -> (N, C, H, W)
    for layer in (
        fcnn.residual(fcnn.relu),
        fcnn.parallel(fcnn.relu, fcnn.conv2d(3, 1)),
        fcnn.parallel(fcnn.relu, fcnn.tanh, fcnn.sigmoid, merge="add"),
    ):
        y, _ = layer.forward(params_of(layer, (2, 6, 5)), x)
        assert y.transpose(2, 1, 3, 0).flags.c_contiguous, layer  # (N, C, H, W) -> (H, C, W, N)


def test_the_summary_has_every_layer_and_where_branches_meet():
    model = fcnn.chain(
        fcnn.residual(fcnn.chain(fcnn.conv2d(4, padding="same", groups=2), fcnn.relu)),
        fcnn.parallel(fcnn.conv2d(4, 1, bias=False), fcnn.conv2d(8, 3, padding=1, groups=4)),
    )
    rows = summarize(model, (4, 6, 5))
    assert [(row.path, row.layer, row.out_shape, row.parameters) for row in rows] == [
        ("[0][0]", 'conv2d(4, 3, padding="same", groups=2)', (4, 6, 5), 4 * 2 * 9 + 4),
        ("[0][1]", "relu", (4, 6, 5), 0),
        ("[0]", "add", (4, 6, 5), 0),
        ("[1][0]", "conv2d(4, 1, bias=False)", (4, 6, 5), 4 * 4),
        ("[1][1]", "conv2d(8, 3, padding=1, groups=4)", (8, 6, 5), 8 * 1 * 9 + 8),
        ("[1]", "concatenate", (12, 6, 5), 0),
    ]
    products = [4 * 2 * 9 * 30, 0, 0, 4 * 4 * 30, 8 * 9 * 30, 0]
    assert [row.multiply_adds for row in rows] == products
    assert [row.activation_bytes for row in rows][-1] == 4 * 12 * 30
    params = params_of(model, (4, 6, 5))
    assert sum(row.parameters for row in rows) == parameter_count(params)
    paths = [path for path, _ in tree.leaves_with_path(params)]
    assert all(any(path.startswith(row.path) for row in rows) for path in paths)


@pytest.mark.parametrize("name", ["residual", "parallel", "chain"])
def test_a_combinator_of_ones_own_is_one_row_and_one_place_whatever_its_name(name):
    both = fcnn.parallel(fcnn.dense(5), fcnn.dense(5))  # not one after the other: 4 to 5 twice
    own = fcnn.Layer(name, both.init, both.forward, both.backward, children=both.children)
    model = fcnn.chain(own, fcnn.relu)
    rows = [
        (row.path, row.layer, row.out_shape, row.multiply_adds) for row in summarize(model, (4,))
    ]
    assert rows == [
        ("[0]", f"{name}(dense(5), dense(5))", (10,), None),
        ("[1]", "relu", (10,), 0),
    ]
    params = tree.map(lambda a: a * np.float32(np.nan), params_of(model, (4,)))
    loss, x = fcnn.softmax_cross_entropy, np.ones((2, 4), np.float32)
    found = first_not_finite(model, params, [(loss, x, np.array([0, 1]), None)])
    assert found == f"the parameters of layer 0, {name}(dense(5), dense(5))"


def test_a_number_that_is_not_finite_is_found_in_a_branch():
    def forward(params, x, rng=None):
        return x * np.float32(np.nan), ()

    broken = fcnn.Layer("broken", lambda rng, s: ((), s), forward, lambda cache, dy: ((), dy))
    model = fcnn.chain(fcnn.relu, fcnn.residual(broken), fcnn.flatten, fcnn.dense(3))
    loss = fcnn.softmax_cross_entropy
    found = first_not_finite(model, params_of(model), [(loss, X, LABELS, None)])
    assert found == "the output of layer 1, residual(broken)"


WRONG = [
    ("a residual of another size", lambda: params_of(fcnn.residual(fcnn.conv2d(2))), ValueError,
     "residual: x is (2, 6, 6), but conv2d makes it (2, 4, 4); a sum needs equal shapes"),
    ("a residual of images of another size",
     lambda: fcnn.residual(fcnn.avg_pool2d(1, stride=2)).forward((), X[:1, :1, :2, :2]),
     ValueError,
     "residual: x is (1, 1, 2, 2), but avg_pool2d makes it (1, 1, 1, 1); a sum needs equal shapes"),
    ("a residual of a function", lambda: fcnn.residual(fcnn.conv2d), TypeError,
     "residual: layer 0 is a function, expected a Layer"),
    ("a residual of a list", lambda: fcnn.residual(fcnn.relu).forward((), [1.0]), TypeError,
     "residual: x is a list, expected a NumPy array"),
    ("a residual of images without channels",
     lambda: fcnn.residual(fcnn.conv2d(2)).init(RNG, (6, 6)), ValueError,
     "conv2d: expects images (C, H, W), got (6, 6)\nin residual layer 0 (conv2d)"),
    ("no branch", lambda: fcnn.parallel(), ValueError,
     "parallel: there is no layer, expected at least one"),
    ("a branch that is no layer", lambda: fcnn.parallel(fcnn.relu, 3), TypeError,
     "parallel: layer 1 is an int, expected a Layer"),
    ("an unknown merge", lambda: fcnn.parallel(fcnn.relu, merge="ad"), ValueError,
     "parallel: unknown merge 'ad'; did you mean 'add'? Known: concatenate, add"),
    ("a merge that is no name", lambda: fcnn.parallel(fcnn.relu, merge=1), TypeError,
     "parallel: merge is an int, expected a str"),
    ("branches of different sizes",
     lambda: params_of(fcnn.parallel(fcnn.relu, fcnn.conv2d(3))), ValueError,
     "parallel: the outputs cannot be concatenated along the channels\n"
     "  relu: (2, 6, 6)\n  conv2d: (3, 4, 4)"),
    ("an image beside a vector",
     lambda: params_of(fcnn.parallel(fcnn.relu, fcnn.flatten)), ValueError,
     "parallel: the outputs cannot be concatenated along the channels\n"
     "  relu: (2, 6, 6)\n  flatten: (72,)"),
    ("examples without axes", lambda: fcnn.parallel(fcnn.relu, fcnn.relu).init(RNG, ()),
     ValueError, "parallel: the outputs cannot be concatenated along the channels\n"
     "  relu: ()\n  relu: ()"),
    ("a sum of different numbers of channels",
     lambda: params_of(fcnn.parallel(fcnn.relu, fcnn.conv2d(1, 1), merge="add")), ValueError,
     "parallel: the outputs cannot be added\n  relu: (2, 6, 6)\n  conv2d: (1, 6, 6)"),
    ("images on which branches differ",
     lambda: fcnn.parallel(fcnn.relu, fcnn.max_pool2d(1, stride=2)).forward(((), ()), X),
     ValueError, "parallel: the outputs cannot be concatenated along the channels\n"
     "  relu: (6, 2, 6, 6)\n  max_pool2d: (6, 2, 3, 3)"),
    ("parameters of one branch too few",
     lambda: fcnn.parallel(fcnn.relu, fcnn.relu).forward(((),), X), ValueError,
     "parallel: 2 layers need a tuple of as many parameters, got 1"),
    ("parameters that are a list",
     lambda: fcnn.parallel(fcnn.relu, fcnn.relu).forward([(), ()], X), ValueError,
     "parallel: 2 layers need a tuple of as many parameters, got a list"),
    ("an error in a branch", lambda: fcnn.parallel(fcnn.relu, fcnn.dense(3)).init(RNG, (2, 6, 6)),
     ValueError, "dense: expects vectors (D,), got (2, 6, 6); put flatten before it\n"
     "in parallel layer 1 (dense)"),
    ("a gradient with a channel too many", lambda: backward_of(X[:, [0, 1, 0, 1, 0]]), ValueError,
     "parallel_backward: dy has shape (6, 5, 6, 6), the output (6, 4, 6, 6)"),
    ("a gradient of another dtype",
     lambda: backward_of(X[:, [0, 1, 0, 1]].astype(np.float64)), TypeError,
     "relu_backward: dy is float64, the output float32\nin parallel layer 0 (relu)"),
    ("a cache of another function",
     lambda: fcnn.parallel(fcnn.relu).backward(fcnn.relu_forward(X)[1], X), TypeError,
     "parallel_backward: cache is a ReluCache, expected a CombinatorCache from "
     "parallel_forward"),
    ("a cache of another parallel",
     lambda: fcnn.parallel(fcnn.relu).backward(TWO.forward(((), ()), X)[1], X), ValueError,
     "parallel_backward: cache is that of a parallel of 2 layers, expected a parallel of 1"),
]  # fmt: skip

TWO = fcnn.parallel(fcnn.relu, fcnn.tanh)


def backward_of(dy):
    return TWO.backward(TWO.forward(((), ()), X)[1], dy)


@pytest.mark.parametrize(("call", "error", "text"), [row[1:] for row in WRONG],
                         ids=[row[0] for row in WRONG])  # fmt: skip
def test_a_wrong_call_gets_an_error_that_says_what_is_wrong(call, error, text):
    with pytest.raises((TypeError, ValueError)) as caught:
        call()
    assert type(caught.value) is error
    assert str(caught.value) == text
