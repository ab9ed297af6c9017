"""What the nodes of an ONNX graph are in fcnn: a function for each operator.

A node's inputs are constants (arrays), what layers compute (`Value`), or what becomes a layer only
with the nodes that follow: the terms of a GELU that is spelled out, images with padding for the
convolution or pool after it, means that are still images. The shape of a batch is a constant too:
where the number of examples is free, it is a number that no constant in a file has.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeAlias

import attrs
import numpy as np

from fcnn.exchange.series_parallel import Merge, Value
from fcnn.layers.avg_pool2d import avg_pool2d, global_avg_pool
from fcnn.layers.batch_norm import BatchNormParams, batch_norm
from fcnn.layers.conv2d import Conv2dParams, conv2d
from fcnn.layers.dense import DenseParams, dense
from fcnn.layers.flatten import flatten
from fcnn.layers.gelu import gelu
from fcnn.layers.layer import Layer
from fcnn.layers.max_pool2d import max_pool2d
from fcnn.layers.relu import leaky_relu, relu
from fcnn.layers.sigmoid import sigmoid, tanh
from fcnn.layers.softmax import softmax
from fcnn.layers.window_sizes import output_size
from fcnn.numerics.arrays import Array, Pair, Shape, freeze
from fcnn.tree import Tree

ANY_BATCH: Final = 1_000_003  # examples, where their number is free
MOST: Final = 2**26  # numbers of a value of an example
FEW: Final = 4096  # numbers of a constant that is computed from others
_NONE: Final = (0, 0, 0, 0)  # no padding
_NOT_GELU: Final = (
    "but not as in GELU, x / 2 * (1 + erf(x / sqrt(2))), in PyTorch nn.GELU(approximate='none')"
)
_FLOAT: Final = 1  # ONNX's number for float32


@attrs.frozen
class Padded:
    """Images with pixels around them: above, left, below, right."""

    x: Value
    pads: tuple[int, ...]
    pixel: float


@attrs.frozen
class Means:
    """The means of images' channels: global_avg_pool, once they are flattened."""

    x: Value
    images: Value
    shape: Shape  # (C, 1, 1), or (C, 1) on the way to (C,)


@attrs.frozen
class Stack:
    """Values along a new first axis, to be added along it."""

    values: tuple[Value, ...]


@attrs.frozen
class Term:
    """factor * x * (erf(slope * x) + offset), or without x, or without erf: parts of a GELU."""

    x: Value
    factor: float = 1.0
    with_x: bool = True
    erf: tuple[float, float] | None = None  # slope and offset


Known: TypeAlias = "Array | Value | Padded | Means | Stack | Term"


@attrs.frozen
class Node:
    """A node: its operator, its name in errors, its attributes; what is known of the graph."""

    operator: str
    name: str
    attributes: Mapping[str, Any]
    opset: int
    batch: int
    kernels: dict[int, str]  # by their place in memory, the nodes that kernels belong to

    def integer(self, name: str, usual: int = 0) -> int:
        """An attribute that is an integer."""
        return int(_of_kind(name, self.attributes.get(name, usual), int))

    def number(self, name: str, usual: float) -> float:
        """An attribute that is a float32, as the shortest number that rounds to it."""
        value = _of_kind(name, self.attributes.get(name, usual), float)
        with np.errstate(over="ignore"):
            return float(str(np.float32(value)))

    def text(self, name: str, usual: str) -> str:
        """An attribute that is a text."""
        value = self.attributes.get(name, usual.encode())
        return str(_of_kind(name, value, bytes).decode(errors="replace"))

    def integers(self, name: str, usual: Sequence[int]) -> tuple[int, ...]:
        """An attribute that is a list of integers, as many as usual."""
        values = self.attributes.get(name, usual)
        if len(values) != len(usual):
            raise ValueError(f"{name} are {len(values)} numbers, expected {len(usual)}")
        return tuple(_of_kind(name, value, int) for value in values)

    def axes(self, given: Known | None, rank: int) -> tuple[int, ...] | None:
        """The axes that it works along, which are an input in newer opsets, of so many."""
        axes = self.attributes.get("axes") if given is None else constant_of(given).ravel().tolist()
        return None if axes is None else tuple(sorted(axis % rank for axis in axes))

    def kernel(self, given: Known) -> Array:
        """A constant that is this node's alone: fcnn has no layers that share their weights."""
        kernel = constant_of(given)
        place = kernel.__array_interface__["data"][0]
        if self.kernels.setdefault(place, self.name) != self.name:
            raise ValueError(
                f"its weights are also those of {self.kernels[place]}: layers of fcnn share none"
            )
        return kernel

    def layer(self, x: Value, layer: Layer, params: Tree = (), shape: Shape | None = None) -> Value:
        """What a layer makes of a value."""
        if shape is None:
            _, shape = layer.init(np.random.default_rng(0), x.shape)
        _check_size(shape)
        return Value(f"{self.operator} ({self.name})", shape, (x,), (layer, params))

    def merge(self, values: Sequence[Value], merge: Merge, shape: Shape) -> Value:
        """What several values make together."""
        _check_size(shape)
        return Value(f"{self.operator} ({self.name})", shape, tuple(values), merge=merge)


def _of_kind(name: str, value: Any, kind: type) -> Any:
    if type(value) is not kind:
        raise ValueError(f"{name} is {value!r:.60}, expected {kind.__name__}")
    return value


def _check_size(shape: Shape) -> None:
    if math.prod(shape) > MOST:
        raise ValueError(f"it gives {shape} for each example, more than {MOST:,} numbers")


# Inputs: what a node expects, and a ValueError for anything else


def constant_of(given: Known) -> Array:
    if not isinstance(given, np.ndarray):
        raise ValueError("an input that should be constant depends on the input of the network")
    return given


def _parameter(given: Known, what: str, shape: Shape) -> Array:
    """A constant of a shape, as a layer has it: read-only, float32."""
    array = constant_of(given)
    if array.dtype != np.float32 or array.shape != shape:
        raise ValueError(f"its {what} is {array.dtype} {array.shape}, expected float32 {shape}")
    return freeze(array)


def value_of(given: Known | None, rank: int | None = None) -> Value:
    """What layers compute: images if the rank is 3, vectors if it is 1."""
    if isinstance(given, Means) and given.shape == given.images.shape:
        given = given.images
    if isinstance(given, Term):
        raise ValueError(
            f"what {given.x.name} gives is multiplied by a constant or put into erf before it, "
            + _NOT_GELU
        )
    if isinstance(given, Padded):
        raise ValueError("fcnn pads images in conv2d and pools alone, with what they expect")
    if not isinstance(given, Value):
        raise ValueError("what it is given is no output of a layer")
    if rank is not None and len(given.shape) != rank:
        expected = {1: "vectors (N, D)", 3: "images (N, C, H, W)"}[rank]
        raise ValueError(f"its input is (N, {str(given.shape)[1:]}, expected {expected}")
    return given


def _shape_of(given: Known) -> Shape:
    return given.shape if isinstance(given, Means) else value_of(given).shape


def _images(given: Known, pixel: float) -> tuple[Value, tuple[int, ...]]:
    """Images, and the padding of that pixel that they are given before."""
    if isinstance(given, Padded) and given.pixel == pixel:
        return given.x, given.pads
    return value_of(given, 3), _NONE


# Layers


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
        _parameter(kernel, "kernel", (F, C // groups, KH, KW)),
        None if b is None else _parameter(b, "bias", (F,)),
    )
    size = (H, W)
    if padding != "same":
        size = output_size("conv2d", size, reach, stride, padding, "kernel")
    return node.layer(images, layer, params, (F, *size))


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
    own = node.integers("pads", _NONE) if node.text("auto_pad", "NOTSET") == "NOTSET" else _NONE
    if any(own) and not node.integer("count_include_pad"):
        raise ValueError("its padding does not count in the mean, that of avg_pool2d does")
    return node.layer(images, avg_pool2d(**settings))


def _pool_settings(node: Node, before: tuple[int, ...]) -> dict[str, Any]:
    if node.integer("ceil_mode"):
        raise ValueError("ceil_mode is 1, but pools leave out what fills no whole window")
    if _pair(node, "dilations") != (1, 1):
        raise ValueError("the pixels of its windows are apart, those of fcnn's pools are not")
    if (auto := node.text("auto_pad", "NOTSET")) not in ("NOTSET", "VALID"):
        raise ValueError(f"auto_pad is {auto!r:.60}, expected pads")
    own = node.integers("pads", _NONE) if auto == "NOTSET" else _NONE
    pads = tuple(a + b for a, b in zip(own, before, strict=True))
    if pads[:2] != pads[2:]:
        raise ValueError(f"its padding is {pads[:2]} on one side, but {pads[2:]} on the other")
    window = node.integers("kernel_shape", (0, 0))
    return {"window": window, "stride": _pair(node, "strides"), "padding": pads[:2]}


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


def _batch_norm(node: Node, x: Known, *given: Known) -> Known:
    value = value_of(x)
    if node.integer("training_mode"):
        raise ValueError("it is in training mode; export the network in inference mode")
    if len(given) != 4 or len(value.shape) not in (1, 3):
        raise ValueError("expected images or vectors, a scale, a shift, a mean and a variance")
    names = ("scale", "shift", "mean", "variance")
    arrays = [_parameter(a, name, value.shape[:1]) for a, name in zip(given, names, strict=True)]
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
        _parameter(w, "weights", (value.shape[0], K)),
        None if b is None else _parameter(_row(b, (K,)), "bias", (K,)),
    )
    return node.layer(value, dense(K, bias=b is not None), params, (K,))


def _scaled(array: Array, factor: float) -> Array:
    return array if factor == 1 else array * array.dtype.type(factor)


def _row(array: Array, shape: Shape) -> Array:
    """A constant that is added to every example alike, as what is added to one of them."""
    if array.ndim == len(shape) + 1 and len(array) == 1:
        array = array[0]
    return np.broadcast_to(array, shape) if array.ndim <= len(shape) else array


# Shapes


def _flatten(node: Node, x: Known) -> Known:
    rank = len(_shape_of(x)) + 1
    if node.integer("axis", 1) % rank != 1:
        raise ValueError(f"it is along axis {node.integer('axis', 1)}, expected 1")
    return _flattened(node, x)


def _flattened(node: Node, x: Known) -> Known:
    if isinstance(x, Means):
        return node.layer(x.x, global_avg_pool)
    return node.layer(value_of(x), flatten)


def _reshape(node: Node, x: Known, shape: Known) -> Known:
    old = (node.batch, *_shape_of(x))
    given = [int(size) for size in constant_of(shape)]
    new = given.copy()
    if not node.integer("allowzero"):
        new = [old[i] if size == 0 and i < len(old) else size for i, size in enumerate(new)]
    if new.count(-1) == 1 and 0 not in new:
        new[new.index(-1)] = math.prod(old) // -math.prod(new)
    if new[:1] != [node.batch]:
        raise ValueError(_not_flatten(given, x))
    return _in_shape(node, x, tuple(new[1:]), given)


def _squeeze(node: Node, x: Known, axes: Known | None = None) -> Known:
    shape = (node.batch, *_shape_of(x))
    gone = node.axes(axes, len(shape)) or [i for i, size in enumerate(shape) if i and size == 1]
    kept = [size for axis, size in enumerate(shape) if axis not in gone]
    if 0 in gone or any(shape[axis] != 1 for axis in gone):
        raise ValueError(_not_flatten(kept, x))
    return _in_shape(node, x, tuple(kept[1:]), kept)


def _in_shape(node: Node, x: Known, shape: Shape, given: Sequence[int]) -> Known:
    """A value in another shape: flattened, or as it is."""
    old = _shape_of(x)
    if shape == old:
        return x
    if isinstance(x, Means) and shape == (old[0], 1):
        return attrs.evolve(x, shape=shape)
    if shape != (math.prod(old),):
        raise ValueError(_not_flatten(given, x))
    return _flattened(node, x)


def _not_flatten(given: Sequence[int], x: Known) -> str:
    sides = (given, (ANY_BATCH, *_shape_of(x)))
    new, old = (", ".join("N" if n == ANY_BATCH else str(n) for n in side) for side in sides)
    return f"it makes ({new}) of ({old}); the only layer that does such a thing is flatten"


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


# Constants


def _shape(node: Node, x: Known) -> Known:
    shape = x.shape if isinstance(x, np.ndarray) else (node.batch, *value_of(x).shape)
    end = node.attributes.get("end")
    return np.array(shape[node.integer("start") : end], np.int64)


def _transpose(node: Node, x: Known) -> Known:
    return constant_of(x).transpose(node.attributes.get("perm"))


def _expand(node: Node, x: Known, shape: Known) -> Known:
    array = constant_of(x)
    sizes = np.broadcast_shapes(array.shape, tuple(constant_of(shape).tolist()))
    if math.prod(sizes) > FEW:
        raise ValueError(f"it makes a constant {sizes}, of more than {FEW:,} numbers")
    return np.broadcast_to(array, sizes)


def _cast_like(node: Node, x: Known, like: Known) -> Known:
    return constant_of(x).astype(like.dtype if isinstance(like, np.ndarray) else np.float32)


# Sums, products, and GELU spelled out


def _add(node: Node, *terms: Known) -> Known:
    constants = [term for term in terms if isinstance(term, np.ndarray)]
    others = [term for term in terms if not isinstance(term, np.ndarray)]
    if not constants:
        values = [value_of(term) for term in others]
        if len({value.shape for value in values}) != 1:
            raise ValueError(f"it adds {', '.join(str(v.shape) for v in values)}, not of one shape")
        return values[0] if len(values) == 1 else node.merge(values, "add", values[0].shape)
    if len(others) != 1 or len(constants) != 1:
        raise ValueError("it adds constants and more")
    return _plus_constant(node, others[0], constants[0])


def _plus_constant(node: Node, x: Known, constant: Array) -> Known:
    if isinstance(x, Term) and x.erf is not None and not x.with_x and constant.size == 1:
        slope, offset = x.erf
        return attrs.evolve(x, erf=(slope, offset + constant.item() / x.factor))
    value = value_of(x)
    if constant.size == 1 and constant.ndim <= 1 and not constant.any():
        return value
    layer, params = value.layer or (None, None)
    if layer is None or not isinstance(params, Conv2dParams | DenseParams) or params.b is not None:
        raise ValueError("it adds a constant, but not after a conv2d or dense without bias")
    per_channel = (value.shape[0], *(1 for _ in value.shape[1:]))
    bias = _parameter(_row(constant, per_channel).reshape(-1), "bias", value.shape[:1])
    settings = {**layer.settings, "bias": True}
    again = layer.make(**settings) if layer.make else layer
    return node.layer(value.inputs[0], again, attrs.evolve(params, b=bias), value.shape)


def _mul(node: Node, a: Known, b: Known) -> Known:
    if isinstance(b, np.ndarray):
        return _times(node, a, b)
    if isinstance(a, np.ndarray):
        return _times(node, b, a)
    first, second = _term(a), _term(b)
    if second.erf is None:
        first, second = second, first
    if first.x is not second.x or first.erf or not second.erf or second.with_x:
        raise ValueError("it multiplies what layers give by one another, " + _NOT_GELU)
    factor = first.factor * second.factor
    return _gelu_of(node, attrs.evolve(second, factor=factor, with_x=True))


def _div(node: Node, a: Known, b: Known) -> Known:
    with np.errstate(divide="ignore", invalid="ignore"):
        return _times(node, a, 1 / constant_of(b).astype(np.float64))


def _times(node: Node, x: Known, constant: Array) -> Known:
    if constant.size != 1:
        raise ValueError("it multiplies by a constant for each channel or number")
    term = _term(x)
    return _gelu_of(node, attrs.evolve(term, factor=term.factor * constant.item()))


def _erf(node: Node, x: Known) -> Known:
    term = _term(x)
    if term.erf or not term.with_x:
        raise ValueError("it is given what GELU has not")
    return Term(term.x, with_x=False, erf=(term.factor, 0.0))


def _term(x: Known) -> Term:
    return x if isinstance(x, Term) else Term(value_of(x))


def _gelu_of(node: Node, term: Term) -> Known:
    """A term that is complete as the layer that it is."""
    if term.erf is None:
        return term.x if term.factor == 1 else term
    found = (term.factor, *term.erf)
    if term.with_x and np.allclose(found, (0.5, math.sqrt(0.5), 1), rtol=1e-6):
        return node.layer(term.x, gelu)
    return term


def _concat(node: Node, *given: Known) -> Known:
    axis = node.integer("axis")
    if axis == 0 and all(isinstance(stack, Stack) for stack in given):
        return Stack(tuple(v for stack in given if isinstance(stack, Stack) for v in stack.values))
    values = [value_of(value) for value in given]
    first = values[0].shape
    if axis % (len(first) + 1) != 1 or len({(len(v.shape), *v.shape[1:]) for v in values}) != 1:
        shapes = ", ".join(str(v.shape) for v in values)
        raise ValueError(f"it is along axis {axis} of {shapes}; parallel is along the channels")
    shape = (sum(value.shape[0] for value in values), *first[1:])
    return values[0] if len(values) == 1 else node.merge(values, "concatenate", shape)


def _unsqueeze(node: Node, x: Known, axes: Known | None = None) -> Known:
    value = value_of(x)
    if node.axes(axes, len(value.shape) + 2) != (0,):
        raise ValueError("it adds another axis than the first")
    return Stack((value,))


def _reduce_sum(node: Node, x: Known, axes: Known | None = None) -> Known:
    if not isinstance(x, Stack):
        raise ValueError("it adds up along an axis, and not branches that were stacked")
    if node.axes(axes, len(x.values[0].shape) + 2) != (0,) or node.integer("keepdims", 1):
        raise ValueError("it adds up along another axis than the first, or keeps that")
    return _add(node, *x.values)


# What is gone in fcnn


def _same(node: Node, x: Known) -> Known:
    return x


def _dropout(
    node: Node, x: Known, ratio: Known | None = None, training: Known | None = None
) -> Known:
    if training is not None and constant_of(training).any():
        raise ValueError("it is in training mode; export the network in inference mode")
    return x


def _cast(node: Node, x: Known) -> Known:
    if node.integer("to") != _FLOAT:
        raise ValueError("it casts to another dtype than float32")
    return x


OPERATORS: Final[Mapping[str, Callable[..., Known]]] = {
    "Add": _add, "AveragePool": _average_pool, "BatchNormalization": _batch_norm, "Cast": _cast,
    "CastLike": _cast_like, "Concat": _concat, "Conv": _conv, "Div": _div, "Dropout": _dropout,
    "Erf": _erf, "Expand": _expand, "Flatten": _flatten, "Gelu": _gelu, "Gemm": _gemm,
    "GlobalAveragePool": _global_average_pool, "Identity": _same, "LeakyRelu": _leaky_relu,
    "MatMul": _mat_mul, "MaxPool": _max_pool, "Mul": _mul, "Pad": _pad, "ReduceMean": _reduce_mean,
    "ReduceSum": _reduce_sum, "Relu": _elementwise(relu), "Reshape": _reshape, "Shape": _shape,
    "Sigmoid": _elementwise(sigmoid), "Softmax": _softmax, "Squeeze": _squeeze, "Sum": _add,
    "Tanh": _elementwise(tanh), "Transpose": _transpose, "Unsqueeze": _unsqueeze,
}  # fmt: skip
# Those that constants are computed by; the rest of a graph depends on its input.
OF_CONSTANTS: Final = {
    "Add", "Cast", "Concat", "Div", "Gather", "Mul", "Reshape", "Slice", "Squeeze", "Sub",
    "Unsqueeze",
}  # fmt: skip
