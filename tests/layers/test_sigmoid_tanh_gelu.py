"""The error function, and activations far from zero."""

import math

import numpy as np
import pytest

import fcnn
from fcnn.numerics.error_function import erf

FORMS = {np.float32: 3e-7, np.float64: 5e-16}
SMOOTH = ["sigmoid", "tanh", "gelu"]


def numbers(dtype):
    """A dense grid of both signs, from the least numbers there are to the greatest."""
    form = np.finfo(dtype)
    least = np.geomspace(float(form.smallest_subnormal), 1, 5000)
    great = np.geomspace(1, float(form.max) / 2, 500)
    grid = np.concatenate([np.linspace(0, 7, 50_001), least, great, [form.max, np.inf]])
    return np.concatenate([-grid, grid]).astype(dtype)


@pytest.mark.parametrize("dtype", FORMS)
def test_erf_is_that_of_math_to_a_few_roundings(dtype):
    x = numbers(dtype)
    with np.errstate(all="raise", under="ignore"):
        y = erf(x)
    expected = np.array([math.erf(float(v)) for v in x])
    assert y.dtype == dtype
    least = np.finfo(dtype).smallest_subnormal
    assert (np.abs(y - expected) <= FORMS[dtype] * np.abs(expected) + least).all()


@pytest.mark.parametrize("dtype", FORMS)
def test_erf_is_odd_stays_between_its_limits_and_reaches_them(dtype):
    x = numbers(dtype)
    y = erf(x)
    assert np.array_equal(erf(-x), -y)
    assert np.abs(y).max() == 1
    assert (y[x >= 6] == 1).all()
    assert np.array_equal(np.signbit(erf(np.array([0.0, -0.0], dtype))), [False, True])
    assert np.isnan(erf(np.array([np.nan], dtype))).all()


def test_erf_keeps_the_memory_order_and_its_argument():
    x = np.random.default_rng(0).standard_normal((4, 3, 5, 2)).transpose(3, 1, 0, 2)
    before = x.copy()
    y = erf(x)
    assert y.strides == x.strides
    assert np.array_equal(x, before)
    assert np.array_equal(y, erf(np.ascontiguousarray(x)))


@pytest.mark.parametrize("dtype", FORMS)
@pytest.mark.parametrize("name", SMOOTH)
def test_activations_of_any_finite_number_are_finite_and_silent(name, dtype):
    x = numbers(dtype)
    x = x[np.isfinite(x)]
    layer = getattr(fcnn, name)
    with np.errstate(all="raise", under="ignore"):
        y, cache = layer.forward((), x)
        _, dx = layer.backward(cache, np.ones_like(x))
    assert np.isfinite(y).all()
    assert np.isfinite(dx).all()


@pytest.mark.parametrize("dtype", FORMS)
def test_activations_reach_their_limits(dtype):
    great = np.array([-1e30, 1e30], dtype)
    for name, limits, slopes in [
        ("sigmoid", [0, 1], [0, 0]),
        ("tanh", [-1, 1], [0, 0]),
        ("gelu", [0, great[1]], [0, 1]),
    ]:
        layer = getattr(fcnn, name)
        y, cache = layer.forward((), great)
        assert y.tolist() == limits
        assert layer.backward(cache, np.ones_like(y))[1].tolist() == slopes


def test_sigmoid_is_as_exact_far_below_zero_as_it_is_small():
    x = -np.linspace(1, 700, 1000)
    y, _ = fcnn.sigmoid_forward(x)
    assert np.allclose(y, np.exp(x) / (1 + np.exp(x)), rtol=1e-14, atol=0)


def test_gelu_is_not_its_approximation_by_tanh():
    x = np.array([1.0])
    assert fcnn.gelu_forward(x)[0][0] == pytest.approx(0.8413447460685429, abs=1e-15)
    by_tanh = 0.5 * (1 + np.tanh(np.sqrt(2 / np.pi) * 1.044715))
    assert abs(by_tanh - fcnn.gelu_forward(x)[0][0]) > 1e-4


@pytest.mark.parametrize("slope", [0, 0.01, 0.5, 1])
@pytest.mark.parametrize("dtype", FORMS)
def test_leaky_relu_is_the_identity_above_and_a_line_below(slope, dtype):
    x = numbers(dtype)
    x = x[np.isfinite(x)]
    y, cache = fcnn.leaky_relu_forward(x, slope=slope)
    dx = fcnn.leaky_relu_backward(cache, np.ones_like(x))
    assert np.array_equal(y, np.where(x > 0, x, dtype(slope) * x))
    assert np.array_equal(dx, np.where(x > 0, dtype(1), dtype(slope)))


def test_leaky_relu_at_zero_is_the_limit_from_below():
    x = np.zeros((2, 3))
    layer = fcnn.leaky_relu(0.2)
    fcnn.check.layer(layer, (3,), x=x, approach=-np.ones_like(x))
    with pytest.raises(fcnn.check.GradientMismatch):
        fcnn.check.layer(layer, (3,), x=x, approach=np.ones_like(x))
