"""ONNX's operators that are layers of fcnn: a function for each, of a node and its inputs."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from fcnn.exchange.onnx_values import (
    Known,
    Means,
    Node,
    Padded,
    constant_of,
    for_one_example,
    parameter,
    value_of,
)
from fcnn.exchange.series_parallel import Value
from fcnn.layers.avg_pool2d import avg_pool2d, global_avg_pool
from fcnn.layers.batch_norm import BatchNormParams, batch_norm
from fcnn.layers.conv2d import Conv2dParams, conv2d
from fcnn.layers.dense import DenseParams, dense
from fcnn.layers.gelu import gelu
from fcnn.layers.layer import Layer
from fcnn.layers.max_pool2d import max_pool2d
from fcnn.layers.relu import leaky_relu, relu
from fcnn.layers.sigmoid import sigmoid, tanh
from fcnn.layers.softmax import softmax
from fcnn.layers.window_sizes import output_size
from fcnn.numerics.arrays import Array, Pair

_NONE: Final = (0, 0, 0, 0)  # no padding


# Activations


def _elementwise(layer: Layer) -> Callable[..., Known]:
    return lambda node, x: node.layer(value_of(x), layer)


def _leaky_relu(node: Node, x: Known) -> Known:
    return node.layer(value_of(x), leaky_relu(node.number("alpha", 0.01)))


def _softmax(node: Node, x: Known) -> Known:
    value = value_of(x)
    last = len(value.shape)
    axis = node.integer("axis", -1 if node.opset >= 13 else 1)
    if axis not in (-1, last) or (node.opset < 13 and last > 1):
        raise ValueError(f"it is along axis {axis} of {last + 1}; softmax is along the last one")
    return node.layer(value, softmax)


def _gelu(node: Node, x: Known) -> Known:
    if (approximate := node.text("approximate", "none")) != "none":
        raise ValueError(
            f"it is approximated by {approximate}, gelu is exact; export it as such, in PyTorch "
            "nn.GELU(approximate='none')"
        )
    return node.layer(value_of(x), gelu)


# Convolutions and pools, and the padding before them


def _conv(node: Node, x: Known, w: Known, b: Known | None = None) -> Known:
    images, before = _images(x, 0)
    kernel = node.kernel(w)
    if kernel.ndim != 4:
        raise ValueError(f"its kernel is {kernel.shape}, expected (F, C/G, KH, KW)")
    (C, H, W), (F, _, KH, KW) = images.shape, kernel.shape
    groups = node.integer("group", 1)
    stride, dilation = _pair(node, "strides"), _pair(node, "dilations")
    if groups < 1 or C % groups or node.integers("kernel_shape", (KH, KW)) != (KH, KW):
        raise ValueError(f"its kernel is {kernel.shape}, and does not fit (N, {C}, {H}, {W})")
    reach = ((KH - 1) * dilation[0] + 1, (KW - 1) * dilation[1] + 1)
    size = (H + before[0] + before[2], W + before[1] + before[3])
    pads, same = _pads(node, size, reach, stride)
    pads = tuple(a + b for a, b in zip(pads, before, strict=True))
    padding: Any = "same" if same and before == _NONE else _padding(pads, reach, stride)
    layer = conv2d(
        F, (KH, KW), stride=stride, padding=padding, dilation=dilation, groups=groups,
        bias=b is not None,
    )  # fmt: skip
    params = Conv2dParams(
        parameter(kernel, "kernel", (F, C // groups, KH, KW)),
        None if b is None else parameter(b, "bias", (F,)),
    )
    size = (H, W)
    if padding != "same":
        size = output_size("conv2d", size, reach, stride, padding, "kernel")
    return node.layer(images, layer, params, (F, *size))


def _images(given: Known, pixel: float) -> tuple[Value, tuple[int, ...]]:
    """Images, and the padding of that pixel that they are given before."""
    if isinstance(given, Padded) and given.pixel == pixel:
        return given.x, given.pads
    return value_of(given, 3), _NONE


def _pair(node: Node, name: str) -> Pair:
    vertical, horizontal = node.integers(name, (1, 1))
    if vertical < 1 or horizontal < 1:
        raise ValueError(f"{name} are {(vertical, horizontal)}, expected at least 1")
    return vertical, horizontal


def _pads(node: Node, size: Pair, reach: Pair, stride: Pair) -> tuple[tuple[int, ...], bool]:
    """A window's padding above, to the left, below and to the right, and whether it is "same"."""
    auto = node.text("auto_pad", "NOTSET")
    if auto == "NOTSET":
        return node.integers("pads", _NONE), False
    if auto == "VALID":
        return _NONE, False
    if auto not in ("SAME_UPPER", "SAME_LOWER"):
        raise ValueError(f"auto_pad is {auto!r:.60}")
    more = [max(0, (-(-size[i] // stride[i]) - 1) * stride[i] + reach[i] - size[i]) for i in (0, 1)]
    less = [m // 2 for m in more]
    rest = [m - m // 2 for m in more]
    upper = auto == "SAME_UPPER"
    pads = (*less, *rest) if upper else (*rest, *less)
    return pads, stride == (1, 1) and (upper or less == rest)


def _padding(pads: Sequence[int], reach: Pair, stride: Pair) -> Any:
    """A convolution's padding, from that above, to the left, below and to the right."""
    before, after = tuple(pads[:2]), tuple(pads[2:])
    if before == after:
        return before
    less = ((reach[0] - 1) // 2, (reach[1] - 1) // 2)
    if stride == (1, 1) and before == less and after == (reach[0] // 2, reach[1] // 2):
        return "same"
    raise ValueError(
        f"its padding is {before} above and to the left, but {after} below and to the right"
    )


def _max_pool(node: Node, x: Known) -> Known:
    images, before = _images(x, -math.inf)
    return node.layer(images, max_pool2d(**_pool_settings(node, before)))


def _average_pool(node: Node, x: Known) -> Known:
    images, before = _images(x, 0)
    settings = _pool_settings(node, before)
    if any(_own_pads(node)) and not node.integer("count_include_pad"):
        raise ValueError("its padding does not count in the mean, that of avg_pool2d does")
    return node.layer(images, avg_pool2d(**settings))


def _pool_settings(node: Node, before: tuple[int, ...]) -> dict[str, Any]:
    if node.integer("ceil_mode"):
        raise ValueError("ceil_mode is 1, but pools leave out what fills no whole window")
    if _pair(node, "dilations") != (1, 1):
        raise ValueError("the pixels of its windows are apart, those of fcnn's pools are not")
    pads = tuple(a + b for a, b in zip(_own_pads(node), before, strict=True))
    if pads[:2] != pads[2:]:
        raise ValueError(f"its padding is {pads[:2]} on one side, but {pads[2:]} on the other")
    window = node.integers("kernel_shape", (0, 0))
    return {"window": window, "stride": _pair(node, "strides"), "padding": pads[:2]}


def _own_pads(node: Node) -> tuple[int, ...]:
    """The padding of a pool: above, to the left, below and to the right."""
    if (auto := node.text("auto_pad", "NOTSET")) not in ("NOTSET", "VALID"):
        raise ValueError(f"auto_pad is {auto!r:.60}, expected pads")
    return node.integers("pads", _NONE) if auto == "NOTSET" else _NONE


def _global_average_pool(node: Node, x: Known) -> Known:
    images = value_of(x, 3)
    _, H, W = images.shape
    means = node.layer(images, avg_pool2d((H, W)))
    return Means(images, means, means.shape)


def _reduce_mean(node: Node, x: Known, axes: Known | None = None) -> Known:
    if node.axes(axes, 4) != (2, 3):
        raise ValueError("it is a mean along other axes than (2, 3), those of global_avg_pool")
    if node.integer("keepdims", 1):
        return _global_average_pool(node, x)
    return node.layer(value_of(x, 3), global_avg_pool)


def _pad(
    node: Node, x: Known, pads: Known | None = None, pixel: Known | None = None,
    axes: Known | None = None,
) -> Known:  # fmt: skip
    images, before = _images(x, 0)
    if node.text("mode", "constant") != "constant" or before != _NONE:
        raise ValueError("it is no padding by one number")
    along = range(4) if axes is None else [int(axis) % 4 for axis in constant_of(axes).ravel()]
    widths = node.attributes.get("pads") if pads is None else constant_of(pads).ravel().tolist()
    if widths is None or len(widths) != 2 * len(along):
        raise ValueError("its pads are not two for each axis")
    around = {axis: (widths[i], widths[i + len(along)]) for i, axis in enumerate(along)}
    rows, columns = around.pop(2, (0, 0)), around.pop(3, (0, 0))
    if any(map(any, around.values())) or min(*rows, *columns) < 0:
        raise ValueError("it pads other axes than those of pixels, or cuts pixels off")
    number = node.attributes.get("value", 0.0) if pixel is None else constant_of(pixel).item()
    return Padded(images, (rows[0], columns[0], rows[1], columns[1]), float(number))


# Batch normalisation and dense layers


def _batch_norm(node: Node, x: Known, *given: Known) -> Known:
    value = value_of(x)
    if node.integer("training_mode"):
        raise ValueError("it is in training mode; export the network in inference mode")
    if len(given) != 4 or len(value.shape) not in (1, 3):
        raise ValueError("expected images or vectors, a scale, a shift, a mean and a variance")
    names = ("scale", "shift", "mean", "variance")
    arrays = [parameter(a, name, value.shape[:1]) for a, name in zip(given, names, strict=True)]
    layer = batch_norm(epsilon=node.number("epsilon", 1e-5))
    return node.layer(value, layer, BatchNormParams(*arrays), value.shape)


def _gemm(node: Node, a: Known, b: Known, c: Known | None = None) -> Known:
    if node.integer("transA"):
        raise ValueError("it transposes the batch")
    alpha, beta = node.number("alpha", 1.0), node.number("beta", 1.0)
    w = node.kernel(b)
    if node.integer("transB"):
        w = w.T
    bias = None if c is None else _scaled(constant_of(c), beta)
    return _dense(node, a, _scaled(w, alpha), bias)


def _mat_mul(node: Node, a: Known, b: Known) -> Known:
    return _dense(node, a, node.kernel(b), None)


def _dense(node: Node, x: Known, w: Array, b: Array | None) -> Known:
    value = value_of(x, 1)
    if w.ndim != 2:
        raise ValueError(f"its weights are {w.shape}, expected (D, K)")
    K = w.shape[1]
    params = DenseParams(
        parameter(w, "weights", (value.shape[0], K)),
        None if b is None else parameter(for_one_example(b, (K,)), "bias", (K,)),
    )
    return node.layer(value, dense(K, bias=b is not None), params, (K,))


def _scaled(array: Array, factor: float) -> Array:
    return array if factor == 1 else array * array.dtype.type(factor)


OF_LAYERS: Final[Mapping[str, Callable[..., Known]]] = {
    "AveragePool": _average_pool, "BatchNormalization": _batch_norm, "Conv": _conv, "Gelu": _gelu,
    "Gemm": _gemm, "GlobalAveragePool": _global_average_pool, "LeakyRelu": _leaky_relu,
    "MatMul": _mat_mul, "MaxPool": _max_pool, "Pad": _pad, "ReduceMean": _reduce_mean,
    "Relu": _elementwise(relu), "Sigmoid": _elementwise(sigmoid), "Softmax": _softmax,
    "Tanh": _elementwise(tanh),
}  # fmt: skip
