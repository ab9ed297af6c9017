"""Activations: relu and leaky_relu, and softmax over the last axis."""

from typing import NamedTuple

import numpy as np

from fcnn.arguments.arrays import (
    check_cache,
    check_filled,
    check_floats,
    check_gradient,
    check_sizes,
)
from fcnn.arguments.settings import number
from fcnn.layers.layer import Layer, layer_without_parameters
from fcnn.numerics.arrays import Array


class ReluCache(NamedTuple):
    """Where x is positive, and the dtype of x."""

    positive: Array
    dtype: np.dtype[np.floating]


class LeakyReluCache(NamedTuple):
    """Where x is positive, the slope elsewhere, and the dtype of x."""

    positive: Array
    slope: float
    dtype: np.dtype[np.floating]


relu = layer_without_parameters(
    "relu",
    out_shape=lambda in_shape: check_sizes("relu", in_shape),
    forward=lambda x: relu_forward(x),
    backward=lambda cache, dy: relu_backward(cache, dy),
    apply=lambda x: _relu(x),
)


def leaky_relu(slope: float = 0.01) -> Layer:
    """max(x, slope * x), with a slope from 0 to 1: a relu whose gradient never dies.

    Maas, Hannun, Ng: "Rectifier nonlinearities improve neural network acoustic models" (2013).
    """
    slope = _checked_slope(slope)
    return layer_without_parameters(
        "leaky_relu",
        out_shape=lambda in_shape: check_sizes("leaky_relu", in_shape),
        forward=lambda x: leaky_relu_forward(x, slope=slope),
        backward=lambda cache, dy: leaky_relu_backward(cache, dy),
        apply=lambda x: _leaky_relu(x, slope),
        settings={"slope": slope},
    )


def relu_forward(x: Array) -> tuple[Array, ReluCache]:
    """max(x, 0), element by element; x of any shape that is not empty, float32 or float64.

    Examples
    --------
    >>> import numpy as np
    >>> relu_forward(np.array([-1.0, 0.0, 2.0]))[0]
    array([0., 0., 2.])
    """
    return _relu(x), ReluCache(x > 0, x.dtype)


def relu_backward(cache: ReluCache, dy: Array) -> Array:
    """dy where x > 0, else 0: the derivative at the kink itself is taken as 0."""
    check_cache("relu", cache, ReluCache)
    positive, dtype = cache
    check_gradient("relu_backward", dy, positive.shape, dtype)
    return dy * positive


def _relu(x: Array) -> Array:
    check_floats("relu", x=x)
    check_filled("relu", "x", x)
    y: Array = np.maximum(x, 0)
    return y


def leaky_relu_forward(x: Array, *, slope: float = 0.01) -> tuple[Array, LeakyReluCache]:
    """max(x, slope * x), element by element.

    Parameters
    ----------
    x
        Of any shape, float32 or float64.
    slope
        From 0 to 1.

    Raises
    ------
    TypeError
        If x is not a float array, or the slope not a number.
    ValueError
        If x is empty or has no axes, or the slope is below 0 or above 1.

    Examples
    --------
    >>> import numpy as np
    >>> leaky_relu_forward(np.array([-1.0, 0.0, 2.0]), slope=0.25)[0]
    array([-0.25,  0.  ,  2.  ])
    """
    slope = _checked_slope(slope)
    return _leaky_relu(x, slope), LeakyReluCache(x > 0, slope, x.dtype)


def leaky_relu_backward(cache: LeakyReluCache, dy: Array) -> Array:
    """dy where x > 0, else slope * dy, at the kink too."""
    check_cache("leaky_relu", cache, LeakyReluCache)
    positive, slope, dtype = cache
    check_gradient("leaky_relu_backward", dy, positive.shape, dtype)
    # 1 where x > 0: several times faster than a choice element by element, and as exact.
    dx: Array = np.maximum(positive, dtype.type(slope))
    dx *= dy
    return dx


def _leaky_relu(x: Array, slope: float) -> Array:
    check_floats("leaky_relu", x=x)
    check_filled("leaky_relu", "x", x)
    y = x * slope
    return np.maximum(x, y, out=y)


def _checked_slope(slope: float) -> float:
    slope = number("leaky_relu", "slope", slope)
    if not 0 <= slope <= 1:
        raise ValueError(f"leaky_relu: slope is {slope}, expected at least 0 and at most 1")
    return slope
