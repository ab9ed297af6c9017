"""relu, y = max(x, 0), and leaky_relu, y = max(x, slope * x)."""

from typing import NamedTuple

import numpy as np

from fcnn.arguments.arrays import check_backward, check_values
from fcnn.arguments.settings import fraction
from fcnn.layers.layer import Layer, layer_without_parameters
from fcnn.numerics.arrays import Array, Shape


class ReluCache(NamedTuple):
    """Where x is positive, and the shape and dtype of x."""

    positive: Array
    out_shape: Shape
    dtype: np.dtype[np.floating]


class LeakyReluCache(NamedTuple):
    """Where x is positive, the slope elsewhere, and the shape and dtype of x."""

    positive: Array
    slope: float
    out_shape: Shape
    dtype: np.dtype[np.floating]


def relu_forward(x: Array) -> tuple[Array, ReluCache]:
    """max(x, 0), element by element; x of any shape, float32 or float64.

    Raises TypeError if x is not a float array, ValueError if it is empty or has no axes.

    Examples
    --------
    >>> import numpy as np
    >>> relu_forward(np.array([-1.0, 0.0, 2.0]))[0]
    array([0., 0., 2.])
    """
    return _relu(x), ReluCache(x > 0, x.shape, x.dtype)


def relu_backward(cache: ReluCache, dy: Array) -> Array:
    """dy where x > 0, else 0: the derivative at the kink itself is taken as 0."""
    check_backward("relu", cache, ReluCache, dy)
    return dy * cache.positive


def _relu(x: Array) -> Array:
    check_values("relu", x)
    y: Array = np.maximum(x, 0)
    return y


relu = layer_without_parameters("relu", relu_forward, relu_backward, apply=_relu)


def leaky_relu(slope: float = 0.01) -> Layer:
    """max(x, slope * x), with a slope from 0 to 1: a relu whose gradient never dies.

    Maas, Hannun, Ng: "Rectifier nonlinearities improve neural network acoustic models" (2013).
    """
    slope = fraction("leaky_relu", "slope", slope)

    def apply(x: Array) -> Array:
        check_values("leaky_relu", x)
        y = x * slope
        return np.maximum(x, y, out=y)

    def forward(x: Array) -> tuple[Array, LeakyReluCache]:
        return apply(x), LeakyReluCache(x > 0, slope, x.shape, x.dtype)

    return layer_without_parameters(
        "leaky_relu",
        forward,
        leaky_relu_backward,
        apply=apply,
        settings={"slope": slope},
        make=leaky_relu,
    )


def leaky_relu_forward(x: Array, *, slope: float = 0.01) -> tuple[Array, LeakyReluCache]:
    """max(x, slope * x), element by element, with a slope from 0 to 1; x as for `relu_forward`.

    Examples
    --------
    >>> import numpy as np
    >>> leaky_relu_forward(np.array([-1.0, 0.0, 2.0]), slope=0.25)[0]
    array([-0.25,  0.  ,  2.  ])
    """
    return leaky_relu(slope).forward((), x)


def leaky_relu_backward(cache: LeakyReluCache, dy: Array) -> Array:
    """dy where x > 0, else slope * dy, at the kink too."""
    check_backward("leaky_relu", cache, LeakyReluCache, dy)
    # 1 where x > 0: several times faster than a choice element by element, and as exact.
    dx: Array = np.maximum(cache.positive, cache.dtype.type(cache.slope))
    dx *= dy
    return dx
