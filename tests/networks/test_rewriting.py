"""Rewrites for speed: the same bits, the same trees."""

import os
import subprocess
import sys

import numpy as np
import pytest

import fcnn
from fcnn import tree
from fcnn.networks.rewriting import faster


def test_pooling_goes_before_relu():
    assert repr(faster(fcnn.chain(fcnn.conv2d(2), fcnn.relu, fcnn.max_pool2d(2)))) == (
        "chain(conv2d(2, 3), max_pool2d(2), relu)"
    )
    nested = fcnn.chain(fcnn.chain(fcnn.relu, fcnn.max_pool2d(2)), fcnn.flatten)
    assert repr(faster(nested)) == "chain(chain(max_pool2d(2), relu), flatten)"


def test_other_layers_stay_where_they_are():
    for model in (fcnn.relu, fcnn.chain(), fcnn.chain(fcnn.max_pool2d(2), fcnn.relu)):
        assert repr(faster(model)) == repr(model)


def own(name, layer, **settings):
    """x + 0.1 layer(x), a combinator of one's own by the name of another."""

    def forward(params, x, rng=None):
        y, cache = layer.forward(params, x, rng)
        return x + np.float32(0.1) * y, cache

    def backward(cache, dy):
        dparams, dx = layer.backward(cache, np.float32(0.1) * dy)
        return dparams, dy + dx

    return fcnn.Layer(name, layer.init, forward, backward, children=(layer,), **settings)


@pytest.mark.parametrize("name", ["residual", "parallel", "chain"])
def test_a_combinator_of_ones_own_stays_what_it_is_whatever_its_name(name):
    inner = fcnn.chain(fcnn.dense(3), fcnn.relu)
    model = fcnn.chain(own(name, inner), fcnn.batch_norm())
    params, _ = model.init(np.random.default_rng(0), (3,))
    x = np.random.default_rng(1).standard_normal((6, 3)).astype(np.float32)
    y, _ = model.forward(params, x)
    assert np.array_equal(fcnn.predict(model, params, x), y)
    calibrated = fcnn.calibrate(model, params, x)
    assert np.allclose(calibrated[1].mean, (x + 0.1 * inner.forward(params[0], x)[0]).mean(0))
    labels = np.arange(6) % 3
    value, grads = fcnn.value_and_grad(model, fcnn.softmax_cross_entropy)(
        params, x, labels, np.random.default_rng(0)
    )
    y, cache = model.forward(params, x, np.random.default_rng(0))
    expected, loss_cache = fcnn.softmax_cross_entropy_forward(y, labels)
    assert value == expected
    dlogits = fcnn.softmax_cross_entropy_backward(loss_cache)
    assert tree.equal(grads, model.backward(cache, dlogits)[0])


def test_a_combinator_of_ones_own_may_say_how_it_is_made_again():
    inner = fcnn.chain(
        fcnn.conv2d(2, padding=1), fcnn.relu, fcnn.max_pool2d(3, stride=1, padding=1)
    )
    model = own("own", inner, make=lambda layer: own("own", layer))
    assert repr(faster(model)) == (
        "own(chain(conv2d(2, 3, padding=1), max_pool2d(3, stride=1, padding=1), relu))"
    )
    params, _ = model.init(np.random.default_rng(0), (2, 6, 5))
    x = np.random.default_rng(1).standard_normal((4, 2, 6, 5)).astype(np.float32)
    assert np.array_equal(fcnn.predict(model, params, x), model.forward(params, x)[0])


def test_average_pooling_stays_after_relu():
    model = fcnn.chain(fcnn.relu, fcnn.avg_pool2d(2), fcnn.relu, fcnn.global_avg_pool)
    assert repr(faster(model)) == repr(model)
    x = np.random.default_rng(0).standard_normal((4, 2, 6, 6)).astype(np.float32)
    params = ((), (), (), ())
    assert np.array_equal(fcnn.predict(model, params, x), model.forward(params, x)[0])


def test_a_pool_of_ones_own_stays_after_relu():
    def forward(params, x, rng=None):  # of squares: the sign of what relu takes away counts
        return fcnn.max_pool2d_forward(x * x, window=2)

    pool = fcnn.Layer(
        "max_pool2d", fcnn.max_pool2d(2).init, forward,
        lambda cache, dy: ((), fcnn.max_pool2d_backward(cache, dy)),
    )  # fmt: skip
    model = fcnn.chain(fcnn.relu, pool)
    x = np.random.default_rng(0).standard_normal((4, 2, 6, 6)).astype(np.float32)
    assert np.array_equal(fcnn.predict(model, ((), ()), x), model.forward(((), ()), x)[0])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("window", [{"window": 2}, {"window": 3, "stride": 2, "padding": 1}])
def test_the_bits_are_the_same_with_ties_and_without(dtype, window):
    model = fcnn.chain(
        fcnn.conv2d(3, 3, padding=1), fcnn.relu, fcnn.max_pool2d(**window), fcnn.flatten,
        fcnn.dense(4),
    )  # fmt: skip
    params, _ = model.init(np.random.default_rng(0), (2, 9, 8))
    rng = np.random.default_rng(1)
    for x in (rng.standard_normal((5, 2, 9, 8)), rng.integers(-1, 2, (5, 2, 9, 8))):
        for kernel in (params[0].w, np.sign(params[0].w)):
            p = tree.map(lambda a: a.astype(dtype), (with_kernel(params[0], kernel), *params[1:]))
            (y, cache), (fast_y, fast_cache) = (
                layer.forward(p, x.astype(dtype)) for layer in (model, faster(model))
            )
            assert np.array_equal(y, fast_y)
            dy = rng.standard_normal(y.shape).astype(dtype)
            grads, dx = model.backward(cache, dy)
            fast_grads, fast_dx = faster(model).backward(fast_cache, dy)
            assert tree.equal(grads, fast_grads)
            assert np.array_equal(dx, fast_dx)


def messages_of(model, params, x):
    """What each way through the network says of images that do not fit."""
    f = fcnn.value_and_grad(model, fcnn.softmax_cross_entropy, threads=1)
    ways = (
        lambda: model.forward(params, x),
        lambda: f(params, x, np.zeros(len(x), int), np.random.default_rng(0)),
        lambda: fcnn.predict(model, params, x),
        lambda: fcnn.calibrate(model, params, x),
    )
    for way in ways:
        with pytest.raises((TypeError, ValueError)) as error:
            way()
        yield str(error.value)


@pytest.mark.parametrize(
    ("x", "place"),
    [
        (np.ones((4, 1, 5, 5), np.float32), "chain layer 2 (max_pool2d)\nin chain layer 1 (chain)"),
        (np.ones((4, 1, 9, 9), np.int64), "chain layer 0 (relu)\nin chain layer 1 (chain)"),
    ],
)
def test_errors_name_layers_by_their_places_in_the_model_as_it_is_written(x, place):
    inner = fcnn.chain(fcnn.relu, fcnn.relu, fcnn.max_pool2d(6))
    model = fcnn.chain(fcnn.chain(), inner, fcnn.flatten, fcnn.batch_norm(), fcnn.dense(3))
    params, _ = model.init(np.random.default_rng(0), (1, 9, 9))
    first, *others = messages_of(model, params, x)
    assert first.endswith(f"in {place}")
    assert others == [first] * 3


def test_an_error_on_the_way_back_names_the_layer_as_it_is_written():
    own = fcnn.Layer(
        "own", lambda rng, in_shape: ((), in_shape),
        lambda params, x, rng=None: (x, ()),
        lambda cache, dy: ((), dy[..., :1]),
    )  # fmt: skip
    model = fcnn.chain(
        fcnn.conv2d(2), fcnn.relu, fcnn.max_pool2d(2), own, fcnn.flatten, fcnn.dense(3)
    )
    params, _ = model.init(np.random.default_rng(0), (1, 6, 6))
    f = fcnn.value_and_grad(model, fcnn.softmax_cross_entropy)
    text = r"max_pool2d_backward: dy has shape .*\nin chain layer 2 \(max_pool2d\)"
    with pytest.raises(ValueError, match=text):
        f(params, np.ones((4, 1, 6, 6), np.float32), np.zeros(4, int))


def with_kernel(params, w):
    return fcnn.Conv2dParams(w=w, b=params.b)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc alone")
@pytest.mark.parametrize(("setting", "told"), [("", True), ("0", False)])
def test_keeping_memory_can_be_turned_off_and_waits_for_the_first_use(setting, told):
    program = (
        "import fcnn, numpy as np\n"
        "from fcnn.distributed.malloc import keep_freed_memory as keep\n"
        "print(keep.cache_info().currsize)\n"
        "fcnn.predict(fcnn.flatten, (), np.ones((2, 3), np.float32))\n"
        "print(keep.cache_info().currsize, keep())\n"
    )
    environment = os.environ | {"FCNN_KEEP_MEMORY": setting}
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, env=environment
    )
    assert done.stdout.split() == ["0", "1", str(told)]
