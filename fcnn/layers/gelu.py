"""Smooth activations: sigmoid, tanh and gelu, element by element.

Finite numbers give finite numbers, however large: where an exponential overflows or vanishes,
the function has its limit.
"""

import math
from typing import Final, NamedTuple

import numpy as np

from fcnn.arguments.arrays import (
    check_cache,
    check_filled,
    check_floats,
    check_gradient,
    check_sizes,
)
from fcnn.layers.layer import layer_without_parameters
from fcnn.numerics.arrays import Array
from fcnn.numerics.error_function import erf

_SQRT_HALF: Final = math.sqrt(1 / 2)
_NORMAL: Final = 1 / math.sqrt(2 * math.pi)  # the density of the normal distribution at 0

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
