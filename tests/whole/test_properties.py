"""Laws that hold for all arguments, tried on drawn ones; see conftest.py for how many.

Sums of products are of small whole numbers, so that most laws hold to the last bit.
"""

import numpy as np
import pytest
import strategies as some
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from strategies import calls, near, networks, scores

import fcnn
from fcnn import tree
from fcnn.layers.layer import parameter_gradients

FLOAT64 = st.just(np.float64)
LINEAR = ["conv2d", "conv2d, unusual", "dense"]
HOMOGENEOUS = ["max_pool2d", "relu", "flatten"]  # f(c x) = c f(x) for c > 0
WINDOWED = ["conv2d", "max_pool2d"]
EVERY = list(some.CASES)

each = pytest.mark.parametrize
few = settings(max_examples=max(5, settings.default.max_examples // 5))


def inner(a, b):
    """The inner product of two trees, in double precision."""
    products = tree.map(lambda p, q: float(np.vdot(p.astype(float), q.astype(float))), a, b)
    return sum(tree.leaves(products))


def copies(values):
    return tree.map(np.copy, values)


def finite(values):
    return all(np.isfinite(leaf).all() for leaf in tree.leaves(values))


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


# Windows: conv2d and max_pool2d


@each("name", WINDOWED)
@given(st.data())
def test_a_stride_takes_every_so_many_of_the_outputs_of_stride_one(name, data):
    call = data.draw(calls(name))
    SH, SW = call.stride
    assert tree.equal(call.y(), _windowed(call, call.x, stride=1)[:, :, ::SH, ::SW])


@each("name", WINDOWED)
@given(st.data())
def test_without_its_first_rows_an_image_gives_the_outputs_without_their_first(name, data):
    call = data.draw(calls(name))
    y = _windowed(call, call.x, padding=0) if _fits(call) else assume(False)
    SH, SW = call.stride
    if y.shape[2] > 1:
        assert tree.equal(_windowed(call, call.x[:, :, SH:], padding=0), y[:, :, 1:])
    if y.shape[3] > 1:
        assert tree.equal(_windowed(call, call.x[..., SW:], padding=0), y[..., 1:])


@each("name", WINDOWED)
@given(st.data())
def test_padding_is_what_one_would_pad_with(name, data):
    call = data.draw(calls(name))
    PH, PW = call.padding
    value = 0 if name == "conv2d" else -1000
    padded = np.pad(call.x, [(0, 0), (0, 0), (PH, PH), (PW, PW)], constant_values=value)
    y, cache = _windowed_forward(call, padded, padding=0)
    dx = call.layer.backward(cache, call.dy)[1][:, :, PH:, PW:]
    H, W = call.x.shape[2:]
    expected_y, _, expected_dx = call.run()
    assert tree.equal((y, dx[:, :, :H, :W]), (expected_y, expected_dx))


@each("name", WINDOWED)
@each("axis", [2, 3])
@given(st.data())
def test_commutes_with_flips(name, axis, data):
    call = data.draw(calls(name))
    window = _window(call)[axis - 2]
    H = call.x.shape[axis]
    unused = (H + 2 * call.padding[axis - 2] - window) % call.stride[axis - 2]
    assume(unused < H)  # the last pixels, in no window: they would be the first
    x = np.delete(call.x, np.s_[H - unused :], axis)
    params = call.params and fcnn.Conv2dParams(np.flip(call.params.w, axis), call.params.b)
    assert tree.equal(call.y(np.flip(x, axis), params), np.flip(call.y(x), axis))


@each("name", WINDOWED)
@given(st.data())
def test_commutes_with_exchanging_rows_and_columns(name, data):
    call = data.draw(calls(name))
    turned = [pair[::-1] for pair in (_window(call), call.stride, call.padding)]
    x = call.x.swapaxes(2, 3)
    if name == "conv2d":
        params = fcnn.Conv2dParams(call.params.w.swapaxes(2, 3), call.params.b)
        y, _ = fcnn.conv2d_forward(params, x, stride=turned[1], padding=turned[2])
    else:
        y, _ = fcnn.max_pool2d_forward(x, window=turned[0], stride=turned[1], padding=turned[2])
    assert tree.equal(y, call.y().swapaxes(2, 3))


@each("name", WINDOWED)
@given(st.data())
def test_an_int_is_a_pair_of_it(name, data):
    call = data.draw(calls(name))
    SH, PH = call.stride[0], call.padding[0]
    assume(_fits(call, (PH, PH)))
    assume(name == "conv2d" or _window(call)[1] // 2 >= PH)
    assert tree.equal(
        _windowed(call, call.x, stride=SH, padding=PH),
        _windowed(call, call.x, stride=(SH, SH), padding=(PH, PH)),
    )


def _window(call):
    return call.params.w.shape[2:] if call.params else call.layer.settings["window"]


def _fits(call, padding=(0, 0)):
    """Whether the window fits an image with another padding."""
    return all(
        size + 2 * p >= k
        for size, p, k in zip(call.x.shape[2:], padding, _window(call), strict=True)
    )


def _windowed_forward(call, x, **others):
    settings = {"stride": call.stride, "padding": call.padding} | others
    if call.params:
        return fcnn.conv2d_forward(call.params, x, **settings)
    y, cache = fcnn.max_pool2d_forward(x, window=_window(call), **settings)
    return y, cache


def _windowed(call, x, **others):
    return _windowed_forward(call, x, **others)[0]


# Convolution


@given(calls("conv2d"))
def test_a_convolution_with_a_kernel_as_large_as_the_image_is_dense(call):
    N, C, H, W = call.x.shape
    w = call.another(np.empty((3, C, H, W), call.x.dtype))
    b = call.another(np.empty(3, call.x.dtype))
    y, cache = fcnn.conv2d_forward(fcnn.Conv2dParams(w, b), call.x)
    dense = fcnn.DenseParams(w.reshape(3, -1).T, b)
    expected, dense_cache = fcnn.dense_forward(dense, call.x.reshape(N, -1))
    assert tree.equal(y[:, :, 0, 0], expected)
    dy = call.another(expected)
    dparams, dx = fcnn.conv2d_backward(cache, dy[:, :, None, None])
    dense_dparams, dense_dx = fcnn.dense_backward(dense_cache, dy)
    assert tree.equal(dx, dense_dx.reshape(call.x.shape))
    assert tree.equal(dparams.w.reshape(3, -1).T, dense_dparams.w)
    assert tree.equal(dparams.b, dense_dparams.b)


@given(calls("conv2d"), st.randoms())
def test_the_order_of_channels_and_features_is_a_name(call, random):
    F, C = call.params.w.shape[:2]
    features, channels = random.sample(range(F), F), random.sample(range(C), C)
    params = fcnn.Conv2dParams(call.params.w[features][:, channels], call.params.b[features])
    assert tree.equal(call.y(call.x[:, channels], params), call.y()[:, features])


@few
@given(st.integers(1, 20), st.integers(60, 140), some.DTYPES, some.SEEDS)
def test_a_large_batch_is_its_halves(features, N, dtype, seed):
    """Large enough for products that are cut into parts."""
    rng = np.random.default_rng(seed)
    layer = fcnn.conv2d(features, padding=1)
    params, _ = layer.init(rng, (4, 16, 16))
    params = tree.map(lambda a: some.whole(rng, a.shape, dtype), params)
    x = some.whole(rng, (N, 4, 16, 16), dtype)
    y, cache = layer.forward(params, x)
    dy = some.whole(rng, y.shape, dtype)
    dparams, dx = layer.backward(cache, dy)
    halves = []
    for half in (slice(0, N // 2), slice(N // 2, N)):
        own_y, cache = layer.forward(params, x[half])
        own_dparams, own_dx = layer.backward(cache, dy[half])
        assert tree.equal((own_y, own_dx), (y[half], dx[half]))
        halves.append(own_dparams)
    assert tree.equal(tree.map(np.add, *halves), dparams)


# Max-pooling


@given(calls("max_pool2d"))
def test_a_maximum_is_one_of_the_pixels_and_at_least_their_mean(call):
    windows = _pixels_of_windows(call)
    y = call.y()
    assert (y[..., None] == windows).any(-1).all()
    assert (y >= np.nanmean(windows, -1)).all()


@given(calls("max_pool2d"))
def test_each_window_gives_all_its_gradient_to_one_greatest_pixel(call):
    y, cache = call.forward()
    assert inner(call.layer.backward(cache, call.dy)[1], np.ones_like(call.x)) == call.dy.sum()
    for i, j in np.ndindex(y.shape[2:]):
        dy = np.zeros_like(y)
        dy[:, :, i, j] = 1
        dx = call.layer.backward(cache, dy)[1]
        assert (np.count_nonzero(dx, axis=(2, 3)) == 1).all()
        assert np.array_equal((dx * call.x).sum((2, 3)), y[:, :, i, j])


@given(calls("max_pool2d"), st.integers(-9, 9))
def test_pooling_commutes_with_rising_functions(call, constant):
    y = call.y()
    assert tree.equal(call.y(call.x + constant), y + constant)
    assert tree.equal(call.y(call.x**3), y**3)
    higher = np.maximum(call.x, call.another(call.x))
    assert (call.y(higher) >= y).all()


@given(calls("max_pool2d"), some.pairs(1, 2), some.pairs(1, 2))
def test_pooling_twice_is_pooling_with_a_larger_window(call, one, two):
    both = (one[0] + two[0] - 1, one[1] + two[1] - 1)
    assume(both[0] <= call.x.shape[2] and both[1] <= call.x.shape[3])
    first, _ = fcnn.max_pool2d_forward(call.x, window=one, stride=1)
    second, _ = fcnn.max_pool2d_forward(first, window=two, stride=1)
    assert tree.equal(second, fcnn.max_pool2d_forward(call.x, window=both, stride=1)[0])


@given(calls("max_pool2d"), some.pairs(1, 3))
def test_pooling_undoes_enlarging(call, window):
    large = call.x.repeat(window[0], axis=2).repeat(window[1], axis=3)
    assert tree.equal(fcnn.max_pool2d_forward(large, window=window)[0], call.x)


def _pixels_of_windows(call):
    """(N, C, OH, OW, KH*KW), with NaN for padding."""
    (KH, KW), (SH, SW), (PH, PW) = _window(call), call.stride, call.padding
    x = np.pad(call.x, [(0, 0), (0, 0), (PH, PH), (PW, PW)], constant_values=np.nan)
    windows = np.lib.stride_tricks.sliding_window_view(x, (KH, KW), (2, 3))[:, :, ::SH, ::SW]
    return windows.reshape(*windows.shape[:4], -1)


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


@given(some.others(fcnn.softmax, None), some.DTYPES, some.SEEDS)
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
    def any_finite(rng, shape, dtype):
        return rng.choice([-1, 1, 0.5], shape).astype(dtype) * np.finfo(dtype).max

    call = data.draw(calls(name, x=any_finite))
    assert np.isin(call.y(), [0, *call.x.ravel()]).all()
    assert finite(call.run())


@given(st.data())
def test_softmax_of_any_finite_numbers_is_a_distribution(data):
    def any_finite(rng, shape, dtype):
        return rng.choice([-1, 1, 0.5], shape).astype(dtype) * np.finfo(dtype).max

    call = data.draw(calls("softmax", x=any_finite))
    p, _, dx = call.run()
    assert near(p.sum(-1), np.ones_like(p[..., 0]))
    assert finite(dx)


@given(calls("flatten"))
def test_flatten_orders_as_reshape_and_its_gradient_takes_it_back(call):
    y, cache = call.forward()
    assert tree.equal(y, call.x.reshape(len(call.x), -1))
    assert tree.equal(call.layer.backward(cache, y)[1], call.x)


# Losses

each_loss = each("loss", [fcnn.cross_entropy, fcnn.softmax_cross_entropy], ids=repr)


def outputs_for(loss, logits):
    return fcnn.softmax_forward(logits)[0] if loss is fcnn.cross_entropy else logits


@given(scores())
def test_the_fused_loss_is_softmax_and_cross_entropy(drawn):
    logits, labels = drawn
    p, softmax_cache = fcnn.softmax_forward(logits)
    value, cache = fcnn.cross_entropy_forward(p, labels)
    dlogits = fcnn.softmax_backward(softmax_cache, fcnn.cross_entropy_backward(cache))
    fused, fused_cache = fcnn.softmax_cross_entropy_forward(logits, labels)
    assert value == pytest.approx(fused, rel=1e-5 if logits.dtype == np.float32 else 1e-13)
    assert near(dlogits, fcnn.softmax_cross_entropy_backward(fused_cache))


@given(scores(dtypes=FLOAT64))
def test_losses_are_what_their_definitions_say(drawn):
    logits, labels = drawn
    p = [np.exp(row[label]) / np.exp(row).sum() for row, label in zip(logits, labels, strict=True)]
    for loss in (fcnn.cross_entropy, fcnn.softmax_cross_entropy):
        value, _ = loss.forward(outputs_for(loss, logits), labels)
        assert type(value) is float
        assert value == pytest.approx(-np.mean(np.log(p)), rel=1e-12, abs=1e-14)


@each_loss
@given(drawn=scores(), random=st.randoms())
def test_a_loss_knows_no_order_of_the_batch_or_of_the_classes(loss, drawn, random):
    logits, labels = drawn
    N, K = logits.shape
    rows, classes = random.sample(range(N), N), random.sample(range(K), K)
    outputs = outputs_for(loss, logits)
    value, cache = loss.forward(outputs, labels)
    moved = outputs[rows][:, classes]
    moved_value, moved_cache = loss.forward(moved, np.argsort(classes)[labels[rows]])
    assert moved_value == pytest.approx(value, rel=1e-5 if logits.dtype == np.float32 else 1e-13)
    assert near(loss.backward(moved_cache), loss.backward(cache)[rows][:, classes])


@each_loss
@given(drawn=scores())
def test_a_loss_is_the_mean_of_those_of_its_examples(loss, drawn):
    logits, labels = drawn
    outputs = outputs_for(loss, logits)
    value, cache = loss.forward(outputs, labels)
    gradient, N = loss.backward(cache), len(labels)
    values = []
    for n in range(N):
        own, own_cache = loss.forward(outputs[n : n + 1], labels[n : n + 1])
        values.append(own)
        assert near(loss.backward(own_cache) / N, gradient[n : n + 1])
    assert value == pytest.approx(np.mean(values), rel=1e-6, abs=1e-7)


@each_loss
@given(drawn=scores())
def test_a_loss_writes_to_nothing_and_its_cache_serves_twice(loss, drawn):
    logits, labels = drawn
    outputs = outputs_for(loss, logits)
    before = copies((outputs, labels))
    _, cache = loss.forward(outputs, labels)
    kept = copies(cache)
    first, second = loss.backward(cache), loss.backward(cache)
    assert tree.equal((outputs, labels), before)
    assert tree.equal(cache, kept)
    assert tree.equal(first, second)
    assert not np.shares_memory(first, second)
    assert first.dtype == outputs.dtype
    assert first.shape == outputs.shape


@each_loss
@given(drawn=scores())
def test_gradients_of_losses_are_derivatives(loss, drawn):
    logits, labels = drawn
    outputs = outputs_for(loss, np.asarray(logits, np.float64))
    assert fcnn.check.loss(loss, outputs, labels).worst < 1e-6


@given(scores(), st.integers(-50, 50))
def test_the_fused_loss_sees_differences_of_logits_alone(drawn, constant):
    logits, labels = drawn
    value, cache = fcnn.softmax_cross_entropy_forward(logits, labels)
    shifted, _ = fcnn.softmax_cross_entropy_forward(logits + constant, labels)
    tolerance = 1e-4 if logits.dtype == np.float32 else 1e-12
    assert shifted == pytest.approx(value, rel=tolerance, abs=tolerance)
    gradient = fcnn.softmax_cross_entropy_backward(cache)
    assert value >= 0
    assert near(gradient.sum(-1), np.zeros_like(gradient[:, 0]))


@each("numbers", [some.small, some.huge])
@given(data=st.data())
def test_losses_stay_finite_and_silent(numbers, data):
    logits, labels = data.draw(scores(numbers))
    for loss in (fcnn.cross_entropy, fcnn.softmax_cross_entropy):
        value, cache = loss.forward(outputs_for(loss, logits), labels)
        assert np.isfinite(value)
        assert finite(loss.backward(cache))


@given(scores(some.small))
def test_cross_entropy_of_any_probabilities_is_finite_and_so_is_what_softmax_makes_of_it(drawn):
    outputs, labels = drawn
    p = abs(outputs)
    value, cache = fcnn.cross_entropy_forward(p, labels)
    dp = fcnn.cross_entropy_backward(cache)
    assert np.isfinite(value)
    assert finite((dp, fcnn.softmax_backward(fcnn.softmax_forward(outputs)[1], dp)))


# Chains


@given(networks())
def test_a_chain_is_one_layer_after_the_other_and_chains_nest(network):
    layers, params = network.layers, network.params
    y, caches = network.x, []
    for layer, own in zip(layers, params, strict=True):
        y, cache = layer.forward(own, y)
        caches.append(cache)
    dy = np.ones_like(y)
    grads, dx = [], dy
    for layer, cache in zip(reversed(layers), reversed(caches), strict=True):
        own, dx = layer.backward(cache, dx)
        grads.insert(0, own)
    chained, cache = network.model.forward(params, network.x)
    assert tree.equal((chained, network.model.backward(cache, dy)), (y, (tuple(grads), dx)))
    middle = len(layers) // 2
    nested = fcnn.chain(fcnn.chain(*layers[:middle]), fcnn.chain(*layers[middle:]))
    halves = (params[:middle], params[middle:])
    nested_y, nested_cache = nested.forward(halves, network.x)
    expected = ((tuple(grads[:middle]), tuple(grads[middle:])), dx)
    assert tree.equal((nested_y, nested.backward(nested_cache, dy)), (y, expected))


@given(networks())
def test_gradients_of_chains_are_derivatives(network):
    shape = network.x.shape[1:]
    assert fcnn.check.layer(network.model, shape, batch=2).worst < 1e-6


# value_and_grad and predict

LOSS = fcnn.softmax_cross_entropy


@given(networks(), st.integers(1, 9), st.integers(2, 4))
def test_bits_do_not_depend_on_threads(network, shard, threads):
    arguments = network.params, network.x, network.labels
    one, other = (
        fcnn.value_and_grad(network.model, LOSS, threads=t, shard=shard)(*arguments)
        for t in (1, threads)
    )
    assert tree.equal(one, other)
    one, other = (
        fcnn.predict(network.model, network.params, network.x, threads=t) for t in (1, threads)
    )
    assert tree.equal(one, other)


@few
@given(networks(), st.integers(1, 4))
def test_bits_do_not_depend_on_helper_processes(network, shard):
    """They come in after a few calls."""
    f = fcnn.value_and_grad(network.model, LOSS, threads=2, shard=shard)
    results = [f(network.params, network.x, network.labels) for _ in range(4)]
    assert all(tree.equal(result, results[0]) for result in results)


@given(some.others(fcnn.flatten, None, 3), some.SEEDS, st.data())
def test_bits_do_not_depend_on_gaps_between_the_pixels_nor_on_their_direction(case, seed, data):
    """Helper processes have a copy without them."""
    rng, model = np.random.default_rng(seed), fcnn.chain(fcnn.flatten, fcnn.dense(3))
    params, _ = model.init(rng, case.in_shape)
    f = fcnn.value_and_grad(model, LOSS, threads=1, shard=data.draw(some.sizes(1, 3)))
    pixels = some.real(rng, (case.batch, *case.in_shape), np.float32)
    turned = np.flip(np.array(np.flip(pixels, (2, 3))), (2, 3))
    for x in (turned, data.draw(some.lying_anyhow(pixels))):
        copy = np.empty_like(x)
        copy[...] = x
        one, other = (f(params, images, np.arange(len(x)) % 3) for images in (x, copy))
        assert tree.equal(one, other)


@given(networks(dtypes=FLOAT64), st.integers(1, 25))
def test_any_shards_give_the_gradient_of_the_batch_to_rounding(network, shard):
    y, cache = network.model.forward(network.params, network.x)
    value, loss_cache = LOSS.forward(y, network.labels)
    grads, _ = network.model.backward(cache, LOSS.backward(loss_cache))
    f = fcnn.value_and_grad(network.model, LOSS, shard=shard)
    found_value, found = f(network.params, network.x, network.labels)
    assert type(found_value) is float
    assert found_value == pytest.approx(value, rel=1e-12, abs=1e-14)
    assert near(found, grads, ulps=2048)


@given(networks(dtypes=FLOAT64), st.integers(1, 25))
def test_shards_weigh_what_the_loss_says(network, shard):
    """A loss that is not a mean of equals: examples weigh their label and one."""

    def forward(outputs, labels):
        weights = (labels + 1.0) / (labels + 1.0).sum()
        return float(weights @ (outputs**2).sum(1)), (outputs, weights)

    def backward(cache):
        outputs, weights = cache
        return 2 * outputs * weights[:, None]

    loss = fcnn.Loss("weighted", forward, backward, weight=lambda labels: (labels + 1.0).sum())
    arguments = network.params, network.x, network.labels
    whole_value, whole = fcnn.value_and_grad(network.model, loss, shard=99)(*arguments)
    value, grads = fcnn.value_and_grad(network.model, loss, shard=shard)(*arguments)
    assert value == pytest.approx(whole_value, rel=1e-12, abs=1e-14)
    assert near(grads, whole, ulps=2048)


@given(networks(dtypes=FLOAT64), st.integers(1, 9), st.randoms())
def test_the_order_of_a_batch_is_a_matter_of_rounding(network, shard, random):
    order = random.sample(range(len(network.x)), len(network.x))
    f = fcnn.value_and_grad(network.model, LOSS, shard=shard)
    value, grads = f(network.params, network.x, network.labels)
    moved_value, moved = f(network.params, network.x[order], network.labels[order])
    assert moved_value == pytest.approx(value, rel=1e-12, abs=1e-14)
    assert near(moved, grads, ulps=2048)


@given(networks(), st.integers(1, 9))
def test_value_and_grad_is_pure_and_its_gradients_are_like_the_parameters(network, shard):
    arguments = network.params, network.x, network.labels
    before = copies(arguments)
    f = fcnn.value_and_grad(network.model, LOSS, shard=shard)
    first = f(*arguments)
    kept = copies(first)
    f(tree.map(lambda a: a + 1, network.params), network.x, network.labels)
    assert tree.equal(f(*arguments), first)
    assert tree.equal(first, kept)
    assert tree.equal(arguments, before)
    zeros = tree.map(np.zeros_like, network.params)
    assert tree.equal(tree.map(np.zeros_like, first[1]), zeros)


@given(networks(), st.integers(1, 9), st.integers(2, 4), some.SEEDS)
def test_random_layers_draw_the_same_on_any_threads(network, shard, threads, seed):
    noise = fcnn.Layer(
        "noise",
        lambda rng, in_shape: ((), in_shape),
        lambda params, x, rng=None: (x + rng.standard_normal(x.shape).astype(x.dtype), ()),
        lambda cache, dy: ((), dy),
    )
    model = fcnn.chain(noise, *network.layers)
    one, other = (
        fcnn.value_and_grad(model, LOSS, threads=t, shard=shard)(
            ((), *network.params), network.x, network.labels, np.random.default_rng(seed)
        )
        for t in (1, threads)
    )
    assert tree.equal(one, other)


@given(networks(most=140))
def test_predictions_are_the_outputs(network):
    outputs, _ = network.model.forward(network.params, network.x)
    assert near(fcnn.predict(network.model, network.params, network.x), outputs)


# sgd


@given(networks(), st.floats(0, 1), st.floats(0, 0.99), some.SEEDS)
def test_a_step_follows_its_equations_and_is_pure(network, rate, momentum, seed):
    rng = np.random.default_rng(seed)
    params = network.params
    grads, v = (
        tree.map(lambda a: rng.standard_normal(a.shape).astype(a.dtype), params) for _ in range(2)
    )
    optimizer = fcnn.sgd(rate, momentum)
    state = tree.map(np.copy, optimizer.init(params))
    state = type(state)(state.steps, v)
    before = copies((params, grads, state))
    new, new_state = optimizer.step(params, grads, state)
    assert tree.equal((params, grads, state), before)
    expected_v = tree.map(lambda v, g: momentum * v - rate * g, v, grads)
    assert tree.equal(new_state.velocity, expected_v)
    assert tree.equal(new, tree.map(np.add, params, expected_v))
    assert int(new_state.steps) == 1
    for leaf in tree.leaves((new, new_state)):
        assert leaf.flags.c_contiguous
        assert not leaf.flags.writeable


@given(networks())
def test_a_rate_of_zero_or_a_gradient_of_zero_changes_nothing(network):
    zeros = tree.map(np.zeros_like, network.params)
    ones = tree.map(np.ones_like, network.params)
    for rate, grads in ((0.0, ones), (0.1, zeros)):
        optimizer = fcnn.sgd(rate, momentum=0.9)
        new, _ = optimizer.step(network.params, grads, optimizer.init(network.params))
        assert tree.equal(new, network.params)
