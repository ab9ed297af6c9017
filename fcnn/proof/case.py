"""A case: a layer with its settings, and the point at which it is proved."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, TypeAlias

import attrs
import numpy as np

import fcnn
from fcnn import tree
from fcnn.layers.layer import Layer, call_backward, call_forward
from fcnn.layers.window_sizes import times
from fcnn.numerics.arrays import Array, Pair, Shape
from fcnn.tree import Tree

Sizes: TypeAlias = int | Pair


@attrs.frozen
class Case:
    """A layer with its settings, and the shape of what it gets.

    Attributes
    ----------
    operation, settings
        The name of a layer, and what it is made with; a combinator has `layers`, pairs like
        these two.
    in_shape, batch
        The shape of one example, and how many there are.
    point
        x, for points on a kink or tie that are meant; None for random ones.
    training
        Whether it is handed a generator, of which some layers make something.
    size
        What random numbers of x are multiplied by.
    """

    operation: str
    in_shape: Shape
    batch: int = 2
    settings: Mapping[str, Any] = attrs.field(factory=dict)
    point: Callable[[Shape], Array] | None = None
    training: bool = True
    size: float = 1.0

    def __str__(self) -> str:
        # Not the layer's own text: a layer that cannot be made has a name too.
        own = f"{_text(self.operation, self.settings)} on {times(self.shape)}"
        own += "" if self.size == 1 else f" of size {self.size:g}"
        own += "" if self.training else ", in inference"
        return own if self.point is None else f"{own}, {(self.point.__doc__ or '').rstrip('.')}"

    @property
    def shape(self) -> Shape:
        """Of x."""
        return (self.batch, *self.in_shape)

    @property
    def small(self) -> bool:
        """Whether its whole Jacobian takes a moment only."""
        kernel = int(np.prod(_pair(self.settings.get("kernel", 1))))
        return int(np.prod(self.shape)) <= 24 and kernel <= 9

    def layer(self) -> Layer:
        """The layer, made now."""
        return made(self.operation, self.settings)

    def in_mode(self) -> Layer:
        """The layer as a function of its trained parameters and x alone: in training with the
        same generator at each call, in inference without one, and with given statistics.
        """
        layer = self.layer()
        if layer.name == "batch_norm" and not self.training:
            return _with_statistics(layer, *statistics(self.in_shape[0]))

        def forward(params: Tree, x: Array, rng: Any = None) -> tuple[Array, Any]:
            return call_forward(layer, params, x, self.rng())

        if not layer.needs_rng:
            return layer
        return attrs.evolve(layer, forward=forward, apply=None, make=None)

    def rng(self) -> np.random.Generator | None:
        """The generator of training, always the same; None in inference."""
        return np.random.default_rng(0) if self.training else None

    def results(self) -> tuple[Array, Tree, Array]:
        """What the layer makes of the arguments: y, dparams and dx."""
        layer, (params, x, dy) = self.layer(), self.arguments()
        y, cache = call_forward(layer, params, x, self.rng())
        return y, *call_backward(layer, cache, dy)

    def function_settings(self) -> dict[str, Any]:
        """Those that the plain functions take: the others show in the parameters."""
        parameters = ("features", "kernel", "bias")
        own = {name: value for name, value in self.settings.items() if name not in parameters}
        return ({"training": self.training} if self.operation == "batch_norm" else {}) | own

    def x(self) -> Array | None:
        """The point, if it is not random."""
        return None if self.point is None else self.point(self.shape)

    def arguments(self) -> tuple[Tree, Array, Array]:
        """Parameters unlike the initial ones, x and dy, random unless x is meant."""
        rng = np.random.default_rng(0)
        initial, out_shape = self.layer().init(rng, self.in_shape)
        params = tree.map(lambda p: p + 0.5 * rng.standard_normal(p.shape), initial)
        if self.operation == "batch_norm":
            params = attrs.evolve(params, var=0.1 + np.abs(params.var))
        given = self.x()
        x = self.size * rng.standard_normal(self.shape) if given is None else given
        return params, x, rng.standard_normal((self.batch, *out_shape))

    def inputs(self) -> dict[str, Array]:
        """The same by the names that `fcnn.proof.shipped_values` has for them."""
        params, x, dy = self.arguments()
        return {"x": x, "dy": dy} | {p.lstrip("."): a for p, a in tree.leaves_with_path(params)}


def made(operation: str, settings: Mapping[str, Any]) -> Layer:
    """The layer of that name in `fcnn`; that of a combinator of the layers in its settings."""
    found, own = getattr(fcnn, operation), dict(settings)
    layers = [made(*inner) for inner in own.pop("layers", ())]
    layer: Layer = found if isinstance(found, Layer) else found(*layers, **own)
    return layer


def statistics(channels: int) -> tuple[Array, Array]:
    """Means and variances for batch normalisation in inference."""
    rng = np.random.default_rng(3)
    return rng.standard_normal(channels), 0.1 + np.abs(rng.standard_normal(channels))


class Trained(NamedTuple):
    """What is trained of the parameters of a batch normalisation."""

    scale: Array
    shift: Array


def _with_statistics(layer: Layer, *given: Array) -> Layer:
    """A batch normalisation in inference as a function of its scale and shift: no gradient is
    for the statistics.
    """

    def init(rng: np.random.Generator, in_shape: Shape) -> tuple[Trained, Shape]:
        params, out_shape = layer.init(rng, in_shape)
        return Trained(params.scale, params.shift), out_shape

    def forward(params: Trained, x: Array, rng: Any = None) -> tuple[Array, Any]:
        mean, var = (a.astype(params.scale.dtype) for a in given)
        return layer.forward(fcnn.BatchNormParams(*params, mean, var), x)

    def backward(cache: Any, dy: Array) -> tuple[Trained, Array]:
        dparams, dx = layer.backward(cache, dy)
        return Trained(dparams.scale, dparams.shift), dx

    return Layer(layer.name, init, forward, backward, lambda cache, dy: backward(cache, dy)[0])


def _text(operation: str, settings: Mapping[str, Any]) -> str:
    """`conv2d(features=3, kernel=2)`, `chain(relu, dense(features=3))`."""
    parts = [_text(*layer) for layer in settings.get("layers", ())]
    parts += [f"{name}={value}" for name, value in settings.items() if name != "layers"]
    return f"{operation}({', '.join(parts)})" if parts else operation


# Points on a kink or tie, and the sides from which the convention there is the limit


def zeros(shape: Shape) -> Array:
    """all zeros."""
    return np.zeros(shape)


def equals(shape: Shape) -> Array:
    """all ones."""
    return np.ones(shape)


def ties(shape: Shape) -> Array:
    """from -1, 0 and 1."""
    return np.random.RandomState(0).randint(-1, 2, shape).astype(np.float64)


def from_below(shape: Shape) -> Array:
    """At 0, where relu has the derivative 0, which is that of what is below."""
    return np.full(shape, -1.0)


def first_greatest(shape: Shape) -> Array:
    """Of equal pixels each is a little less than those before it, in row-major order."""
    example = np.linspace(0, -1, int(np.prod(shape[2:]))).reshape(shape[2:])
    return np.broadcast_to(example, shape)


def _pair(sizes: Sizes) -> Pair:
    return sizes if isinstance(sizes, tuple) else (sizes, sizes)


def valid(case: Case) -> bool:
    """Whether the image holds a window; of pools, that the padding is at most half of it, and of
    convolutions with padding "same", that the stride is 1.
    """
    settings, convolution = case.settings, case.operation == "conv2d"
    if settings["padding"] == "same":
        return _pair(settings["stride"]) == (1, 1)
    window = _pair(settings["kernel" if convolution else "window"])
    padding, dilation = _pair(settings["padding"]), _pair(settings.get("dilation", 1))
    return all(
        size + 2 * p > (k - 1) * d and (convolution or p <= k // 2)
        for size, k, p, d in zip(case.in_shape[1:], window, padding, dilation, strict=True)
    )
