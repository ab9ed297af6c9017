"""Smooth activations: sigmoid, tanh and gelu, element by element.

Finite numbers give finite numbers, however large: where an exponential overflows or vanishes,
the function has its limit.
"""

import numpy as np

from fcnn.arguments.arrays import (
    check_array,
    check_filled,
    check_floats,
    check_gradient,
    check_sizes,
)
from fcnn.layers.layer import layer_without_parameters
from fcnn.numerics.arrays import Array

sigmoid = layer_without_parameters(
    "sigmoid",
    out_shape=lambda in_shape: check_sizes("sigmoid", in_shape),
    forward=lambda x: sigmoid_forward(x),
    backward=lambda cache, dy: sigmoid_backward(cache, dy),
)

tanh = layer_without_parameters(
    "tanh",
    out_shape=lambda in_shape: check_sizes("tanh", in_shape),
    forward=lambda x: tanh_forward(x),
    backward=lambda cache, dy: tanh_backward(cache, dy),
)


def sigmoid_forward(x: Array) -> tuple[Array, Array]:
    """1 / (1 + exp(-x)), element by element; x of any shape, float32 or float64.

    The cache is the output itself. Raises TypeError if x is not a float array, ValueError if
    it is empty or has no axes.

    Examples
    --------
    >>> import numpy as np
    >>> sigmoid_forward(np.array([-1000.0, 0.0, 1000.0]))[0]
    array([0. , 0.5, 1. ])
    """
    check_floats("sigmoid", x=x)
    check_filled("sigmoid", "x", x)
    y = np.negative(x)
    with np.errstate(over="ignore"):  # exp(-x) is inf, and so y = 0, far below zero
        np.exp(y, out=y)
    y += 1
    np.reciprocal(y, out=y)
    return y, y


def sigmoid_backward(cache: Array, dy: Array) -> Array:
    """dx = dy * y * (1 - y), for dy of the shape of x."""
    y = cache
    check_array("sigmoid_backward", "cache", y, "a NumPy array, the output of sigmoid_forward")
    check_gradient("sigmoid_backward", dy, y.shape, y.dtype)
    dx = 1 - y
    dx *= y
    dx *= dy
    return dx


def tanh_forward(x: Array) -> tuple[Array, Array]:
    """The hyperbolic tangent, element by element; x of any shape, float32 or float64.

    The cache is the output itself. Raises TypeError if x is not a float array, ValueError if
    it is empty or has no axes.

    Examples
    --------
    >>> import numpy as np
    >>> tanh_forward(np.array([-1000.0, 0.0, 1000.0]))[0]
    array([-1.,  0.,  1.])
    """
    check_floats("tanh", x=x)
    check_filled("tanh", "x", x)
    y = np.tanh(x)
    return y, y


def tanh_backward(cache: Array, dy: Array) -> Array:
    """dx = dy * (1 - y^2), for dy of the shape of x."""
    y = cache
    check_array("tanh_backward", "cache", y, "a NumPy array, the output of tanh_forward")
    check_gradient("tanh_backward", dy, y.shape, y.dtype)
    dx = y * y
    np.subtract(1, dx, out=dx)
    dx *= dy
    return dx
