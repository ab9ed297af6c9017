"""Adam and AdamW: their equations, written out."""

import numpy as np
import pytest
from optimizer_steps import gradients, parameters, path_of

import fcnn
from fcnn import tree


@pytest.mark.parametrize("decay", [0.0, 0.2])
def test_adamw_follows_its_equations(decay):
    params = parameters(np.float64)
    rates, b1, b2, epsilon = [0.1, 0.3, 0.05, 0.2], 0.8, 0.95, 1e-3
    optimizer = fcnn.adamw(lambda step: rates[step], b1, b2, epsilon=epsilon, weight_decay=decay)
    p, m, s = params, tree.map(np.zeros_like, params), tree.map(np.zeros_like, params)
    for t, rate in enumerate(rates, 1):
        grads = gradients(params, t - 1)
        m = tree.map(lambda m, g: b1 * m + (1 - b1) * g, m, grads)
        s = tree.map(lambda s, g: b2 * s + (1 - b2) * g**2, s, grads)

        def move(p, m, s, t=t, rate=rate):
            kept = 1 - rate * decay if p.ndim > 1 else 1
            return kept * p - rate * (m / (1 - b1**t)) / (np.sqrt(s / (1 - b2**t)) + epsilon)

        p = tree.map(move, p, m, s)
    seen, state = path_of(optimizer, params, 4)
    assert tree.allclose(seen[-1], p, rtol=1e-12)
    assert tree.allclose((state.mean, state.square), (m, s), rtol=1e-12)
    assert int(state.steps) == 4
    if not decay:
        plain = fcnn.adam(lambda step: rates[step], b1, b2, epsilon=epsilon)
        assert tree.equal(path_of(plain, params, 4)[0], seen)


def test_adam_does_not_move_what_has_no_gradient():
    params = (np.ones(2, np.float32),)
    optimizer = fcnn.adam(0.1)
    state = optimizer.init(params)
    for _ in range(3):
        params, state = optimizer.step(params, (np.array([0, 1], np.float32),), state)
    assert params[0][0] == 1
    assert params[0][1] < 0.8
