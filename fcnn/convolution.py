"""Two-dimensional convolution.

y[n, f, i, j] = b[f] + sum over c, p, q of w[f, c, p, q] * x[n, c, i*SH + p, j*SW + q]

with x padded by zeros: a cross-correlation, as in every library of the field. Forward, it
is one batched product of the kernel with the row windows of x; see `fcnn.row_windows`.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import attrs
import numpy as np

from fcnn.arrays import Array, Pair, Shape, as_images, batch_innermost
from fcnn.geometry import image_shape, output_size
from fcnn.initializers import Initializer, draw, he_normal, named_unless_usual, zeros
from fcnn.layer import Layer
from fcnn.row_windows import row_windows, spread
from fcnn.validation import (
    IMAGES,
    check_axes,
    check_cache,
    check_floats,
    check_function,
    check_gradient,
    check_kind,
    pair,
    positive,
    shape_error,
)

_QUICK: Final = 1_000_000  # multiply-adds
_FEW_ROWS: Final = 16


@attrs.frozen(eq=False)
class Conv2dParams:
    """The kernel w (F, C, KH, KW) and the bias b (F,)."""

    w: Array
    b: Array


class Conv2dCache(NamedTuple):
    """What the backward pass needs: the parameters, the row windows of x and the shapes."""

    params: Conv2dParams
    windows: Array  # (OH, KH*KW*C, OW*N)
    in_shape: Shape
    out_shape: Shape
    stride: Pair
    padding: Pair


def conv2d(
    features: int,
    kernel: int | Pair = 3,
    *,
    stride: int | Pair = 1,
    padding: int | Pair = 0,
    initializer: Initializer = he_normal,
) -> Layer:
    """Convolution to the given number of features: (C, H, W) -> (F, OH, OW).

    Parameters
    ----------
    features
        F, the number of channels that come out.
    kernel, stride, padding
        An int, or a pair (vertical, horizontal). Padding is zeros on both sides.
    initializer
        Of the kernel; the bias starts at zero.
    """
    features = positive("conv2d", "features", features)
    kernel = pair("conv2d", "kernel", kernel, 1)
    stride = pair("conv2d", "stride", stride, 1)
    padding = pair("conv2d", "padding", padding, 0)
    check_function("conv2d", "initializer", initializer)

    def init(rng: np.random.Generator, in_shape: Shape) -> tuple[Conv2dParams, Shape]:
        channels, height, width = image_shape("conv2d", in_shape)
        rows, columns = output_size("conv2d", (height, width), kernel, stride, padding, "kernel")
        area = kernel[0] * kernel[1]
        shape = (features, channels, *kernel)
        w = draw(initializer, rng, shape, channels * area, features * area)
        return Conv2dParams(w, zeros(features)), (features, rows, columns)

    return Layer(
        "conv2d",
        init,
        forward=lambda params, x, rng=None: conv2d_forward(
            params, x, stride=stride, padding=padding
        ),
        backward=lambda cache, dy: conv2d_backward(cache, dy),
        backward_params=lambda cache, dy: conv2d_backward_params(cache, dy),
        settings={"features": features, "kernel": kernel, "stride": stride, "padding": padding}
        | named_unless_usual(initializer),
    )


def conv2d_forward(
    params: Conv2dParams, x: Array, *, stride: int | Pair = 1, padding: int | Pair = 0
) -> tuple[Array, Conv2dCache]:
    """Convolve a batch of images with a kernel.

    Parameters
    ----------
    params
        w (F, C, KH, KW) and b (F,).
    x
        Images (N, C, H, W), of the dtype of the parameters, float32 or float64.
    stride, padding
        An int, or a pair (vertical, horizontal).

    Returns
    -------
    y, cache
        y (N, F, OH, OW) with OH = (H + 2 PH - KH) // SH + 1, OW likewise.

    Raises
    ------
    TypeError
        If the dtypes differ or are not floats.
    ValueError
        If the shapes do not fit, or the kernel exceeds the padded image.

    Examples
    --------
    >>> import numpy as np
    >>> params = Conv2dParams(w=np.ones((1, 1, 2, 2)), b=np.zeros(1))
    >>> y, cache = conv2d_forward(params, np.arange(9.0).reshape(1, 1, 3, 3))
    >>> y
    array([[[[ 8., 12.],
             [20., 24.]]]])
    """
    stride, padding = pair("conv2d", "stride", stride, 1), pair("conv2d", "padding", padding, 0)
    _check_arguments(params, x)
    N, _, H, W = x.shape
    F, _, KH, KW = params.w.shape
    OH, OW = output_size("conv2d", (H, W), (KH, KW), stride, padding, "kernel")
    windows = row_windows(batch_innermost(x), (KH, KW), stride, padding, (OH, OW))
    # (F, C, KH, KW) -> (F, KH, KW, C): the order of the rows of a window
    kernel = params.w.transpose(0, 2, 3, 1).reshape(F, -1)
    y = _row_products(kernel, windows)  # (F, KH*KW*C) @ (OH, KH*KW*C, OW*N) -> (OH, F, OW*N)
    y += params.b[:, None]
    cache = Conv2dCache(params, windows, x.shape, (N, F, OH, OW), stride, padding)
    return as_images(y.reshape(OH, F, OW, N)), cache


def conv2d_backward(cache: Conv2dCache, dy: Array) -> tuple[Conv2dParams, Array]:
    """Gradients of the parameters and of x, from dy (N, F, OH, OW).

    dx is a convolution again: of dy, spread by the stride, with the flipped kernel.
    """
    dparams = conv2d_backward_params(cache, dy)
    N, C, H, W = cache.in_shape
    KH, KW = cache.params.w.shape[2:]
    offset = (KH - 1 - cache.padding[0], KW - 1 - cache.padding[1])
    rows = spread(batch_innermost(dy), cache.stride)
    windows = row_windows(rows, (KH, KW), (1, 1), offset, (H, W))
    # (F, C, KH, KW) -> (C, KH, KW, F), turned by half a circle
    kernel = cache.params.w[:, :, ::-1, ::-1].transpose(1, 2, 3, 0).reshape(C, -1)
    dx = _row_products(kernel, windows)  # (C, KH*KW*F) @ (H, KH*KW*F, W*N) -> (H, C, W*N)
    return dparams, as_images(dx.reshape(H, C, W, N))


def conv2d_backward_params(cache: Conv2dCache, dy: Array) -> Conv2dParams:
    """Gradients of the parameters alone: dw[f, c, p, q] = sum of dy[f] * x shifted by p, q."""
    check_cache("conv2d", cache, Conv2dCache)
    check_gradient("conv2d_backward", dy, cache.out_shape, cache.params.w.dtype)
    F, C, KH, KW = cache.params.w.shape
    rows = batch_innermost(dy)  # (OH, F, OW, N)
    rows = rows.reshape(len(rows), F, -1)  # (OH, F, OW*N)
    # Products row by row, then a sum: several times faster than one long product, or sum.
    dw = np.matmul(cache.windows, rows.transpose(0, 2, 1)).sum(0)  # -> (KH*KW*C, F)
    db = np.matmul(rows, np.ones(rows.shape[2], rows.dtype)).sum(0)  # -> (F,)
    dw = dw.reshape(KH, KW, C, F).transpose(3, 2, 0, 1)  # -> (F, C, KH, KW)
    return Conv2dParams(w=np.ascontiguousarray(dw), b=db)


def _row_products(kernel: Array, windows: Array) -> Array:
    """The product of a kernel (F, D) with each of the row windows (OH, D, M).

    OpenBLAS has a quick way for small products, up to a million multiply-adds. Products with
    few rows just beyond that are two to three times slower, so their columns are cut.
    """
    (F, D), (OH, _, M) = kernel.shape, windows.shape
    parts = -(-F * D * M // _QUICK) if F <= _FEW_ROWS else 1
    y = np.empty((OH, F, M), windows.dtype)
    for i in range(parts):
        columns = slice(i * M // parts, (i + 1) * M // parts)
        np.matmul(kernel, windows[:, :, columns], out=y[:, :, columns])
    return y


def _check_arguments(params: Any, x: Array) -> None:
    check_kind("conv2d", "params", params, Conv2dParams)
    check_floats("conv2d", x=x, w=params.w, b=params.b)
    check_axes("conv2d", "x", x, IMAGES)
    check_axes("conv2d", "w", params.w, "F, C, KH, KW")
    if x.shape[1] != params.w.shape[1]:
        raise shape_error(
            f"conv2d: x has C={x.shape[1]} channels, but w expects C={params.w.shape[1]}",
            x=(x.shape, IMAGES),
            w=(params.w.shape, "F, C, KH, KW"),
        )
    if params.b.shape != params.w.shape[:1]:
        raise shape_error(
            f"conv2d: w has F={len(params.w)} features, but b does not",
            w=(params.w.shape, "F, C, KH, KW"),
            b=(params.b.shape, "F"),
        )
