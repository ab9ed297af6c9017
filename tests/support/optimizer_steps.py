"""Parameters, gradients and steps for the tests of optimizers."""

import numpy as np

import fcnn
from fcnn import tree


def parameters(dtype=np.float32):
    params, _ = fcnn.models.lines_cnn().init(np.random.default_rng(0), (1, 14, 14))
    return tree.map(lambda a: a.astype(dtype), params)


def gradients(params, seed=1):
    rng = np.random.default_rng(seed)
    return tree.map(lambda a: rng.standard_normal(a.shape).astype(a.dtype), params)


def path_of(optimizer, params, steps):
    """Parameters after each of some steps with gradients of their own, and the last state."""
    state, seen = optimizer.init(params), []
    for step in range(steps):
        params, state = optimizer.step(params, gradients(params, step), state)
        seen.append(params)
    return seen, state
