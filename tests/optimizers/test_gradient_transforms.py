"""Clipping and penalties: what the optimizer within is handed."""

import math

import numpy as np
import pytest
from optimizer_steps import gradients, parameters

import fcnn
from fcnn import tree


def test_clipping_shrinks_long_gradients_and_hands_on_short_ones():
    handed = []
    spy = fcnn.Optimizer(lambda params: (), lambda p, g, state: (handed.append(g) or p, state))
    params = parameters()
    grads = gradients(params)
    norm = math.sqrt(sum(float((g.astype(float) ** 2).sum()) for g in tree.leaves(grads)))
    fcnn.clip_by_global_norm(spy, norm * 1.001).step(params, grads, ())
    fcnn.clip_by_global_norm(spy, norm / 4).step(params, grads, ())
    assert handed[0] is grads
    assert tree.allclose(handed[1], tree.map(lambda g: g / 4, grads), rtol=1e-5)


@pytest.mark.parametrize("size", [1e-9, 1.0, 1e9])
def test_a_clipped_gradient_is_as_long_as_allowed_however_short_it_was(size):
    handed = []
    spy = fcnn.Optimizer(lambda params: (), lambda p, g, state: (handed.append(g) or p, state))
    grads = (np.array([3.0, 0.0]) * size, np.array([[4.0]]) * size)
    fcnn.clip_by_global_norm(spy, size).step(tree.map(np.zeros_like, grads), grads, ())
    assert tree.allclose(handed[0], tree.map(lambda g: g / 5, grads), rtol=1e-12, atol=0)


def test_the_norm_of_large_float32_gradients_does_not_overflow():
    params = (np.zeros(4, np.float32),)
    optimizer = fcnn.clip_by_global_norm(fcnn.sgd(1.0), 1.0)
    grads = (np.full(4, 1e30, np.float32),)
    params, _ = optimizer.step(params, grads, optimizer.init(params))
    assert np.allclose(params[0], -0.5)


@pytest.mark.parametrize("value", [np.inf, np.nan])
def test_clipping_refuses_what_has_no_finite_norm(value):
    params = (np.zeros(2),)
    optimizer = fcnn.clip_by_global_norm(fcnn.sgd(1.0), 1.0)
    with pytest.raises(ValueError, match=f"clip_by_global_norm: the norm .* is {value}"):
        optimizer.step(params, (np.array([1.0, value]),), optimizer.init(params))


def test_the_outermost_wrapper_sees_the_gradient_first():
    params, grads = (np.full((1, 1), 10.0),), (np.full((1, 1), 3.0),)

    def moved(optimizer):
        return float(optimizer.step(params, grads, optimizer.init(params))[0][0][0, 0]) - 10

    inner = fcnn.sgd(1.0)
    assert moved(fcnn.clip_by_global_norm(fcnn.l2_penalty(inner, 0.5), 1)) == pytest.approx(-6)
    assert moved(fcnn.l2_penalty(fcnn.clip_by_global_norm(inner, 1), 0.5)) == pytest.approx(-1)
