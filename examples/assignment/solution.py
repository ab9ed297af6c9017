"""The two functions of a full solution.

With e = exp(x), the derivative of log(1 + e) is e / (1 + e) = 1 / (1 + exp(-x)), the sigmoid,
which is exp(-softplus(-x)): nothing in it overflows.
"""

import numpy as np


def softplus_forward(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """log(exp(0) + exp(x)); `logaddexp` takes the greater exponent out first."""
    return np.logaddexp(0, x), x


def softplus_backward(cache: np.ndarray, dy: np.ndarray) -> np.ndarray:
    """dy times the sigmoid of x."""
    x = cache
    return dy * np.exp(-np.logaddexp(0, -x))
