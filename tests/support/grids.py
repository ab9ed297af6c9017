"""Numbers of every size."""

import numpy as np


def numbers(dtype):
    """A dense grid of both signs, from the least numbers there are to the greatest."""
    form = np.finfo(dtype)
    least = np.geomspace(float(form.smallest_subnormal), 1, 5000)
    great = np.geomspace(1, float(form.max) / 2, 500)
    grid = np.concatenate([np.linspace(0, 7, 50_001), least, great, [form.max, np.inf]])
    return np.concatenate([-grid, grid]).astype(dtype)
