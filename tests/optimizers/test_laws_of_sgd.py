"""Laws of sgd, tried on drawn networks."""

import numpy as np
import strategies as some
from hypothesis import given
from hypothesis import strategies as st
from strategies import copies, networks

import fcnn
from fcnn import tree


@given(networks(), st.floats(0, 1), st.floats(0, 0.99), some.SEEDS)
def test_a_step_follows_its_equations_and_is_pure(network, rate, momentum, seed):
    rng = np.random.default_rng(seed)
    params = network.params
    grads, v = (
        tree.map(lambda a: rng.standard_normal(a.shape).astype(a.dtype), params) for _ in range(2)
    )
    optimizer = fcnn.sgd(rate, momentum)
    state = tree.map(np.copy, optimizer.init(params))
    state = type(state)(state.steps, v)
    before = copies((params, grads, state))
    new, new_state = optimizer.step(params, grads, state)
    assert tree.equal((params, grads, state), before)
    expected_v = tree.map(lambda v, g: momentum * v - rate * g, v, grads)
    assert tree.equal(new_state.velocity, expected_v)
    assert tree.equal(new, tree.map(np.add, params, expected_v))
    assert int(new_state.steps) == 1
    for leaf in tree.leaves((new, new_state)):
        assert leaf.flags.c_contiguous
        assert not leaf.flags.writeable


@given(networks())
def test_a_rate_of_zero_or_a_gradient_of_zero_changes_nothing(network):
    zeros = tree.map(np.zeros_like, network.params)
    ones = tree.map(np.ones_like, network.params)
    for rate, grads in ((0.0, ones), (0.1, zeros)):
        optimizer = fcnn.sgd(rate, momentum=0.9)
        new, _ = optimizer.step(network.params, grads, optimizer.init(network.params))
        assert tree.equal(new, network.params)
