"""Stochastic gradient descent: its equations, written out."""

import numpy as np
import pytest
from optimizer_steps import gradients, parameters, path_of

import fcnn
from fcnn import tree


@pytest.mark.parametrize("nesterov", [False, True])
@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_sgd_follows_its_equations(momentum, nesterov):
    params = parameters(np.float64)
    rates = [0.1, 0.1, 0.3, 0.05, 0.2]
    p, v = params, tree.map(np.zeros_like, params)
    for step, rate in enumerate(rates):
        pull = tree.map(lambda g, rate=rate: rate * g, gradients(params, step))
        v = tree.map(lambda v, r: momentum * v - r, v, pull)
        p = tree.map(lambda p, v, r: p + (momentum * v - r if nesterov else v), p, v, pull)
    seen, state = path_of(
        fcnn.sgd(lambda step: rates[step], momentum, nesterov=nesterov), params, 5
    )
    assert tree.allclose(seen[-1], p, rtol=1e-13)
    assert tree.allclose(state.velocity, v, rtol=1e-13)
    assert tree.structure(seen[-1]) == tree.structure(p)
    assert int(state.steps) == 5


def test_nesterov_is_the_gradient_at_the_place_ahead():
    # Sutskever et al., equations 3 and 4, for q^2: the gradient is taken at q + m v.
    m, eta, q, v = 0.9, 0.1, 1.0, 0.0
    optimizer = fcnn.sgd(eta, m, nesterov=True)
    params = (np.array([q]),)
    state = optimizer.init(params)
    for _ in range(20):
        v = m * v - eta * 2 * (q + m * v)
        q = q + v
        params, state = optimizer.step(params, (2 * params[0],), state)
        assert params[0][0] == pytest.approx(q + m * v, abs=1e-12)


@pytest.mark.parametrize("nesterov", [False, True])
def test_weight_decay_of_sgd_is_decoupled(nesterov):
    params = parameters(np.float64)
    grads = gradients(params)
    plain = fcnn.sgd(0.1, 0.9, nesterov=nesterov)
    decaying = fcnn.sgd(0.1, 0.9, nesterov=nesterov, weight_decay=0.5)
    state = plain.step(params, grads, plain.init(params))[1]
    expected, expected_state = plain.step(params, grads, state)
    found, found_state = decaying.step(params, grads, state)
    assert tree.equal(found_state, expected_state)  # nothing of it enters the velocity
    expected = tree.map(lambda e, p: e - (0.05 * p if p.ndim > 1 else 0), expected, params)
    assert tree.allclose(found, expected, rtol=1e-13)


def test_the_learning_rate_may_be_a_function_of_the_step():
    seen = []

    def schedule(step):
        seen.append(step)
        return np.float64(0.5) / (step + 1)

    optimizer = fcnn.sgd(schedule)
    params = (np.ones(2, np.float32),)
    state = optimizer.init(params)
    for _ in range(3):
        params, state = optimizer.step(params, (np.ones(2, np.float32),), state)
    assert seen == [0, 1, 2]
    assert params[0].dtype == np.float32
    assert np.allclose(params[0], 1 - 0.5 - 0.25 - 0.5 / 3)
