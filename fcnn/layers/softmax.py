"""softmax over the last axis, p = exp(x) / sum of exp(x)."""

import numpy as np

from fcnn.arguments.arrays import check_backward_from_output, check_floats, check_sizes
from fcnn.layers.layer import layer_without_parameters
from fcnn.numerics.arrays import Array


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
    check_backward_from_output("softmax", p, dy)
    with np.errstate(over="ignore", invalid="ignore"):
        dx = _times_jacobian(p, dy)
    if not np.isfinite(dx).all():  # a difference overflowed, where none of quarters can
        dx = 4 * _times_jacobian(p, dy / 4)
    return dx


def _times_jacobian(p: Array, dy: Array) -> Array:
    dx: Array = p * (dy - (p * dy).sum(-1, keepdims=True))
    return dx


softmax = layer_without_parameters(
    "softmax",
    softmax_forward,
    softmax_backward,
    out_shape=lambda in_shape: check_sizes("softmax", in_shape, 1),
)
