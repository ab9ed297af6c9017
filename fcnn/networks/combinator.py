"""What chain, residual and parallel share: a layer that is made of layers.

A combinator says how a value goes through its layers, and how the gradient comes back, in terms
of `step(i, x)`, which stands for whatever is done with layer i: make its parameters, run it,
calibrate it, go back through it. The rest is here: the parameters, caches and gradients of the
layers, and where among them an error happened.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

import attrs
import numpy as np

from fcnn import tree
from fcnn.arguments.arrays import check_cache, check_shape
from fcnn.arguments.settings import check_kind
from fcnn.arguments.wording import kind_of
from fcnn.distributed.sample import Sample
from fcnn.layers.layer import (
    Cache,
    Layer,
    SharedCalibration,
    call_apply,
    call_backward,
    call_calibrate,
    call_forward,
    call_init,
    parameter_gradients,
)
from fcnn.numerics.arrays import Array, Shape
from fcnn.tree import Tree

Step: TypeAlias = Callable[[int, Any], Any]  # of arrays, of samples, or of shapes


class CombinatorCache(NamedTuple):
    """What a combinator keeps for its way back."""

    combinator: str
    caches: tuple[Cache, ...]  # of the layers
    params: tuple[Tree, ...]
    shapes: tuple[Shape, ...]  # of their outputs


@attrs.frozen(eq=False)
class Combinator:
    """How values and gradients go through layers.

    Attributes
    ----------
    make, layers, settings
        What makes the layer, such as `fcnn.chain`, of which layers, and with what settings.
    through
        `through(x, step) -> y`: forward, for arrays, and for samples of them.
    shape_through
        The same for the shapes of examples.
    back
        `back(dy, step, shapes) -> dx`, with the shapes of the layers' outputs; what step gives
        is None where nobody needs the gradient.
    in_sequence
        Whether each layer gets what the one before it gives, so that those below all parameters
        need no gradient.
    bare
        Whether its parameters are those of its only layer, and not the tuple of its layers'.
    """

    make: Callable[..., Layer]
    layers: tuple[Layer, ...]
    through: Callable[[Any, Step], Any]
    shape_through: Callable[[Shape, Step], Shape]
    back: Callable[[Array, Step, Sequence[Shape]], Array]
    settings: Mapping[str, Any] = attrs.field(factory=dict)
    in_sequence: bool = False
    bare: bool = False

    def __attrs_post_init__(self) -> None:
        for index, layer in enumerate(self.layers):
            check_kind(self.name, f"layer {index}", layer, Layer)

    @property
    def name(self) -> str:
        """What errors call it."""
        return self.make.__name__

    def layer(self) -> Layer:
        """The layer that is made of the layers."""
        has_statistics = any(layer.calibrate for layer in self.layers)
        return Layer(
            self.name,
            self.init,
            self.forward,
            self.backward,
            self.backward_params,
            self.apply,
            needs_rng=any(layer.needs_rng for layer in self.layers),
            calibrate=SharedCalibration(self.calibrate) if has_statistics else None,
            children=self.layers,
            settings=self.settings,
            make=self.make,
        )

    def init(self, rng: np.random.Generator, in_shape: Shape) -> tuple[Tree, Shape]:
        params: list[Tree] = [None] * len(self.layers)

        @self._placing_errors
        def step(i: int, shape: Shape) -> Any:
            params[i], out_shape = call_init(self.layers[i], rng, shape)
            return out_shape

        out_shape = self.shape_through(check_shape(self.name, in_shape), step)
        return self._joined(params), out_shape

    def forward(
        self, params: Tree, x: Array, rng: np.random.Generator | None = None
    ) -> tuple[Array, CombinatorCache]:
        own = self._parted(params)
        caches: list[Cache] = [None] * len(own)
        shapes: list[Shape] = [()] * len(own)

        @self._placing_errors
        def step(i: int, x: Array) -> Any:
            y, caches[i] = call_forward(self.layers[i], own[i], x, rng)
            shapes[i] = y.shape
            return y

        y = self.through(x, step)
        return y, CombinatorCache(self.name, tuple(caches), own, tuple(shapes))

    def apply(self, params: Tree, x: Array) -> Array:
        own, layers = self._parted(params), self.layers

        @self._placing_errors
        def step(i: int, x: Array) -> Any:
            return call_apply(layers[i], own[i], x)

        y: Array = self.through(x, step)
        return y

    def calibrate(self, params: Tree, sample: Sample) -> tuple[Tree, Sample]:
        own = list(self._parted(params))

        @self._placing_errors
        def step(i: int, sample: Sample) -> Any:
            own[i], y = call_calibrate(self.layers[i], own[i], sample)
            return y

        y = self.through(sample, step)
        return self._joined(own), y

    def backward(self, cache: CombinatorCache, dy: Array) -> tuple[Tree, Array]:
        self._check_cache(cache)
        grads = list(cache.params)

        @self._placing_errors
        def step(i: int, dy: Array) -> Any:
            grads[i], dx = call_backward(self.layers[i], cache.caches[i], dy)
            return dx

        dx = self.back(dy, step, cache.shapes)
        return self._joined(grads), dx

    def backward_params(self, cache: CombinatorCache, dy: Array) -> Tree:
        self._check_cache(cache)
        frozen = [layer.frozen for layer in self.layers]
        # Those of empty parameters are these themselves.
        grads = [
            tree.map(np.zeros_like, own) if is_frozen else own
            for own, is_frozen in zip(cache.params, frozen, strict=True)
        ]
        trained = [i for i, own in enumerate(grads) if tree.leaves(own) and not frozen[i]]
        lowest = min(trained, default=len(grads))

        @self._placing_errors
        def step(i: int, dy: Array) -> Any:
            if self.in_sequence and i > lowest:
                dparams, dx = call_backward(self.layers[i], cache.caches[i], dy)
                if not frozen[i]:
                    grads[i] = dparams
                return dx
            if i == lowest or not (self.in_sequence or frozen[i]):
                grads[i] = parameter_gradients(self.layers[i], cache.caches[i], dy)
            return None

        self.back(dy, step, cache.shapes)
        return self._joined(grads)

    def _placing_errors(self, step: Step) -> Step:
        """A step whose errors say in which layer they arose."""

        def placing(i: int, x: Any) -> Any:
            try:
                return step(i, x)
            except (TypeError, ValueError) as error:
                if error.args and isinstance(error.args[0], str):
                    place = f"in {self.name} layer {i} ({self.layers[i].name})"
                    error.args = (f"{error.args[0]}\n{place}", *error.args[1:])
                raise

        return placing

    def _parted(self, params: Tree) -> tuple[Tree, ...]:
        """The parameters of each layer."""
        if self.bare:
            return (params,)
        if not isinstance(params, tuple) or len(params) != len(self.layers):
            raise ValueError(
                f"{self.name}: {len(self.layers)} layers need a tuple of as many parameters, got "
                f"{len(params) if isinstance(params, tuple) else kind_of(params)}"
            )
        return params

    def _joined(self, own: list[Tree]) -> Tree:
        return own[0] if self.bare else tuple(own)

    def _check_cache(self, cache: CombinatorCache) -> None:
        check_cache(self.name, cache, CombinatorCache)
        if cache.combinator != self.name or len(cache.caches) != len(self.layers):
            raise ValueError(
                f"{self.name}_backward: cache is that of a {cache.combinator} of "
                f"{len(cache.caches)} layers, expected a {self.name} of {len(self.layers)}"
            )
