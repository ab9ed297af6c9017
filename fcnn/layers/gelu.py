"""gelu, y = x * cdf(x) with the normal distribution function cdf(x) = (1 + erf(x / sqrt(2))) / 2.

Finite numbers give finite numbers, however large.
"""

import math
from typing import Final, NamedTuple

import numpy as np

from fcnn.arguments.arrays import check_backward, check_values
from fcnn.layers.layer import layer_without_parameters
from fcnn.numerics.arrays import Array, Shape
from fcnn.numerics.error_function import erf

_SQRT_HALF: Final = math.sqrt(1 / 2)
_NORMAL: Final = 1 / math.sqrt(2 * math.pi)  # the density of the normal distribution at 0


class GeluCache(NamedTuple):
    """What the backward pass needs: x, the normal distribution function at x, and their form."""

    x: Array
    cdf: Array
    out_shape: Shape
    dtype: np.dtype[np.floating]


def gelu_forward(x: Array) -> tuple[Array, GeluCache]:
    """x * cdf(x), with cdf(x) = (1 + erf(x / sqrt(2))) / 2; x as for `relu_forward`.

    The exact function and not its approximation with tanh; see `fcnn.numerics.error_function`.
    Hendrycks, Gimpel: "Gaussian Error Linear Units" (2016).

    Examples
    --------
    >>> import numpy as np
    >>> gelu_forward(np.array([-1.0, 0.0, 1.0]))[0].round(6)
    array([-0.158655,  0.      ,  0.841345])
    """
    check_values("gelu", x)
    cdf = erf(x * _SQRT_HALF)
    cdf += 1
    cdf *= 0.5
    return x * cdf, GeluCache(x, cdf, x.shape, x.dtype)


def gelu_backward(cache: GeluCache, dy: Array) -> Array:
    """dx = dy * (cdf(x) + x * density(x)), with density(x) = exp(-x^2 / 2) / sqrt(2 pi)."""
    check_backward("gelu", cache, GeluCache, dy)
    x, cdf = cache.x, cache.cdf
    with np.errstate(over="ignore"):  # x^2 is inf, and so the density 0, far from zero
        dx = x * x
    dx *= -0.5
    np.exp(dx, out=dx)
    dx *= x
    dx *= _NORMAL
    dx += cdf
    dx *= dy
    return dx


gelu = layer_without_parameters("gelu", gelu_forward, gelu_backward)
