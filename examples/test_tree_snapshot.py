"""Snapshot tests of a parameter tree, to copy into a project of your own.

Needs `pip install pytest-regressions`. The first run writes the snapshots beside this file
and fails, so that you look at them before you commit them; from then on a tree that is not
the same fails the test and shows the difference. `pytest --force-regen` accepts what is new.
"""

import numpy as np

import fcnn

MODEL = fcnn.chain(
    fcnn.conv2d(4, 3, padding=1), fcnn.relu, fcnn.max_pool2d(2), fcnn.flatten, fcnn.dense(3)
)


def test_structure(file_regression):
    """Exactly: every path, dtype and shape, one line each."""
    params, _ = MODEL.init(np.random.default_rng(0), (1, 14, 14))
    file_regression.check(fcnn.tree.describe(params))


def test_values_after_a_step(ndarrays_regression):
    """With a tolerance: kernels of BLAS differ in the last bits from machine to machine.

    The parameters come from a formula, since random streams may change with NumPy's version.
    """
    shapes, _ = MODEL.init(np.random.default_rng(0), (1, 14, 14))
    params = fcnn.tree.map(lambda a: _waves(a.shape), shapes)
    gradient = fcnn.value_and_grad(MODEL, fcnn.softmax_cross_entropy)
    optimizer = fcnn.sgd(0.1)
    _, grads = gradient(params, _waves((2, 1, 14, 14)), np.array([0, 2]))
    params, _ = optimizer.step(params, grads, optimizer.init(params))
    ndarrays_regression.check(
        dict(fcnn.tree.leaves_with_path(params)), default_tolerance={"rtol": 1e-9, "atol": 1e-12}
    )


def _waves(shape):
    return np.sin(np.arange(np.prod(shape), dtype=np.float64)).reshape(shape)
