"""Branches: layers beside one another, where a chain has them one after the other.

Where a value goes two ways, its gradients add up: for y = x + f(x), dx = dy + f'(x) dy.
"""

from __future__ import annotations

from itertools import accumulate, pairwise
from typing import NamedTuple

import numpy as np

from fcnn.arguments.arrays import check_cache, check_gradient, check_shape
from fcnn.arguments.settings import check_kind
from fcnn.arguments.wording import kind_of, unknown
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

_MERGES = ("concatenate", "add")


class ParallelCache(NamedTuple):
    """The caches of the layers, the channels that each made, and the form of the output."""

    caches: tuple[Cache, ...]
    channels: tuple[int, ...]
    out_shape: Shape
    dtype: np.dtype[np.floating]


def parallel(*layers: Layer, merge: str = "concatenate") -> Layer:
    """Layers that each get the same x, and whose outputs become one.

    Parameters
    ----------
    layers
        At least one. The parameters are the tuple of theirs.
    merge
        "concatenate", along the channels: (C1, H, W) and (C2, H, W) -> (C1 + C2, H, W), or
        vectors likewise; or "add", of equal shapes.

    Raises
    ------
    TypeError
        If what it is given are not layers.
    ValueError
        If there is no layer, or no such merge; in init and forward, if the shapes of the
        outputs do not fit together.

    Examples
    --------
    >>> import fcnn, numpy as np
    >>> both = fcnn.parallel(fcnn.conv2d(4, 1), fcnn.conv2d(8, 3, padding="same"))
    >>> params, out_shape = both.init(np.random.default_rng(0), (2, 7, 7))
    >>> out_shape
    (12, 7, 7)
    """
    for index, layer in enumerate(layers):
        check_kind("parallel", f"layer {index}", layer, Layer)
    if not layers:
        raise ValueError("parallel: there is no layer, expected at least one")
    check_kind("parallel", "merge", merge, str)
    if merge not in _MERGES:
        raise ValueError(f"parallel: {unknown('merge', merge, _MERGES)}")
    adds = merge == "add"

    def init(rng: np.random.Generator, in_shape: Shape) -> tuple[Tree, Shape]:
        in_shape = check_shape("parallel", in_shape)
        params, shapes = [], []
        with Place("parallel", layers) as place:
            for place.index, layer in enumerate(layers):
                own, shape = call_init(layer, rng, in_shape)
                params.append(own)
                shapes.append(shape)
        check_shapes(shapes, 0)
        first = shapes[0]
        if not adds:
            first = (sum(shape[0] for shape in shapes), *first[1:])
        return tuple(params), first

    def check_shapes(shapes: list[Shape], axis: int) -> None:
        """Equal, but for the axis of the channels where they are concatenated."""
        rests = {s if adds else (*s[:axis], *s[axis + 1 :]) for s in shapes}
        if len(rests) > 1 or not (adds or all(len(s) > axis for s in shapes)):
            lines = [f"  {layer.name}: {s}" for layer, s in zip(layers, shapes, strict=True)]
            what = "added" if adds else "concatenated along the channels"
            raise ValueError("\n".join([f"parallel: the outputs cannot be {what}", *lines]))

    def check_params(params: Tree) -> None:
        if not isinstance(params, tuple) or len(params) != len(layers):
            raise ValueError(
                f"parallel: {len(layers)} layers need a tuple of as many parameters, got "
                f"{len(params) if isinstance(params, tuple) else kind_of(params)}"
            )

    def merged(ys: list[Array]) -> Array:
        check_shapes([y.shape for y in ys], 1)
        return _sum_of(ys) if adds else np.concatenate(ys, 1)  # keeps their memory order

    def forward(
        params: Tree, x: Array, rng: np.random.Generator | None = None
    ) -> tuple[Array, ParallelCache]:
        check_params(params)
        ys, caches = [], []
        with Place("parallel", layers) as place:
            for place.index, layer in enumerate(layers):
                own, cache = call_forward(layer, params[place.index], x, rng)
                ys.append(own)
                caches.append(cache)
        y = merged(ys)
        channels = () if adds else tuple(own.shape[1] for own in ys)
        return y, ParallelCache(tuple(caches), channels, y.shape, y.dtype)

    def apply(params: Tree, x: Array) -> Array:
        check_params(params)
        ys = []
        with Place("parallel", layers) as place:
            for place.index, layer in enumerate(layers):
                ys.append(call_apply(layer, params[place.index], x))
        return merged(ys)

    def parts_of(cache: ParallelCache, dy: Array) -> list[Array]:
        """The gradient of each layer's output."""
        check_cache("parallel", cache, ParallelCache)
        if len(cache.caches) != len(layers):
            raise ValueError(
                f"parallel_backward: cache is that of {len(cache.caches)} layers, expected "
                f"{len(layers)}"
            )
        check_gradient("parallel_backward", dy, cache.out_shape, cache.dtype)
        if adds:
            return [dy] * len(layers)
        ends = accumulate(cache.channels, initial=0)
        return [dy[:, begin:end] for begin, end in pairwise(ends)]

    def backward(cache: ParallelCache, dy: Array) -> tuple[Tree, Array]:
        grads, dxs = [], []
        parts = parts_of(cache, dy)
        with Place("parallel", layers) as place:
            for place.index, layer in enumerate(layers):
                own, dx = call_backward(layer, cache.caches[place.index], parts[place.index])
                grads.append(own)
                dxs.append(dx)
        return tuple(grads), _sum_of(dxs)

    def backward_params(cache: ParallelCache, dy: Array) -> Tree:
        grads = []
        parts = parts_of(cache, dy)
        with Place("parallel", layers) as place:
            for place.index, layer in enumerate(layers):
                own_cache, own_dy = cache.caches[place.index], parts[place.index]
                grads.append(parameter_gradients(layer, own_cache, own_dy))
        return tuple(grads)

    def calibrate(params: Tree, x: Array) -> tuple[Tree, Array]:
        check_params(params)
        calibrated, ys = [], []
        with Place("parallel", layers) as place:
            for place.index, layer in enumerate(layers):
                own, y = call_calibrate(layer, params[place.index], x)
                calibrated.append(own)
                ys.append(y)
        return tuple(calibrated), merged(ys)

    return Layer(
        "parallel",
        init,
        forward,
        backward,
        backward_params,
        apply,
        needs_rng=any(layer.needs_rng for layer in layers),
        calibrate=calibrate if any(layer.calibrate for layer in layers) else None,
        children=layers,
        settings={"merge": merge} if adds else {},
        combinator=parallel,
    )


def _sum_of(arrays: list[Array]) -> Array:
    """The sum, in an array of its own where there are several."""
    if len(arrays) == 1:
        return arrays[0]
    total: Array = arrays[0] + arrays[1]
    for other in arrays[2:]:
        total += other
    return total
