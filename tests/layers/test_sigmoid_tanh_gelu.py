"""Activations far from zero."""

import numpy as np
import pytest
from grids import numbers

import fcnn

SMOOTH = ["sigmoid", "tanh", "gelu"]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
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


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
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
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
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
