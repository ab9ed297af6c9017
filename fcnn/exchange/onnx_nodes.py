"""What the nodes of an ONNX graph are in fcnn: a function for each operator.

Those that are layers by themselves are in `onnx_layers`; here are the operators that merge what
layers compute, that become a layer together, that compute constants, and that do nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Final

import attrs
import numpy as np

from fcnn.exchange.onnx_layers import OF_LAYERS
from fcnn.exchange.onnx_values import (
    ANY_BATCH,
    FEW,
    FLOAT,
    NOT_GELU,
    Known,
    Means,
    Node,
    Stack,
    Term,
    constant_of,
    for_one_example,
    parameter,
    shape_of,
    value_of,
)
from fcnn.layers.avg_pool2d import global_avg_pool
from fcnn.layers.conv2d import Conv2dParams
from fcnn.layers.dense import DenseParams
from fcnn.layers.flatten import flatten
from fcnn.layers.gelu import gelu
from fcnn.numerics.arrays import Array, Shape

# Shapes


def _flatten(node: Node, x: Known) -> Known:
    rank = len(shape_of(x)) + 1
    if node.integer("axis", 1) % rank != 1:
        raise ValueError(f"it is along axis {node.integer('axis', 1)}, expected 1")
    return _flattened(node, x)


def _flattened(node: Node, x: Known) -> Known:
    if isinstance(x, Means):
        return node.layer(x.x, global_avg_pool)
    return node.layer(value_of(x), flatten)


def _reshape(node: Node, x: Known, shape: Known) -> Known:
    old = (node.batch, *shape_of(x))
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
    shape = (node.batch, *shape_of(x))
    gone = node.axes(axes, len(shape)) or [i for i, size in enumerate(shape) if i and size == 1]
    kept = [size for axis, size in enumerate(shape) if axis not in gone]
    if 0 in gone or any(shape[axis] != 1 for axis in gone):
        raise ValueError(_not_flatten(kept, x))
    return _in_shape(node, x, tuple(kept[1:]), kept)


def _in_shape(node: Node, x: Known, shape: Shape, given: Sequence[int]) -> Known:
    """A value in another shape: flattened, or as it is."""
    old = shape_of(x)
    if shape == old:
        return x
    if isinstance(x, Means) and shape == (old[0], 1):
        return attrs.evolve(x, shape=shape)
    if shape != (math.prod(old),):
        raise ValueError(_not_flatten(given, x))
    return _flattened(node, x)


def _not_flatten(given: Sequence[int], x: Known) -> str:
    sides = (given, (ANY_BATCH, *shape_of(x)))
    new, old = (", ".join("N" if n == ANY_BATCH else str(n) for n in side) for side in sides)
    return f"it makes ({new}) of ({old}); the only layer that does such a thing is flatten"


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
    bias = parameter(for_one_example(constant, per_channel).reshape(-1), "bias", value.shape[:1])
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
        raise ValueError("it multiplies what layers give by one another, " + NOT_GELU)
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


# Branches side by side, and stacked


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
    if node.integer("to") != FLOAT:
        raise ValueError("it casts to another dtype than float32")
    return x


OPERATORS: Final[Mapping[str, Callable[..., Known]]] = {
    **OF_LAYERS,
    "Add": _add, "Cast": _cast, "CastLike": _cast_like, "Concat": _concat, "Div": _div,
    "Dropout": _dropout, "Erf": _erf, "Expand": _expand, "Flatten": _flatten, "Identity": _same,
    "Mul": _mul, "ReduceSum": _reduce_sum, "Reshape": _reshape, "Shape": _shape,
    "Squeeze": _squeeze, "Sum": _add, "Transpose": _transpose, "Unsqueeze": _unsqueeze,
}  # fmt: skip
# Those that constants are computed by; the rest of a graph depends on its input.
OF_CONSTANTS: Final = {
    "Add", "Cast", "Concat", "Div", "Gather", "Mul", "Reshape", "Slice", "Squeeze", "Sub",
    "Unsqueeze",
}  # fmt: skip
