"""Grades `softplus.py`. Each test that passes gives its points."""

import numpy as np
import pytest
from softplus import softplus_backward, softplus_forward

import fcnn

# What was handed in, as a layer. It has no parameters, (), and keeps the shape.
softplus = fcnn.Layer(
    "softplus",
    init=lambda rng, in_shape: ((), in_shape),
    forward=lambda params, x, rng=None: softplus_forward(x),
    backward=lambda cache, dy: ((), softplus_backward(cache, dy)),
)


@pytest.mark.points(1)
def test_values():
    y, _ = softplus_forward(np.array([[-1.0, 0.0, 1.0]]))
    assert y == pytest.approx(np.array([[0.313262, 0.693147, 1.313262]]), abs=1e-6)


@pytest.mark.points(4)
def test_gradient():
    fcnn.check.layer(softplus, (2, 3), jacobian=True)


@pytest.mark.points(2)
@pytest.mark.filterwarnings("error")
def test_large_numbers():
    y, cache = softplus_forward(np.array([-1000.0, 1000.0]))
    assert y.tolist() == [0, 1000]
    assert softplus_backward(cache, np.ones(2)).tolist() == [0, 1]


@pytest.mark.points(1)
def test_nothing_is_written_to():
    x, dy = np.linspace(-2, 2, 5), np.linspace(1, 3, 5)
    kept_x, kept_dy = x.copy(), dy.copy()
    _, cache = softplus_forward(x)
    first, second = softplus_backward(cache, dy), softplus_backward(cache, dy)
    assert first.tolist() == second.tolist()
    assert (x.tolist(), dy.tolist()) == (kept_x.tolist(), kept_dy.tolist())


@pytest.mark.points(2)
def test_a_network_learns_with_it():
    train, test = fcnn.data.synthetic_lines(seed=0)
    model = fcnn.chain(fcnn.flatten, fcnn.dense(16), softplus, fcnn.dense(3))
    params, _ = model.init(np.random.default_rng(0), (1, 14, 14))
    optimizer = fcnn.sgd(0.05, momentum=0.9)
    *_, last = fcnn.fit(model, params, optimizer, train, epochs=5, batch_size=32, seed=0, test=test)
    assert last.test_accuracy > 0.95
