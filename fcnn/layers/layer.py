"""The layer: a record of pure functions, and nothing else.

A layer of one's own needs the first four fields alone; see `examples/custom_layer.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, TypeAlias

import attrs
import numpy as np

from fcnn.arguments.arrays import check_array, check_shape
from fcnn.arguments.settings import check_function, check_kind
from fcnn.arguments.wording import kind_of
from fcnn.numerics.arrays import Array, Shape
from fcnn.tree import Tree

Cache: TypeAlias = Any
Init: TypeAlias = "Callable[[np.random.Generator, Shape], tuple[Tree, Shape]]"


@attrs.frozen(eq=False, repr=False)
class Layer:
    """A differentiable function with parameters, as a record of pure functions.

    Attributes
    ----------
    name
        What errors and tables call it.
    init
        `init(rng, in_shape) -> (params, out_shape)`; shapes without the batch axis,
        parameters float32 and read-only, `()` if there are none.
    forward
        `forward(params, x, rng=None) -> (y, cache)`; rng is a generator while training and
        None for inference.
    backward
        `backward(cache, dy) -> (dparams, dx)`; dparams has the structure of params.
    backward_params
        `backward_params(cache, dy) -> dparams`, for the lowest layer with parameters of a
        network, which never has to pay for dx. Optional.
    apply
        `apply(params, x) -> y`, the bits of forward without a cache, for inference. Optional.
    needs_rng
        Whether it does something else in training, when forward is given a generator, than
        in inference. `value_and_grad` insists on one for such a layer.
    calibrate
        `calibrate(params, x) -> (params, y)`, for a layer with statistics: parameters with
        those of x, and the output for x in inference. Optional.
    children
        The layers that it is made of, such as those of a chain.
    settings
        What the layer was made with, for tables and printing.
    combinator
        `combinator(*children, **settings) -> Layer`, what made this layer of its children, such
        as `fcnn.chain`: a rewrite for speed makes it again of others. A name alone says nothing
        of what a layer computes. Optional; who replaces functions of such a layer, with
        `attrs.evolve` say, sets it to None.
    commutes_with_relu
        Whether relu before it and relu after it give the same bits and the same gradients, as
        with max-pooling, so that a chain may take the order that costs less.
    """

    name: str
    init: Init
    forward: Callable[..., tuple[Array, Cache]]
    backward: Callable[[Cache, Array], tuple[Tree, Array]]
    backward_params: Callable[[Cache, Array], Tree] | None = None
    apply: Callable[[Tree, Array], Array] | None = None
    needs_rng: bool = False
    calibrate: Callable[[Tree, Array], tuple[Tree, Array]] | None = None
    children: tuple[Layer, ...] = ()
    settings: Mapping[str, Any] = attrs.field(factory=dict)
    combinator: Callable[..., Layer] | None = None
    commutes_with_relu: bool = False

    def __attrs_post_init__(self) -> None:
        check_kind("Layer", "name", self.name, str)
        for name in ("init", "forward", "backward"):
            check_function("Layer", name, getattr(self, name))
        for name in ("backward_params", "apply", "calibrate", "combinator"):
            if getattr(self, name) is not None:
                check_function("Layer", name, getattr(self, name))

    def __repr__(self) -> str:
        """The layer as one would write it: `conv2d(8, 3, padding=1)`."""
        usual = {"stride": self.settings.get("window", (1, 1)), "padding": (0, 0)}
        parts = [repr(child) for child in self.children]
        for name, value in self.settings.items():
            short = value[0] if isinstance(value, tuple) and len({*value}) == 1 else value
            if name in ("padding", "merge") and isinstance(value, str):
                short = f'"{value}"'
            if name in ("features", "kernel", "window", "slope"):
                parts.append(f"{short}")
            elif value != usual.get(name):
                parts.append(f"{name}={short}")
        return f"{self.name}({', '.join(parts)})" if parts else self.name


def call_init(layer: Layer, rng: np.random.Generator, in_shape: Shape) -> tuple[Tree, Shape]:
    """`layer.init`; TypeError unless it returns a pair of parameters and a shape."""
    params, shape = _pair_of(layer, "init", "(params, out_shape)", layer.init(rng, in_shape))
    return params, check_shape(layer.name, shape, "out_shape")


def call_forward(
    layer: Layer, params: Tree, x: Array, rng: np.random.Generator | None
) -> tuple[Array, Cache]:
    """`layer.forward`; TypeError unless it returns a pair, of an array and a cache."""
    y, cache = _pair_of(layer, "forward", "(output, cache)", layer.forward(params, x, rng))
    check_array(layer.name, "the output", y)
    return y, cache


def call_apply(layer: Layer, params: Tree, x: Array) -> Array:
    """The output of a layer in inference, by its cheaper way if it has one."""
    if layer.apply is not None:
        y = layer.apply(params, x)
        check_array(layer.name, "the output", y)
        return y
    return call_forward(layer, params, x, None)[0]


def call_calibrate(layer: Layer, params: Tree, x: Array) -> tuple[Tree, Array]:
    """`layer.calibrate`; of a layer without statistics, its parameters and output."""
    if layer.calibrate is None:
        return params, call_apply(layer, params, x)
    params, y = _pair_of(layer, "calibrate", "(params, output)", layer.calibrate(params, x))
    check_array(layer.name, "the output", y)
    return params, y


def call_backward(layer: Layer, cache: Cache, dy: Array) -> tuple[Tree, Array]:
    """`layer.backward`; TypeError unless it returns a pair, of a tree and an array."""
    dparams, dx = _pair_of(layer, "backward", "(dparams, dx)", layer.backward(cache, dy))
    check_array(layer.name, "dx", dx)
    return dparams, dx


def _pair_of(layer: Layer, function: str, pair: str, result: Any) -> tuple[Any, Any]:
    # An array of two rows would unpack without a word.
    if not isinstance(result, tuple) or len(result) != 2:
        kind = kind_of(result, with_length=True)
        raise TypeError(f"{layer.name}: {function} must return the tuple {pair}, not {kind}")
    return result


def parameter_gradients(layer: Layer, cache: Cache, dy: Array) -> Tree:
    """The gradients of a layer's parameters alone, by its cheaper way if it has one."""
    if layer.backward_params is not None:
        return layer.backward_params(cache, dy)
    # Nothing below needs dx, and a layer on integers, say, has none.
    return _pair_of(layer, "backward", "(dparams, dx)", layer.backward(cache, dy))[0]


def layer_without_parameters(
    name: str,
    out_shape: Callable[[Shape], Shape],
    forward: Callable[[Array], tuple[Array, Cache]],
    backward: Callable[[Cache, Array], Array],
    apply: Callable[[Array], Array] | None = None,
    settings: Mapping[str, Any] | None = None,
    commutes_with_relu: bool = False,
) -> Layer:
    """The layer of a plain function of x: its parameters are the empty tuple."""
    return Layer(
        name,
        init=lambda rng, in_shape: ((), out_shape(in_shape)),
        forward=lambda params, x, rng=None: forward(x),
        backward=lambda cache, dy: ((), backward(cache, dy)),
        backward_params=lambda cache, dy: (),
        apply=None if apply is None else lambda params, x: apply(x),
        settings=settings or {},
        commutes_with_relu=commutes_with_relu,
    )


class Place:
    """Where among the layers of a chain, or of another combinator, a loop is; an error inside
    says so.
    """

    def __init__(self, kind: str, layers: tuple[Layer, ...]) -> None:
        self._kind = kind
        self._layers = layers
        self.index = 0

    def __enter__(self) -> Place:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if not isinstance(error, TypeError | ValueError):
            return
        if error.args and isinstance(error.args[0], str):
            place = f"in {self._kind} layer {self.index} ({self._layers[self.index].name})"
            error.args = (f"{error.args[0]}\n{place}", *error.args[1:])
