"""The layer: a record of pure functions, and nothing else.

A layer of one's own needs the first four fields alone; see `examples/custom_layer.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import attrs
import numpy as np

from fcnn.arguments.arrays import check_array, check_shape, check_sizes
from fcnn.arguments.examples import check_batch
from fcnn.arguments.settings import check_function, check_kind
from fcnn.arguments.wording import kind_of
from fcnn.distributed.sample import Sample
from fcnn.distributed.world import ALONE
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
        those of x, and the output for x in inference. It gets the whole sample at once, on every
        process; `SharedCalibration` makes one whose work is shared out. Optional.
    children
        The layers that it is made of, such as those of a chain.
    settings
        What the layer was made with, for tables and printing.
    make
        `make(*children, **settings) -> Layer`, what made this layer, such as `fcnn.chain`: by it
        others know the layer, and make it again, of other children or in another process. A name
        alone says nothing of what a layer computes. Optional; who replaces functions of such a
        layer, with `attrs.evolve` say, sets it to None.
    frozen
        Whether nothing of it is trained, as `fit` sees of the optimizer: what it is part of then
        takes zeros for its gradients, and goes back no further than to what is trained.
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
    make: Callable[..., Layer] | None = None
    frozen: bool = False

    def __attrs_post_init__(self) -> None:
        check_kind("Layer", "name", self.name, str)
        for name in ("init", "forward", "backward"):
            check_function("Layer", name, getattr(self, name))
        for name in ("backward_params", "apply", "calibrate", "make"):
            if getattr(self, name) is not None:
                check_function("Layer", name, getattr(self, name))

    def __copy__(self) -> Layer:
        """The layer itself: nothing of it changes."""
        return self

    def __deepcopy__(self, memo: object) -> Layer:
        """The layer itself: nothing of it changes."""
        return self

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


@attrs.frozen
class SharedCalibration:
    """The `calibrate` of a layer whose statistics are sums over the shards of a sample, which
    threads and processes share.

    Attributes
    ----------
    of_sample
        `of_sample(params, sample) -> (params, sample)`: the same of a `Sample`.
    """

    of_sample: Callable[[Tree, Sample], tuple[Tree, Sample]]

    def __call__(self, params: Tree, x: Array) -> tuple[Tree, Array]:
        """`calibrate` of a batch, in this thread."""
        check_batch("calibrate", "x", x)
        params, sample = self.of_sample(params, Sample.of(x, ALONE, threads=1))
        return params, sample.whole()


def layer_without_parameters(
    name: str,
    forward: Callable[[Array], tuple[Array, Cache]],
    backward: Callable[[Cache, Array], Array],
    *,
    out_shape: Callable[[Shape], Shape] | None = None,
    apply: Callable[[Array], Array] | None = None,
    settings: Mapping[str, Any] | None = None,
    make: Callable[..., Layer] | None = None,
) -> Layer:
    """The layer of a plain function of x: its parameters are the empty tuple.

    Without an `out_shape` it is a function of each number by itself, of images and vectors of
    any size, and keeps their shape.
    """
    shape_of = out_shape or (lambda in_shape: check_sizes(name, in_shape))
    return Layer(
        name,
        init=lambda rng, in_shape: ((), shape_of(in_shape)),
        forward=lambda params, x, rng=None: forward(x),
        backward=lambda cache, dy: ((), backward(cache, dy)),
        backward_params=lambda cache, dy: (),
        apply=None if apply is None else lambda params, x: apply(x),
        settings=settings or {},
        make=make,
    )


# How others call the functions of a layer, which may be the user's: what comes back is what it
# should be, or a TypeError says what it is.


def call_init(layer: Layer, rng: np.random.Generator, in_shape: Shape) -> tuple[Tree, Shape]:
    """`layer.init`: a pair of parameters and a shape."""
    params, shape = _pair(layer, "init", "(params, out_shape)", layer.init(rng, in_shape))
    return params, check_shape(layer.name, shape, "out_shape")


def call_forward(
    layer: Layer, params: Tree, x: Array, rng: np.random.Generator | None
) -> tuple[Array, Cache]:
    """`layer.forward`: a pair of an array and a cache."""
    y, cache = _pair(layer, "forward", "(output, cache)", layer.forward(params, x, rng))
    check_array(layer.name, "the output", y)
    return y, cache


def call_apply(layer: Layer, params: Tree, x: Array) -> Array:
    """The output of a layer in inference, by its cheaper way if it has one."""
    if layer.apply is None:
        return call_forward(layer, params, x, None)[0]
    y = layer.apply(params, x)
    check_array(layer.name, "the output", y)
    return y


def call_calibrate(layer: Layer, params: Tree, sample: Sample) -> tuple[Tree, Sample]:
    """`layer.calibrate` of a sample; of a layer without statistics, its parameters and output."""
    if layer.calibrate is None:
        return params, sample.map(lambda x: call_apply(layer, params, x))
    if isinstance(layer.calibrate, SharedCalibration):
        return layer.calibrate.of_sample(params, sample)
    x = sample.whole()
    params, y = _pair(layer, "calibrate", "(params, output)", layer.calibrate(params, x))
    check_array(layer.name, "the output", y)
    if y.ndim == 0 or len(y) != len(x):
        raise ValueError(
            f"{layer.name}: calibrate gives an output of shape {y.shape} for {len(x)} examples"
        )
    return params, sample.with_whole(y)


def call_backward(layer: Layer, cache: Cache, dy: Array) -> tuple[Tree, Array]:
    """`layer.backward`: a pair of a tree and an array."""
    dparams, dx = _pair(layer, "backward", "(dparams, dx)", layer.backward(cache, dy))
    check_array(layer.name, "dx", dx)
    return dparams, dx


def parameter_gradients(layer: Layer, cache: Cache, dy: Array) -> Tree:
    """The gradients of a layer's parameters alone, by its cheaper way if it has one."""
    if layer.backward_params is not None:
        return layer.backward_params(cache, dy)
    # Nothing below needs dx, and a layer on integers, say, has none.
    return _pair(layer, "backward", "(dparams, dx)", layer.backward(cache, dy))[0]


def _pair(layer: Layer, function: str, names: str, result: Any) -> tuple[Any, Any]:
    # An array of two rows would unpack without a word.
    if not isinstance(result, tuple) or len(result) != 2:
        kind = kind_of(result, with_length=True)
        raise TypeError(f"{layer.name}: {function} must return the tuple {names}, not {kind}")
    return result
