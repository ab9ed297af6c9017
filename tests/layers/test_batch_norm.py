"""Batch normalisation: what it does in training, and how statistics come in."""

import warnings

import loops
import numpy as np
import pytest

import fcnn
from fcnn import tree

RNG = np.random.default_rng


def network():
    return fcnn.chain(
        fcnn.conv2d(4, 3, padding=1), fcnn.batch_norm(), fcnn.relu, fcnn.max_pool2d(2),
        fcnn.conv2d(5, 3, padding=1), fcnn.batch_norm(), fcnn.relu,
        fcnn.flatten, fcnn.dropout(0.2), fcnn.dense(6), fcnn.batch_norm(), fcnn.dense(3),
    )  # fmt: skip


@pytest.mark.parametrize("in_shape", [(3, 4, 5), (4,)])
def test_with_a_generator_it_normalises_by_the_batch(in_shape):
    layer = fcnn.batch_norm()
    params, out_shape = layer.init(RNG(0), in_shape)
    assert out_shape == in_shape
    params = tree.map(lambda a: RNG(1).random(a.shape), params)
    x, dy = RNG(2).standard_normal((2, 6, *in_shape))
    y, cache = layer.forward(params, x, RNG(0))
    dparams, dx = layer.backward(cache, dy)
    expected = loops.batch_norm(
        params.scale, params.shift, params.mean, params.var, x, dy, training=True
    )
    assert tree.allclose((y, dparams.scale, dparams.shift, dx), expected, rtol=1e-10, atol=1e-12)
    assert not dparams.mean.any()
    assert not dparams.var.any()
    fcnn.check.layer(layer, in_shape, batch=6, jacobian=True)


def test_large_means_cost_no_precision():
    x = (1000 + RNG(0).standard_normal((64, 2, 3, 3))).astype(np.float32)
    params, _ = fcnn.batch_norm().init(RNG(0), (2, 3, 3))
    y, _ = fcnn.batch_norm_forward(params, x, training=True)
    exact, _ = fcnn.batch_norm_forward(
        tree.map(lambda a: a.astype(float), params), x.astype(float), training=True
    )
    assert np.abs(y - exact).max() < 1e-3


@pytest.mark.parametrize("great", [1e19, 3e37, 3e38])
@pytest.mark.parametrize("in_shape", [(3, 4, 5), (3,)])
def test_any_finite_numbers_are_normalised(in_shape, great):
    x, dy = RNG(0).standard_normal((2, 8, *in_shape)).astype(np.float32)
    x[:, 0] = np.clip(x[:, 0], -1, 1) * np.float32(great)
    x[:, 1] = 3e38  # all equal: nothing is left of them
    params = tree.map(lambda a: RNG(1).random(a.shape, np.float32), batch_norm_params(in_shape))
    with np.errstate(all="raise", under="ignore"):
        y, cache = fcnn.batch_norm_forward(params, x, training=True)
        dparams, dx = fcnn.batch_norm_backward(cache, dy)
    wide = tree.map(lambda a: a.astype(np.float64), params)
    exact, cache = fcnn.batch_norm_forward(wide, x.astype(np.float64), training=True)
    exact_dparams, exact_dx = fcnn.batch_norm_backward(cache, dy.astype(np.float64))
    assert tree.allclose((y, dparams), (exact, exact_dparams), rtol=1e-5, atol=1e-6)
    for c in range(3):
        limit = np.abs(exact_dx[:, c]).max()
        assert np.allclose(dx[:, c], exact_dx[:, c], rtol=0, atol=1e-5 * limit + 1e-44)
    # The third channel has the bits that it has beside ordinary ones.
    x[:, :2] = 1
    assert np.array_equal(y[:, 2], fcnn.batch_norm_forward(params, x, training=True)[0][:, 2])


def batch_norm_params(in_shape):
    return fcnn.batch_norm().init(RNG(0), in_shape)[0]


def test_the_greatest_numbers_of_float64_are_normalised():
    x = RNG(0).uniform(-1, 1, (9, 2))
    params = tree.map(lambda a: a.astype(np.float64), batch_norm_params((2,)))
    expected, _ = fcnn.batch_norm_forward(params, x, training=True, epsilon=1e-300)
    with np.errstate(all="raise", under="ignore"):
        y, _ = fcnn.batch_norm_forward(params, x * np.finfo(float).max, training=True)
    assert np.allclose(y, expected, rtol=1e-12)


def test_numbers_that_are_not_finite_are_told():
    x = np.array([[1.0], [np.inf]])
    params = tree.map(lambda a: a.astype(np.float64), batch_norm_params((1,)))
    with pytest.warns(RuntimeWarning, match="invalid value"):
        y, _ = fcnn.batch_norm_forward(params, x, training=True)
    assert np.isnan(y).all()


@pytest.mark.parametrize("shape", [(2, 64), (2, 512, 1, 1)])
def test_variances_that_would_overflow_together_are_each_in_range(shape):
    x = np.full(shape, 1e19, np.float32)  # a variance of 1e38 in each channel
    x[1] *= -1
    params, _ = fcnn.batch_norm().init(RNG(0), shape[1:])
    with warnings.catch_warnings(action="error"):
        y, _ = fcnn.batch_norm_forward(params, x, training=True)
    assert np.allclose(y, np.sign(x))


def test_one_value_per_channel_is_refused_in_training_alone():
    layer = fcnn.batch_norm()
    params, _ = layer.init(RNG(0), (4,))
    x = np.ones((1, 4), np.float32)
    layer.forward(params, x)
    with pytest.raises(ValueError, match="one value per channel has no variance"):
        layer.forward(params, x, RNG(0))
    with pytest.raises(ValueError, match=r"one value per channel.*\nin chain layer 1 \(batch_norm"):
        fcnn.calibrate(fcnn.chain(fcnn.relu, layer), ((), params), x)


def test_a_last_batch_of_one_vector_says_what_to_do():
    model = fcnn.chain(fcnn.batch_norm(), fcnn.dense(2))
    params, _ = model.init(RNG(0), (4,))
    train = RNG(1).random((9, 4), np.float32), np.arange(9) % 2
    with pytest.raises(ValueError, match="a batch size that leaves no shard of one"):
        list(fcnn.fit(model, params, fcnn.sgd(0.1), train, epochs=1, batch_size=4, seed=0))
    list(fcnn.fit(model, params, fcnn.sgd(0.1), train, epochs=1, batch_size=5, seed=0))


@pytest.mark.parametrize(
    ("layer", "text"),
    [
        (fcnn.batch_norm(), "batch_norm"),
        (fcnn.dropout(0.5), "dropout"),
        (fcnn.chain(fcnn.relu, fcnn.chain(fcnn.dropout(0.5))),
         r"layer 1 \(layer 0 \(dropout\)\)"),
    ],
)  # fmt: skip
def test_training_without_a_generator_is_refused_by_name(layer, text):
    params, _ = layer.init(RNG(0), (3,))
    f = fcnn.value_and_grad(layer, fcnn.softmax_cross_entropy)
    x, labels = np.ones((4, 3), np.float32), np.zeros(4, int)
    with pytest.raises(ValueError, match=f"value_and_grad: {text} does something else in training"):
        f(params, x, labels)
    f(params, x, labels, RNG(0))


def test_a_run_with_statistics_learns_and_resumes_bit_for_bit():
    train, test = fcnn.data.synthetic_lines(seed=0)
    model = network()
    params, _ = model.init(RNG(0), (1, 14, 14))
    records = {}
    for threads in (1, 2):
        records[threads] = list(
            fcnn.fit(
                model, params, fcnn.sgd(0.02, momentum=0.9), train, epochs=3, batch_size=100,
                seed=0, test=test, threads=threads,
            )
        )  # fmt: skip
    last = records[1][-1]
    assert last.test_accuracy > 0.9
    assert tree.equal(last.params, records[2][-1].params)
    resumed = list(
        fcnn.fit(
            model, params, fcnn.sgd(0.02, momentum=0.9), train, epochs=3, batch_size=100,
            seed=0, test=test, start=records[1][0],
        )
    )  # fmt: skip
    assert tree.equal(resumed[-1].params, last.params)


def test_wrong_settings():
    for rate in (-0.1, 1, float("nan")):
        with pytest.raises(ValueError, match="dropout: rate is"):
            fcnn.dropout(rate)
    for epsilon in (0, -1, float("nan")):
        with pytest.raises(ValueError, match="batch_norm: epsilon is"):
            fcnn.batch_norm(epsilon=epsilon)
    with pytest.raises(ValueError, match=r"expects images \(C, H, W\) or vectors \(D,\)"):
        fcnn.batch_norm().init(RNG(0), (2, 3))
    params, _ = fcnn.batch_norm().init(RNG(0), (3,))
    with pytest.raises(ValueError, match="x has C=2 channels, but scale expects C=3"):
        fcnn.batch_norm_forward(params, np.ones((4, 2), np.float32))
    with pytest.raises(TypeError, match="params is a tuple, expected a BatchNormParams"):
        fcnn.batch_norm_forward((), np.ones((4, 2), np.float32))
