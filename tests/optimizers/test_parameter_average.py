"""Averages of the parameters: which steps they are of, with which weights."""

import numpy as np
import pytest
from optimizer_steps import gradients, parameters, path_of

import fcnn
from fcnn import tree


def test_average_is_a_mean_of_two_trees():
    a, b = parameters(np.float64), gradients(parameters(np.float64))
    expected = tree.map(lambda x, y: 0.9 * x + 0.1 * y, a, b)
    assert tree.allclose(fcnn.average(a, b, 0.9), expected, rtol=1e-13)
    assert tree.allclose(fcnn.average(a, b, 0), b, rtol=1e-13)
    assert tree.equal(fcnn.average(a, b, 1), a)
    assert tree.equal(fcnn.average(a, a, 0.999), a)  # a mean that stands still does not drift


@pytest.mark.parametrize("large", [1e8, -1e30])
def test_an_average_holds_nothing_of_what_it_left(large):
    def leaf(value):
        return (np.array([value], np.float32),)

    assert fcnn.average(leaf(large), leaf(3), 0.0)[0][0] == 3
    assert fcnn.average(leaf(3), leaf(large), 1.0)[0][0] == 3
    optimizer = fcnn.with_average(fcnn.Optimizer(lambda p: (), lambda p, g, s: (g, s)), 0.9)
    params, state = leaf(large), optimizer.init(leaf(large))
    for value in (3, 4):  # steps that go to what they are given
        params, state = optimizer.step(params, leaf(value), state)
    assert fcnn.averaged(state)[0][0] == pytest.approx((0.9 * 3 + 4) / 1.9, rel=1e-6)


@pytest.mark.parametrize("decay", [0.0, 0.5, 0.99, 0.9999])
def test_the_average_is_of_the_steps_taken_and_holds_nothing_of_the_initial_parameters(decay):
    params = parameters(np.float64)
    optimizer = fcnn.with_average(fcnn.sgd(0.1, 0.9), decay)
    assert tree.equal(fcnn.averaged(optimizer.init(params)), params)
    for steps in (1, 2, 30):
        seen, state = path_of(optimizer, params, steps)
        weights = np.array([decay ** (steps - k) for k in range(1, steps + 1)])
        weights /= weights.sum()
        expected = tree.map(
            lambda *ps, w=weights: sum(a * p for a, p in zip(w, ps, strict=True)), *seen
        )
        assert tree.allclose(fcnn.averaged(state), expected, rtol=1e-9, atol=1e-12)
        assert int(state.steps) == steps


def test_an_average_beside_them_does_not_change_the_steps():
    params = parameters()
    plain = fcnn.adam(0.01)
    expected, inner = path_of(plain, params, 4)
    found, state = path_of(fcnn.with_average(plain, 0.9), params, 4)
    assert tree.equal(found, expected)
    assert tree.equal(state.inner, inner)


def test_only_the_state_of_with_average_has_an_average():
    state = fcnn.sgd(0.1).init(parameters())
    with pytest.raises(TypeError, match="averaged: state is a SgdState, expected an AverageState"):
        fcnn.averaged(state)
