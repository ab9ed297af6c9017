"""Laws of every layer, of linear ones, and of activations, tried on drawn calls.

Sums of products are of small whole numbers, so that most laws hold to the last bit.
"""

import numpy as np
import pytest
import strategies as some
from hypothesis import assume, given
from hypothesis import strategies as st
from strategies import FLOAT64, calls, copies, finite, inner, near

import fcnn
from fcnn import tree
from fcnn.layers.layer import parameter_gradients

LINEAR = ["conv2d", "conv2d, unusual", "dense"]
HOMOGENEOUS = ["max_pool2d", "relu", "flatten"]  # f(c x) = c f(x) for c > 0
EVERY = list(some.CASES)

each = pytest.mark.parametrize


# Every layer


@each("name", EVERY)
@given(st.data())
def test_agrees_with_the_loops(name, data):
    call = data.draw(calls(name))
    y, dparams, dx = call.run()
    expected_y, expected_dparams, expected_dx = call.oracle(call.params, call.x, call.dy)
    expected = (expected_y, expected_dparams, expected_dx)
    assert call.agree((y, tree.leaves(dparams), dx), expected)


@each("name", EVERY)
@given(st.data())
def test_gives_the_shapes_and_dtypes_of_what_it_is_given(name, data):
    call = data.draw(calls(name, params=some.real, x=some.real, dy=some.real))
    y, dparams, dx = call.run()
    _, out_shape = call.layer.init(np.random.default_rng(0), call.x.shape[1:])
    assert y.shape == (len(call.x), *out_shape)
    assert y.dtype == call.x.dtype
    given = (call.params, call.x)
    assert tree.equal(tree.map(np.zeros_like, (dparams, dx)), tree.map(np.zeros_like, given))


@each("name", EVERY)
@given(st.data())
def test_writes_to_nothing_and_a_cache_serves_twice_with_the_same_bits(name, data):
    call = data.draw(calls(name, params=some.real, x=some.real, dy=some.real))
    arguments = (call.params, call.x, call.dy)
    given_ones = copies(arguments)
    y, cache = call.forward()
    kept = copies((y, cache))
    first = call.layer.backward(cache, call.dy)
    kept_first = copies(first)
    second = call.layer.backward(cache, call.dy)
    call.layer.backward(cache, call.another(y))
    call.forward(call.another(call.x))
    assert tree.equal(arguments, given_ones)
    assert tree.equal((y, cache), kept)
    assert tree.equal(first, kept_first)
    assert tree.equal(second, kept_first)


@each("name", [name for name in EVERY if name != "flatten"])
@given(st.data())
def test_results_stay_when_arguments_change_later(name, data):
    call = data.draw(calls(name, writeable=True))
    if name == "max_pool2d":
        assume(call.layer.settings["window"] != (1, 1))  # may give a view, as flatten does
    results = call.run()
    kept = copies(results)
    for array in tree.leaves((call.params, call.x, call.dy)):
        array[...] = np.nan
    assert tree.equal(results, kept)


@each("name", EVERY)
@given(st.data())
def test_its_shorter_ways_give_the_same_bits(name, data):
    call = data.draw(calls(name, params=some.real, x=some.real, dy=some.real))
    y, cache = call.forward()
    dparams, _ = call.layer.backward(cache, call.dy)
    assert tree.equal(call.apply(), y)
    assert tree.equal(parameter_gradients(call.layer, cache, call.dy), dparams)


@each("name", EVERY)
@given(st.data(), st.integers(-3, 3))
def test_backward_is_linear_in_dy(name, data, factor):
    call = data.draw(calls(name))
    _, cache = call.forward()
    other = call.another(call.dy)
    one, two, both = (
        call.layer.backward(cache, dy) for dy in (call.dy, other, factor * call.dy + other)
    )
    assert call.agree(both, tree.map(lambda a, b: factor * a + b, one, two))


@each("name", EVERY)
@given(st.data())
def test_gradients_are_derivatives(name, data):
    case, seed = data.draw(some.CASES[name]), data.draw(some.SEEDS)
    assert fcnn.check.layer(case.layer, case.in_shape, batch=case.batch, seed=seed).worst < 1e-6


@each("name", EVERY)
@given(st.data())
def test_a_batch_is_its_examples_one_by_one(name, data):
    call = data.draw(calls(name))
    y, dparams, dx = call.run()
    total = tree.map(np.zeros_like, dparams)
    for n in range(len(call.x)):
        own_y, cache = call.forward(call.x[n : n + 1])
        own_dparams, own_dx = call.layer.backward(cache, call.dy[n : n + 1])
        assert call.agree((own_y, own_dx), (y[n : n + 1], dx[n : n + 1]))
        total = tree.map(np.add, total, own_dparams)
    assert call.agree(total, dparams)


@each("name", EVERY)
@given(st.data())
def test_one_example_seen_many_times_without_a_copy_is_an_example(name, data):
    call = data.draw(calls(name))
    repeated = [np.broadcast_to(a[:1], (3, *a.shape[1:])) for a in (call.x, call.dy)]
    results = []
    for x, dy in (repeated, map(np.array, repeated)):
        y, cache = call.forward(x)
        results.append((y, *call.layer.backward(cache, dy)))
    assert call.agree(*results)


@each("great", ["params", "x", "dy"])
@each("name", EVERY)
@given(st.data())
def test_stays_finite_and_silent_for_zeros_and_the_least_and_greatest_numbers(name, great, data):
    if (name, great) == ("chain", "params"):
        great = "dy"  # of two layers' parameters the product would overflow
    numbers = {"params": some.small, "x": some.small, "dy": some.small, great: some.huge}
    assert finite(data.draw(calls(name, **numbers)).run())


# Layers that are linear, or homogeneous


@each("name", LINEAR)
@given(st.data())
def test_dx_is_the_adjoint_of_y_in_x(name, data):
    call = data.draw(calls(name))
    y, _, dx = call.run()
    assert inner(y - call.y(np.zeros_like(call.x)), call.dy) == inner(call.x, dx)


@each("name", LINEAR)
@given(st.data())
def test_dparams_are_the_adjoint_of_y_in_the_parameters(name, data):
    call = data.draw(calls(name))
    y, dparams, _ = call.run()
    assert inner(y, call.dy) == inner(call.params, dparams)


@each("name", LINEAR)
@given(st.data())
def test_adjoints_hold_to_rounding_in_double_precision(name, data):
    real = {"params": some.real, "x": some.real, "dy": some.real}
    call = data.draw(calls(name, **real, dtypes=FLOAT64))
    y, dparams, dx = call.run()
    limit = 1e-13 * inner(abs(y), abs(call.dy)) + 1e-12
    assert abs(inner(y, call.dy) - inner(call.params, dparams)) < limit
    assert abs(inner(y - call.y(np.zeros_like(call.x)), call.dy) - inner(call.x, dx)) < limit


@each("name", LINEAR)
@given(st.data())
def test_is_additive_in_x_and_in_the_parameters(name, data):
    call = data.draw(calls(name))
    y, nothing = call.y(), tree.map(np.zeros_like, call.params)
    x, params = call.another(call.x), tree.map(call.another, call.params)
    bias_twice = call.y(np.zeros_like(x))
    assert tree.equal(call.y(call.x + x) + bias_twice, y + call.y(x))
    both = tree.map(np.add, call.params, params)
    assert tree.equal(call.y(params=both), y + call.y(params=params))
    assert not call.y(params=nothing).any()


@each("name", HOMOGENEOUS)
@given(st.data(), st.integers(1, 5))
def test_y_is_homogeneous_and_euler_s_theorem_holds(name, data, factor):
    call = data.draw(calls(name))
    y, _, dx = call.run()
    assert tree.equal(call.y(factor * call.x), factor * y)
    assert inner(call.x, dx) == inner(y, call.dy)


# Relu, softmax, flatten


@given(calls("relu"))
def test_relu_is_idempotent_and_splits_x_in_two(call):
    y, _, dx = call.run()
    assert tree.equal(call.y(y), y)
    assert tree.equal(y - call.y(-call.x), call.x)
    assert tree.equal(dx, np.where(call.x > 0, call.dy, 0))


@given(calls("softmax", x=some.real), st.integers(-50, 50))
def test_softmax_sums_to_one_and_sees_differences_alone(call, constant):
    p = call.y()
    assert (p > 0).all()
    assert near(p.sum(-1), np.ones_like(p[..., 0]))
    assert near(call.y(call.x + constant), p, ulps=256 + 16 * abs(constant))


@given(calls("softmax", x=some.real), st.randoms())
def test_softmax_keeps_order_and_knows_no_classes(call, random):
    classes = random.sample(range(call.x.shape[1]), call.x.shape[1])
    p = call.y()
    assert near(call.y(call.x[:, classes]), p[:, classes])
    assert (np.diff(np.take_along_axis(p, call.x.argsort(-1), -1), axis=-1) >= 0).all()


@given(calls("softmax"))
def test_the_jacobian_of_softmax_is_symmetric_and_its_rows_sum_to_zero(call):
    _, cache = call.forward()
    u, v = call.dy, call.another(call.dy)
    one, two = (call.layer.backward(cache, dy)[1] for dy in (u, v))
    assert near((one * v).sum(-1), (two * u).sum(-1))
    assert near(one.sum(-1), np.zeros_like(one[..., 0]))


@given(some.others("softmax"), some.DTYPES, some.SEEDS)
def test_softmax_of_more_axes_is_softmax_of_rows(case, dtype, seed):
    rng = np.random.default_rng(seed)
    x, dy = some.real(rng, (2, case.batch, *case.in_shape), dtype)
    rows = (-1, x.shape[-1])
    y, cache = fcnn.softmax_forward(x)
    expected, rows_cache = fcnn.softmax_forward(x.reshape(rows))
    assert near(y.reshape(rows), expected)
    dx = fcnn.softmax_backward(cache, dy).reshape(rows)
    assert near(dx, fcnn.softmax_backward(rows_cache, dy.reshape(rows)))


@each("name", ["relu", "max_pool2d", "flatten"])
@given(st.data())
def test_any_finite_numbers_pass(name, data):
    call = data.draw(calls(name, x=some.greatest))
    assert np.isin(call.y(), [0, *call.x.ravel()]).all()
    assert finite(call.run())


@given(st.data())
def test_softmax_of_any_finite_numbers_is_a_distribution(data):
    call = data.draw(calls("softmax", x=some.greatest))
    p, _, dx = call.run()
    assert near(p.sum(-1), np.ones_like(p[..., 0]))
    assert finite(dx)


@given(st.data())
def test_any_finite_gradient_passes_softmax(data):
    call = data.draw(calls("softmax", x=some.whole, dy=some.greatest))
    _, cache = call.forward()
    scale = np.finfo(call.x.dtype).max
    expected = call.layer.backward(cache, call.dy / scale)[1]
    assert near(call.layer.backward(cache, call.dy)[1] / scale, expected)


@given(calls("flatten"))
def test_flatten_orders_as_reshape_and_its_gradient_takes_it_back(call):
    y, cache = call.forward()
    assert tree.equal(y, call.x.reshape(len(call.x), -1))
    assert tree.equal(call.layer.backward(cache, y)[1], call.x)
