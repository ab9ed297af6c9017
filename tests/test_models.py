"""Networks by name: their structure, and what three steps make of one, as snapshots."""

import numpy as np
import pytest
from snapshots import described

import fcnn
from fcnn import tree


@pytest.mark.parametrize(
    ("name", "in_shape"),
    [
        ("mnist_cnn", (1, 28, 28)),
        ("lines_cnn", (1, 14, 14)),
        ("lenet5", (1, 28, 28)),
        ("linear", (1, 28, 28)),
        ("deep_cnn", (1, 28, 28)),
        ("deep_cnn_small", (1, 28, 28)),
        ("tiny_cnn", (1, 28, 28)),
    ],
)
def test_structure_of_every_model(name, in_shape, file_regression):
    file_regression.check(described(getattr(fcnn.models, name)(), in_shape))


def test_values_after_three_steps(ndarrays_regression):
    # The parameters come from a formula: random streams may change with NumPy's version.
    model = fcnn.models.lines_cnn()
    shapes, _ = model.init(np.random.default_rng(0), (1, 14, 14))
    params = tree.map(lambda a: _waves(a.shape, 0.3), shapes)
    x, labels = _waves((6, 1, 14, 14), 1.0), np.array([0, 1, 2, 0, 1, 2])
    gradient = fcnn.value_and_grad(model, fcnn.softmax_cross_entropy)
    optimizer = fcnn.sgd(0.05, momentum=0.9)
    state = optimizer.init(params)
    for _ in range(3):
        _, grads = gradient(params, x, labels)
        params, state = optimizer.step(params, grads, state)
    ndarrays_regression.check(
        {path: leaf.ravel()[:50] for path, leaf in tree.leaves_with_path(params)},
        default_tolerance={"rtol": 1e-9, "atol": 1e-12},
    )


def _waves(shape, size):
    return size * np.sin(np.arange(np.prod(shape), dtype=np.float64) ** 1.5).reshape(shape)
