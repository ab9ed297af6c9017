"""Activations: relu and leaky_relu, and softmax over the last axis."""

import numpy as np

from fcnn.arguments.arrays import check_array, check_floats, check_gradient, check_sizes
from fcnn.layers.layer import layer_without_parameters
from fcnn.numerics.arrays import Array

softmax = layer_without_parameters(
    "softmax",
    out_shape=lambda in_shape: check_sizes("softmax", in_shape, 1),
    forward=lambda x: softmax_forward(x),
    backward=lambda cache, dy: softmax_backward(cache, dy),
)


def softmax_forward(x: Array) -> tuple[Array, Array]:
    """exp(x) / sum of exp(x) over the last axis, shifted by the maximum so as not to overflow.

    x is (..., K), not empty, float32 or float64; the cache is the output itself.

    Examples
    --------
    >>> import numpy as np
    >>> softmax_forward(np.log([[1.0, 3.0]]))[0]
    array([[0.25, 0.75]])
    """
    check_floats("softmax", x=x)
    if x.ndim == 0 or x.size == 0:
        raise ValueError(f"softmax: x has shape {x.shape}, expected (..., K), not empty")
    with np.errstate(over="ignore"):  # -inf, and so p = 0, is right
        e = np.exp(x - x.max(-1, keepdims=True))
    p = e / e.sum(-1, keepdims=True)
    return p, p


def softmax_backward(cache: Array, dy: Array) -> Array:
    """The product of dy with the full Jacobian diag(p) - p p^T, which is never built.

    dx = p * (dy - sum of p * dy over the last axis)
    """
    p = cache
    check_array("softmax_backward", "cache", p, "a NumPy array, the output of softmax_forward")
    check_gradient("softmax_backward", dy, p.shape, p.dtype)
    dx: Array = p * (dy - (p * dy).sum(-1, keepdims=True))
    return dx
