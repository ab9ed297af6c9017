"""Losses whose values can be written down, and limits that only an exact value shows."""

import numpy as np
import pytest

import fcnn

LABELS = np.array([0, 1, 2, 0])
OUTPUTS = np.random.default_rng(0).random((4, 3))

each_loss = pytest.mark.parametrize(
    "loss", [fcnn.cross_entropy, fcnn.softmax_cross_entropy], ids=repr
)


@pytest.mark.parametrize(("dtype", "exponent"), [(np.float32, 126), (np.float64, 1022)])
def test_a_probability_of_0_counts_as_the_smallest_normal_number(dtype, exponent):
    p = np.array([[0, 1], [1, 0]], dtype)
    loss, cache = fcnn.cross_entropy_forward(p, np.array([0, 0]))
    assert loss == pytest.approx(exponent * np.log(2) / 2, rel=1e-7)
    dp = fcnn.cross_entropy_backward(cache)
    assert dp.tolist() == [[-(2.0 ** (exponent - 1)), 0], [-0.5, 0]]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_small_probability_counts_as_it_is(dtype):
    p = np.array([[2.0**-100, 1]], dtype)
    loss, cache = fcnn.cross_entropy_forward(p, np.array([0]))
    assert loss == pytest.approx(100 * np.log(2), rel=1e-6)
    assert fcnn.cross_entropy_backward(cache).tolist() == [[-(2.0**100), 0]]


@each_loss
def test_the_mean_of_float32_losses_is_taken_in_float64(loss):
    value, _ = loss.forward(OUTPUTS.astype(np.float32), LABELS)
    assert value != float(np.float32(value))
    assert value == pytest.approx(loss.forward(OUTPUTS, LABELS)[0], rel=1e-6)


@each_loss
def test_losses_write_to_nothing_and_their_caches_serve_again(loss):
    outputs, labels = OUTPUTS.copy(), LABELS.copy()
    outputs.flags.writeable = labels.flags.writeable = False
    _, cache = loss.forward(outputs, labels)
    first = loss.backward(cache)
    kept = first.copy()
    loss.backward(loss.forward(outputs[::-1].copy(), labels)[1])
    second = loss.backward(cache)
    assert np.array_equal(first, kept)
    assert np.array_equal(second, kept)
    first[:] = 7
    assert np.array_equal(loss.backward(cache), kept)
