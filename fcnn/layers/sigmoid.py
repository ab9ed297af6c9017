"""sigmoid, y = 1 / (1 + exp(-x)), and tanh. Both derivatives are functions of y.

Finite numbers give finite numbers, however large: where the exponential overflows or vanishes,
the function has its limit.
"""

import numpy as np

from fcnn.arguments.arrays import check_backward_from_output, check_values
from fcnn.layers.layer import layer_without_parameters
from fcnn.numerics.arrays import Array


def sigmoid_forward(x: Array) -> tuple[Array, Array]:
    """1 / (1 + exp(-x)), element by element; x as for `relu_forward`. The cache is the output.

    Examples
    --------
    >>> import numpy as np
    >>> sigmoid_forward(np.array([-1000.0, 0.0, 1000.0]))[0]
    array([0. , 0.5, 1. ])
    """
    check_values("sigmoid", x)
    y = np.negative(x)
    with np.errstate(over="ignore"):  # exp(-x) is inf, and so y = 0, far below zero
        np.exp(y, out=y)
    y += 1
    np.reciprocal(y, out=y)
    return y, y


def sigmoid_backward(cache: Array, dy: Array) -> Array:
    """dx = dy * y * (1 - y), for dy of the shape of x."""
    y = cache
    check_backward_from_output("sigmoid", y, dy)
    dx = 1 - y
    dx *= y
    dx *= dy
    return dx


def tanh_forward(x: Array) -> tuple[Array, Array]:
    """The hyperbolic tangent, element by element; x as for `relu_forward`. The cache is the output.

    Examples
    --------
    >>> import numpy as np
    >>> tanh_forward(np.array([-1000.0, 0.0, 1000.0]))[0]
    array([-1.,  0.,  1.])
    """
    check_values("tanh", x)
    y = np.tanh(x)
    return y, y


def tanh_backward(cache: Array, dy: Array) -> Array:
    """dx = dy * (1 - y^2), for dy of the shape of x."""
    y = cache
    check_backward_from_output("tanh", y, dy)
    dx = y * y
    np.subtract(1, dx, out=dx)
    dx *= dy
    return dx


sigmoid = layer_without_parameters("sigmoid", sigmoid_forward, sigmoid_backward)
tanh = layer_without_parameters("tanh", tanh_forward, tanh_backward)
