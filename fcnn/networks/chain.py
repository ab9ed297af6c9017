"""Chains: the chain rule, written out.

For y = f3(f2(f1(x))), the forward pass keeps the cache of every function; the backward
pass walks the same list the other way, and hands each function the gradient of its
output. That is all of back-propagation.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from fcnn import tree
from fcnn.arguments.arrays import check_cache, check_shape
from fcnn.arguments.settings import check_kind
from fcnn.arguments.wording import kind_of
from fcnn.layers.layer import (
    Cache,
    Layer,
    Place,
    call_apply,
    call_backward,
    call_calibrate,
    call_forward,
    call_init,
    parameter_gradients,
)
from fcnn.numerics.arrays import Array, Shape
from fcnn.tree import Tree


def chain(*layers: Layer) -> Layer:
    """Layers one after the other, as one layer; chains nest.

    The parameters are the tuple of the layers' parameters. An error inside names the
    layer by its index.

    Examples
    --------
    >>> import fcnn, numpy as np
    >>> model = fcnn.chain(fcnn.flatten, fcnn.dense(3))
    >>> params, out_shape = model.init(np.random.default_rng(0), (1, 28, 28))
    >>> out_shape
    (3,)
    >>> print(fcnn.tree.describe(params))
    [1].w  float32[784,3]
    [1].b  float32[3]
    2 arrays, 2,355 parameters
    """
    for index, layer in enumerate(layers):
        check_kind("chain", f"layer {index}", layer, Layer)

    def init(rng: np.random.Generator, in_shape: Shape) -> tuple[Tree, Shape]:
        params, shape = [], check_shape("chain", in_shape)
        with Place("chain", layers) as place:
            for place.index, layer in enumerate(layers):
                own, shape = call_init(layer, rng, shape)
                params.append(own)
        return tuple(params), shape

    def check_params(params: Tree) -> None:
        if not isinstance(params, tuple) or len(params) != len(layers):
            raise ValueError(
                f"chain: {len(layers)} layers need a tuple of as many parameters, got "
                f"{len(params) if isinstance(params, tuple) else kind_of(params)}"
            )

    def check_chain_cache(cache: ChainCache) -> None:
        check_cache("chain", cache, ChainCache)
        if len(cache.caches) != len(layers):
            raise ValueError(
                f"chain_backward: cache is of a chain of length {len(cache.caches)}, expected "
                f"{len(layers)}"
            )

    def forward(
        params: Tree, x: Array, rng: np.random.Generator | None = None
    ) -> tuple[Array, ChainCache]:
        check_params(params)
        caches = []
        with Place("chain", layers) as place:
            for place.index, layer in enumerate(layers):
                x, cache = call_forward(layer, params[place.index], x, rng)
                caches.append(cache)
        return x, ChainCache(tuple(caches), _below_all_parameters(params))

    def apply(params: Tree, x: Array) -> Array:
        check_params(params)
        with Place("chain", layers) as place:
            for place.index, layer in enumerate(layers):
                x = call_apply(layer, params[place.index], x)
        return x

    def backward(cache: ChainCache, dy: Array) -> tuple[Tree, Array]:
        check_chain_cache(cache)
        grads: list[Tree] = []
        with Place("chain", layers) as place:
            for place.index in reversed(range(len(layers))):
                own, dy = call_backward(layers[place.index], cache.caches[place.index], dy)
                grads.append(own)
        return tuple(reversed(grads)), dy

    def backward_params(cache: ChainCache, dy: Array) -> Tree:
        check_chain_cache(cache)
        lowest = len(cache.below)
        grads: list[Tree] = []
        with Place("chain", layers) as place:
            for place.index in reversed(range(lowest, len(layers))):
                layer, own_cache = layers[place.index], cache.caches[place.index]
                if place.index > lowest:
                    own, dy = call_backward(layer, own_cache, dy)
                else:
                    own = parameter_gradients(layer, own_cache, dy)
                grads.append(own)
        return (*cache.below, *reversed(grads))

    def calibrate(params: Tree, x: Array) -> tuple[Tree, Array]:
        check_params(params)
        calibrated = []
        with Place("chain", layers) as place:
            for place.index, layer in enumerate(layers):
                own, x = call_calibrate(layer, params[place.index], x)
                calibrated.append(own)
        return tuple(calibrated), x

    return Layer(
        "chain",
        init,
        forward,
        backward,
        backward_params,
        apply,
        needs_rng=any(layer.needs_rng for layer in layers),
        calibrate=calibrate if any(layer.calibrate for layer in layers) else None,
        children=layers,
        combinator=chain,
    )


class ChainCache(NamedTuple):
    """The caches of the layers; and the empty parameters of the first layers, those below all
    that have any. No gradient needs to reach them, and they are their own gradients.
    """

    caches: tuple[Cache, ...]
    below: tuple[Tree, ...]


def _below_all_parameters(params: tuple[Tree, ...]) -> tuple[Tree, ...]:
    lowest = next((i for i, own in enumerate(params) if tree.leaves(own)), len(params))
    return params[:lowest]
