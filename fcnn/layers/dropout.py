"""dropout, y = x m / (1 - rate) with a random m of zeros and ones; in inference y = x."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from fcnn.arguments.arrays import check_backward, check_sizes, check_values
from fcnn.arguments.settings import below_one, check_kind
from fcnn.layers.layer import Layer
from fcnn.numerics.arrays import Array, Shape


class DropoutCache(NamedTuple):
    """What x was multiplied by, 0 or 1 / (1 - rate), or None in inference; and the form of x."""

    mask: Array | None
    out_shape: Shape
    dtype: np.dtype[np.floating]


def dropout(rate: float) -> Layer:
    """Set each value to 0 with probability `rate`, below 1, in training; scale the others up.

    Srivastava and others: "Dropout" (2014), in the form that does nothing in inference: what
    is kept is divided by 1 - rate, so that the expectation stays.
    """
    rate = below_one("dropout", "rate", rate)
    return Layer(
        "dropout",
        init=lambda rng, in_shape: ((), check_sizes("dropout", in_shape)),
        forward=lambda params, x, rng=None: _forward(x, rng, rate),
        backward=lambda cache, dy: ((), dropout_backward(cache, dy)),
        backward_params=lambda cache, dy: (),
        apply=lambda params, x: x,
        needs_rng=True,
        settings={"rate": rate},
        make=dropout,
    )


def dropout_forward(
    x: Array, rng: np.random.Generator | None = None, *, rate: float
) -> tuple[Array, DropoutCache]:
    """x where a number drawn for each value is at least `rate`, divided by 1 - rate.

    x is (N, ...), float32 or float64; without rng the output is x itself. What is drawn
    depends on the shape of x, not on its memory order.
    """
    return dropout(rate).forward((), x, rng)


def _forward(x: Array, rng: np.random.Generator | None, rate: float) -> tuple[Array, DropoutCache]:
    check_values("dropout", x)
    if rng is None:
        return x, DropoutCache(None, x.shape, x.dtype)
    check_kind("dropout", "rng", rng, np.random.Generator)
    if x.ndim == 4:  # drawn in memory order: (H, C, W, N) -> (N, C, H, W)
        N, C, H, W = x.shape
        drawn = rng.random((H, C, W, N), np.float32).transpose(3, 1, 0, 2)
    else:
        drawn = rng.random(x.shape[::-1], np.float32).T
    mask = (drawn >= rate) * x.dtype.type(1 / (1 - rate))
    return x * mask, DropoutCache(mask, x.shape, x.dtype)


def dropout_backward(cache: DropoutCache, dy: Array) -> Array:
    """dy where x was kept, divided by 1 - rate; 0 elsewhere."""
    check_backward("dropout", cache, DropoutCache, dy)
    return dy if cache.mask is None else dy * cache.mask
