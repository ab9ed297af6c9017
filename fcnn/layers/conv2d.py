"""Two-dimensional convolution.

y[n, f, i, j] = b[f] + sum over c, p, q of w[f, c, p, q] * x[n, c, i*SH + p*DH, j*SW + q*DW]

with x padded by zeros: a cross-correlation, as in every library of the field. With G groups,
c runs over the C/G channels of the group of f alone. Forward, it is one batched product of
the kernel with the row windows of x; see `fcnn.numerics.row_windows`.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Literal, NamedTuple, TypeAlias

import attrs
import numpy as np

from fcnn.arguments.arrays import check_backward, shapes
from fcnn.arguments.settings import check_function, check_kind, pair, positive, true_or_false
from fcnn.arguments.wording import shape_error, shown
from fcnn.layers.initializers import Initializer, draw, he_normal, named_unless_usual, zeros
from fcnn.layers.layer import Layer
from fcnn.layers.window_sizes import image_shape, output_size
from fcnn.numerics.arrays import Array, Pair, Shape, as_images, batch_innermost
from fcnn.numerics.products import product
from fcnn.numerics.row_windows import row_products, row_windows, spread
from fcnn.tree.description import in_brief

Padding: TypeAlias = "int | Pair | Literal['same']"


@attrs.frozen(eq=False)
class Conv2dParams:
    """The kernel w (F, C/G, KH, KW), for G groups, and the bias b (F,) or None."""

    w: Array
    b: Array | None

    __repr__ = in_brief


class Conv2dCache(NamedTuple):
    """What the backward pass needs: the parameters, the row windows of x and the shapes."""

    params: Conv2dParams
    windows: Array  # (G, OH, KH*KW*C/G, OW*N)
    in_shape: Shape
    out_shape: Shape
    dtype: np.dtype[np.floating]
    stride: Pair
    offset: Pair  # the padding above and to the left
    dilation: Pair


class _Settings(NamedTuple):
    """How a kernel moves over an image."""

    stride: Pair
    padding: Pair | Literal["same"]
    dilation: Pair
    groups: int


def conv2d(
    features: int,
    kernel: int | Pair = 3,
    *,
    stride: int | Pair = 1,
    padding: Padding = 0,
    dilation: int | Pair = 1,
    groups: int = 1,
    bias: bool = True,
    initializer: Initializer = he_normal,
) -> Layer:
    """Convolution to the given number of features: (C, H, W) -> (F, OH, OW).

    Parameters
    ----------
    features
        F, the number of channels that come out.
    kernel, stride
        An int, or a pair (vertical, horizontal).
    padding
        Zeros on both sides, likewise; or "same", as many as keep (H, W), with a stride of 1.
        If they are odd in number, the last one goes to the bottom or the right.
    dilation
        How far apart the pixels are that the kernel sees, likewise.
    groups
        G: the channels and the features are cut into that many groups, which are convolved
        by themselves. As many as channels: a depthwise convolution.
    bias
        Without it, `params.b` is None: for layers that normalise what comes out.
    initializer
        Of the kernel; the bias starts at zero.

    Raises ValueError for settings that do not fit each other; in init, if the groups do not
    divide the channels, or the kernel exceeds the padded image.
    """
    features = positive("conv2d", "features", features)
    kernel = pair("conv2d", "kernel", kernel, 1)
    own = _checked(stride, padding, dilation, groups)
    if features % own.groups:
        raise ValueError(f"conv2d: {groups} groups do not divide {features} features")
    bias = true_or_false("conv2d", "bias", bias)
    check_function("conv2d", "initializer", initializer)

    def init(rng: np.random.Generator, in_shape: Shape) -> tuple[Conv2dParams, Shape]:
        channels, height, width = image_shape("conv2d", in_shape)
        if channels % own.groups:
            raise ValueError(f"conv2d: {own.groups} groups do not divide C={channels} channels")
        (rows, columns), _ = _geometry((height, width), kernel, own)
        area = kernel[0] * kernel[1]
        shape = (features, channels // own.groups, *kernel)
        w = draw(initializer, rng, shape, shape[1] * area, features // own.groups * area)
        return Conv2dParams(w, zeros(features) if bias else None), (features, rows, columns)

    return Layer(
        "conv2d",
        init,
        forward=lambda params, x, rng=None: _forward(params, x, own),
        backward=conv2d_backward,
        backward_params=conv2d_backward_params,
        settings={"features": features, "kernel": kernel}
        | {"stride": own.stride, "padding": own.padding}
        | ({} if own.dilation == (1, 1) else {"dilation": own.dilation})
        | ({} if own.groups == 1 else {"groups": own.groups})
        | ({} if bias else {"bias": False})
        | named_unless_usual(initializer),
        make=conv2d,
    )


def conv2d_forward(
    params: Conv2dParams,
    x: Array,
    *,
    stride: int | Pair = 1,
    padding: Padding = 0,
    dilation: int | Pair = 1,
    groups: int = 1,
) -> tuple[Array, Conv2dCache]:
    """Convolve a batch of images with a kernel.

    Parameters
    ----------
    params
        w (F, C/G, KH, KW) and b (F,) or None.
    x
        Images (N, C, H, W), of the dtype of the parameters, float32 or float64.
    stride, padding, dilation, groups
        As for `conv2d`.

    Returns
    -------
    y, cache
        y (N, F, OH, OW) with OH = (H + 2 PH - DH (KH - 1) - 1) // SH + 1, OW likewise.

    Raises TypeError for other dtypes or kinds, ValueError for shapes and settings that do not fit.

    Examples
    --------
    >>> import numpy as np
    >>> params = Conv2dParams(w=np.ones((1, 1, 2, 2)), b=np.zeros(1))
    >>> y, cache = conv2d_forward(params, np.arange(9.0).reshape(1, 1, 3, 3))
    >>> y
    array([[[[ 8., 12.],
             [20., 24.]]]])
    """
    return _forward(params, x, _checked(stride, padding, dilation, groups))


def _forward(params: Conv2dParams, x: Array, own: _Settings) -> tuple[Array, Conv2dCache]:
    N, _, H, W, F, KH, KW = _sizes(params, x, own.groups)
    stride, _, dilation, G = own
    (OH, OW), offset = _geometry((H, W), (KH, KW), own)
    windows = row_windows(batch_innermost(x), (KH, KW), stride, offset, (OH, OW), dilation, G)
    # (F, C/G, KH, KW) -> (F, KH, KW, C/G), the order of the rows of a window
    kernel = params.w.transpose(0, 2, 3, 1).reshape(G, F // G, -1)
    y = row_products(kernel, windows)  # (OH, G, F/G, OW*N)
    if params.b is not None:
        y += params.b.reshape(G, -1, 1)
    y = as_images(y.reshape(OH, F, OW, N))
    return y, Conv2dCache(params, windows, x.shape, y.shape, y.dtype, stride, offset, dilation)


def conv2d_backward(cache: Conv2dCache, dy: Array) -> tuple[Conv2dParams, Array]:
    """Gradients of the parameters and of x, from dy (N, F, OH, OW).

    dx is a convolution again: of dy, spread by the stride, with the flipped kernel. The
    gradient of a bias that is None is None.
    """
    dparams = conv2d_backward_params(cache, dy)
    (N, C, H, W), G = cache.in_shape, len(cache.windows)
    KH, KW = cache.params.w.shape[2:]
    (DH, DW), (above, left) = cache.dilation, cache.offset
    offset = ((KH - 1) * DH - above, (KW - 1) * DW - left)
    rows = spread(batch_innermost(dy), cache.stride)
    windows = row_windows(rows, (KH, KW), (1, 1), offset, (H, W), cache.dilation, G)
    # (G, F/G, C/G, KH, KW) -> (G, C/G, KH, KW, F/G), turned by half a circle
    flipped = np.ascontiguousarray(cache.params.w[:, :, ::-1, ::-1])  # BLAS refuses a view
    kernel = flipped.reshape(G, -1, C // G, KH, KW).transpose(0, 2, 3, 4, 1)
    kernel = kernel.reshape(G, C // G, -1)
    dx = row_products(kernel, windows)  # (H, G, C/G, W*N)
    return dparams, as_images(dx.reshape(H, C, W, N))


def conv2d_backward_params(cache: Conv2dCache, dy: Array) -> Conv2dParams:
    """Gradients of the parameters alone: dw[f, c, p, q] = sum of dy[f] * x shifted by p, q."""
    check_backward("conv2d", cache, Conv2dCache, dy)
    params, G = cache.params, len(cache.windows)
    F, _, KH, KW = params.w.shape
    rows = batch_innermost(dy).reshape(cache.out_shape[2], F, -1)  # (OH, F, OW*N)
    # (OH, F, OW*N) -> (G, OH, OW*N, F/G)
    columns = rows.reshape(len(rows), G, F // G, -1).transpose(1, 0, 3, 2)
    # Products row by row, then a sum: several times faster than one long product, or sum.
    dw = product(cache.windows, columns).sum(1)  # -> (G, KH*KW*C/G, F/G)
    # (G, KH, KW, C/G, F/G) -> (G, F/G, C/G, KH, KW)
    dw = dw.reshape(G, KH, KW, -1, F // G).transpose(0, 4, 3, 1, 2)
    dw = np.ascontiguousarray(dw).reshape(params.w.shape)
    if params.b is None:
        return Conv2dParams(w=dw, b=None)
    db = product(rows, np.ones(rows.shape[2], rows.dtype)).sum(0)  # -> (F,)
    return Conv2dParams(w=dw, b=db)


@lru_cache(maxsize=256)
def _geometry(size: Pair, kernel: Pair, own: _Settings) -> tuple[Pair, Pair]:
    """Rows and columns of the output, and the padding above and to the left of the image."""
    (KH, KW), (DH, DW) = kernel, own.dilation
    reach = ((KH - 1) * DH + 1, (KW - 1) * DW + 1)
    if own.padding == "same":
        return size, ((reach[0] - 1) // 2, (reach[1] - 1) // 2)
    noun = "kernel" if reach == kernel else "dilated kernel"
    return output_size("conv2d", size, reach, own.stride, own.padding, noun), own.padding


def _checked(stride: int | Pair, padding: Padding, dilation: int | Pair, groups: int) -> _Settings:
    stride = pair("conv2d", "stride", stride, 1)
    dilation = pair("conv2d", "dilation", dilation, 1)
    groups = positive("conv2d", "groups", groups)
    if not isinstance(padding, str):
        return _Settings(stride, pair("conv2d", "padding", padding, 0), dilation, groups)
    if padding != "same":
        raise TypeError(
            f"conv2d: padding is {shown(padding)}, expected an int, a pair of ints or 'same'"
        )
    if stride != (1, 1):
        raise ValueError(f"conv2d: padding 'same' needs a stride of 1, got {stride}")
    return _Settings(stride, "same", dilation, groups)


def _sizes(params: Conv2dParams, x: Array, groups: int) -> tuple[int, ...]:
    """N, C, H, W, F, KH, KW; ValueError or TypeError if x and the parameters do not fit."""
    check_kind("conv2d", "params", params, Conv2dParams)
    w, b, axes = params.w, params.b, "F, C, KH, KW" if groups == 1 else "F, C/G, KH, KW"
    sizes = shapes("conv2d", x=(x, "N, C, H, W"), w=(w, axes), b=(b, "F or None"))
    if groups == 1:
        return sizes
    N, C, H, W, F, part, KH, KW = sizes
    if part * groups != C:
        raise shape_error(
            f"conv2d: x has C={C} channels, but w expects C={part * groups}, {part} in each of "
            f"{groups} groups",
            x=(x.shape, "N, C, H, W"),
            w=(w.shape, axes),
        )
    if F % groups:
        raise ValueError(f"conv2d: {groups} groups do not divide F={F} features")
    return N, C, H, W, F, KH, KW
