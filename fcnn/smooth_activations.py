"""Smooth activations: sigmoid, tanh and gelu, element by element.

Finite numbers give finite numbers, however large: where an exponential overflows or vanishes,
the function has its limit.
"""

import math
from typing import Final, NamedTuple

import numpy as np

from fcnn.arrays import Array
from fcnn.error_function import erf
from fcnn.layer import layer_without_parameters
from fcnn.validation import (
    check_array,
    check_cache,
    check_filled,
    check_floats,
    check_gradient,
    check_sizes,
)

_SQRT_HALF: Final = math.sqrt(1 / 2)
_NORMAL: Final = 1 / math.sqrt(2 * math.pi)  # the density of the normal distribution at 0

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

gelu = layer_without_parameters(
    "gelu",
    out_shape=lambda in_shape: check_sizes("gelu", in_shape),
    forward=lambda x: gelu_forward(x),
    backward=lambda cache, dy: gelu_backward(cache, dy),
)


class GeluCache(NamedTuple):
    """What the backward pass needs: x, and the normal distribution function at x."""

    x: Array
    cdf: Array


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


def gelu_forward(x: Array) -> tuple[Array, GeluCache]:
    """x * cdf(x), with the distribution function of the normal distribution.

    cdf(x) = (1 + erf(x / sqrt(2))) / 2, exactly and not by the approximation with tanh; see
    `fcnn.error_function`. x of any shape, float32 or float64. Hendrycks, Gimpel:
    "Gaussian Error Linear Units" (2016).

    Raises TypeError if x is not a float array, ValueError if it is empty or has no axes.

    Examples
    --------
    >>> import numpy as np
    >>> gelu_forward(np.array([-1.0, 0.0, 1.0]))[0].round(6)
    array([-0.158655,  0.      ,  0.841345])
    """
    check_floats("gelu", x=x)
    check_filled("gelu", "x", x)
    cdf = erf(x * _SQRT_HALF)
    cdf += 1
    cdf *= 0.5
    return x * cdf, GeluCache(x, cdf)


def gelu_backward(cache: GeluCache, dy: Array) -> Array:
    """dx = dy * (cdf(x) + x * density(x)), with density(x) = exp(-x^2 / 2) / sqrt(2 pi)."""
    check_cache("gelu", cache, GeluCache)
    x, cdf = cache
    check_gradient("gelu_backward", dy, x.shape, x.dtype)
    with np.errstate(over="ignore"):  # x^2 is inf, and so the density 0, far from zero
        dx = x * x
    dx *= -0.5
    np.exp(dx, out=dx)
    dx *= x
    dx *= _NORMAL
    dx += cdf
    dx *= dy
    return dx
