"""The dense layer: y = x @ w + b."""

from __future__ import annotations

from typing import Any, NamedTuple

import attrs
import numpy as np

from fcnn.arguments.arrays import check_axes, check_cache, check_floats, check_gradient, check_shape
from fcnn.arguments.settings import check_function, check_kind, positive, true_or_false
from fcnn.arguments.wording import shape_error
from fcnn.layers.initializers import Initializer, draw, he_normal, named_unless_usual, zeros
from fcnn.layers.layer import Layer
from fcnn.numerics.arrays import Array, Shape


@attrs.frozen(eq=False)
class DenseParams:
    """The weights w (D, K) and the bias b (K,), or None, of y = x @ w + b."""

    w: Array
    b: Array | None


class DenseCache(NamedTuple):
    """What the backward pass needs: the parameters and x."""

    params: DenseParams
    x: Array


def dense(features: int, *, bias: bool = True, initializer: Initializer = he_normal) -> Layer:
    """A dense layer to the given number of features: (D,) -> (K,).

    The bias starts at zero; without one, `params.b` is None.
    """
    features = positive("dense", "features", features)
    bias = true_or_false("dense", "bias", bias)
    check_function("dense", "initializer", initializer)

    def init(rng: np.random.Generator, in_shape: Shape) -> tuple[DenseParams, Shape]:
        in_shape = check_shape("dense", in_shape)
        if len(in_shape) != 1 or in_shape[0] < 1:
            raise ValueError(f"dense: expects vectors (D,), got {in_shape}; put flatten before it")
        w = draw(initializer, rng, (in_shape[0], features), in_shape[0], features)
        return DenseParams(w, zeros(features) if bias else None), (features,)

    return Layer(
        "dense",
        init,
        forward=lambda params, x, rng=None: dense_forward(params, x),
        backward=lambda cache, dy: dense_backward(cache, dy),
        backward_params=lambda cache, dy: dense_backward_params(cache, dy),
        settings={"features": features}
        | ({} if bias else {"bias": False})
        | named_unless_usual(initializer),
    )


def dense_forward(params: DenseParams, x: Array) -> tuple[Array, DenseCache]:
    """y = x @ w + b.

    Parameters
    ----------
    params
        w (D, K) and b (K,) or None.
    x
        Vectors (N, D), of the dtype of the parameters, float32 or float64.

    Returns
    -------
    y, cache
        y (N, K).

    Raises
    ------
    TypeError
        If the dtypes differ or are not floats.
    ValueError
        If the shapes do not fit.

    Examples
    --------
    >>> import numpy as np
    >>> params = DenseParams(w=np.array([[1.0, 0.0], [2.0, 1.0]]), b=np.array([0.5, 0.0]))
    >>> dense_forward(params, np.array([[1.0, 1.0]]))[0]
    array([[3.5, 1. ]])
    """
    _check_arguments(params, x)
    y = params.w.T @ x.T  # (K, D) @ (D, N) -> (K, N): the batch stays innermost
    if params.b is not None:
        y += params.b[:, None]
    return y.T, DenseCache(params, x)


def dense_backward(cache: DenseCache, dy: Array) -> tuple[DenseParams, Array]:
    """Gradients of the parameters and of x, from dy (N, K): dx = dy @ w.T."""
    dparams = dense_backward_params(cache, dy)
    return dparams, (cache.params.w @ dy.T).T  # (D, K) @ (K, N) -> (D, N)


def dense_backward_params(cache: DenseCache, dy: Array) -> DenseParams:
    """Gradients of the parameters alone: dw = x.T @ dy, db = the sum of dy over the batch."""
    check_cache("dense", cache, DenseCache)
    params, x = cache
    check_gradient("dense_backward", dy, (len(x), params.w.shape[1]), x.dtype)
    return DenseParams(w=x.T @ dy, b=None if params.b is None else dy.sum(0))


def _check_arguments(params: Any, x: Array) -> None:
    check_kind("dense", "params", params, DenseParams)
    w, b = params.w, params.b
    if b is None:
        check_floats("dense", x=x, w=w)
    else:
        check_floats("dense", x=x, w=w, b=b)
    check_axes("dense", "x", x, "N, D")
    check_axes("dense", "w", w, "D, K")
    if x.shape[1] != w.shape[0]:
        raise shape_error(
            f"dense: x has D={x.shape[1]} values, but w expects D={w.shape[0]}",
            x=(x.shape, "N, D"),
            w=(w.shape, "D, K"),
        )
    if b is not None and b.shape != w.shape[1:]:
        raise shape_error(
            f"dense: w has K={w.shape[1]} features, but b does not",
            w=(w.shape, "D, K"),
            b=(b.shape, "K"),
        )
