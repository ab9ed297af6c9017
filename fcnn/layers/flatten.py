"""flatten: images to vectors, (N, C, H, W) -> (N, C*H*W)."""

import math
from typing import NamedTuple

import numpy as np

from fcnn.arguments.arrays import check_backward, check_sizes, check_values
from fcnn.layers.layer import layer_without_parameters
from fcnn.numerics.arrays import Array, Shape


class FlattenCache(NamedTuple):
    """The shape of x, that of the output, and their dtype."""

    in_shape: Shape
    out_shape: Shape
    dtype: np.dtype[np.floating]


def flatten_forward(x: Array) -> tuple[Array, FlattenCache]:
    """(N, C, H, W) -> (N, C*H*W), in the order of x.reshape(N, -1); float32 or float64.

    Examples
    --------
    >>> import numpy as np
    >>> flatten_forward(np.arange(8.0).reshape(2, 1, 2, 2))[0]
    array([[0., 1., 2., 3.],
           [4., 5., 6., 7.]])
    """
    y = _vectors(x)
    return y, FlattenCache(x.shape, y.shape, x.dtype)


def _vectors(x: Array) -> Array:
    check_values("flatten", x, least_axes=2)
    # (N, C, H, W) -> (C, H, W, N) -> (D, N): the batch stays innermost
    columns: Array = x.transpose(*range(1, x.ndim), 0).reshape(-1, len(x))
    return columns.T


def flatten_backward(cache: FlattenCache, dy: Array) -> Array:
    """dy (N, C*H*W) as (N, C, H, W)."""
    check_backward("flatten", cache, FlattenCache, dy)
    N, *shape = cache.in_shape
    columns = dy.T.reshape(*shape, N)  # (D, N) -> (C, H, W, N)
    return np.moveaxis(columns, -1, 0)  # -> (N, C, H, W)


flatten = layer_without_parameters(
    "flatten",
    flatten_forward,
    flatten_backward,
    apply=_vectors,
    out_shape=lambda in_shape: (math.prod(check_sizes("flatten", in_shape, 1)),),
)
