"""Assignment: softplus, y = log(1 + exp(x)), forward and backward.

Replace the two lines that raise. Use NumPy alone. Hand in this file.
"""

import numpy as np


def softplus_forward(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The outputs y, like x, and a cache: whatever the backward function will need."""
    raise NotImplementedError


def softplus_backward(cache: np.ndarray, dy: np.ndarray) -> np.ndarray:
    """dx, the gradient of the loss by x, given dy, that by y."""
    raise NotImplementedError
