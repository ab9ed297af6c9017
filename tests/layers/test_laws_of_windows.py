"""Laws of layers that go over the image window by window, tried on drawn calls."""

import numpy as np
import pytest
import strategies as some
from hypothesis import assume, given
from hypothesis import strategies as st
from strategies import calls, few, inner

import fcnn
from fcnn import tree

WINDOWED = ["conv2d", "max_pool2d"]

each = pytest.mark.parametrize


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
