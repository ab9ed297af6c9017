"""The dense layer: y = x @ w + b."""

from __future__ import annotations

from typing import NamedTuple

import attrs
import numpy as np

from fcnn.arguments.arrays import check_backward, check_shape, shapes
from fcnn.arguments.settings import check_function, check_kind, positive, true_or_false
from fcnn.layers.initializers import Initializer, draw, he_normal, named_unless_usual, zeros
from fcnn.layers.layer import Layer
from fcnn.numerics.arrays import Array, Shape
from fcnn.numerics.products import product
from fcnn.tree.description import in_brief


@attrs.frozen(eq=False)
class DenseParams:
    """The weights w (D, K) and the bias b (K,), or None, of y = x @ w + b."""

    w: Array
    b: Array | None

    __repr__ = in_brief


class DenseCache(NamedTuple):
    """What the backward pass needs: the parameters and x, and the form of the output."""

    params: DenseParams
    x: Array
    out_shape: Shape
    dtype: np.dtype[np.floating]


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
        backward=dense_backward,
        backward_params=dense_backward_params,
        apply=_output,
        settings={"features": features}
        | ({} if bias else {"bias": False})
        | named_unless_usual(initializer),
        make=dense,
    )


def dense_forward(params: DenseParams, x: Array) -> tuple[Array, DenseCache]:
    """y = x @ w + b.

    Parameters
    ----------
    params
        w (D, K) and b (K,) or None.
    x
        Vectors (N, D), of the dtype of the parameters, float32 or float64; y is (N, K).

    Raises TypeError for other dtypes, ValueError for shapes that do not fit.

    Examples
    --------
    >>> import numpy as np
    >>> params = DenseParams(w=np.array([[1.0, 0.0], [2.0, 1.0]]), b=np.array([0.5, 0.0]))
    >>> dense_forward(params, np.array([[1.0, 1.0]]))[0]
    array([[3.5, 1. ]])
    """
    y = _output(params, x)
    return y, DenseCache(params, x, y.shape, x.dtype)


def _output(params: DenseParams, x: Array) -> Array:
    check_kind("dense", "params", params, DenseParams)
    w, b = params.w, params.b
    shapes("dense", x=(x, "N, D"), w=(w, "D, K"), b=(b, "K or None"))
    y = product(w.T, x.T)  # (K, D) @ (D, N) -> (K, N): the batch stays innermost
    if b is not None:
        y += b[:, None]
    return y.T


def dense_backward(cache: DenseCache, dy: Array) -> tuple[DenseParams, Array]:
    """Gradients of the parameters and of x, from dy (N, K): dx = dy @ w.T."""
    dparams = dense_backward_params(cache, dy)
    return dparams, product(cache.params.w, dy.T).T  # (D, K) @ (K, N) -> (D, N)


def dense_backward_params(cache: DenseCache, dy: Array) -> DenseParams:
    """Gradients of the parameters alone: dw = x.T @ dy, db = the sum of dy over the batch."""
    check_backward("dense", cache, DenseCache, dy)
    db = None if cache.params.b is None else dy.sum(0)
    return DenseParams(w=product(cache.x.T, dy), b=db)
