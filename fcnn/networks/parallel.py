"""parallel: layers beside one another, where a chain has them one after the other.

x goes to all of them, so dx is the sum of their gradients by x, each from its part of dy.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate, pairwise
from typing import Any

import numpy as np

from fcnn.arguments.arrays import check_floats, check_like
from fcnn.arguments.settings import check_kind
from fcnn.arguments.wording import unknown
from fcnn.distributed.sample import on_each
from fcnn.layers.layer import Layer
from fcnn.networks.combinator import Combinator, Step
from fcnn.numerics.arrays import Array, Shape, sum_in_order

_MERGES = ("concatenate", "add")


def parallel(*layers: Layer, merge: str = "concatenate") -> Layer:
    """Layers that each get the same x, and whose outputs become one.

    Parameters
    ----------
    layers
        At least one. The parameters are the tuple of theirs.
    merge
        "concatenate", along the channels: (C1, H, W) and (C2, H, W) -> (C1 + C2, H, W), or
        vectors likewise; or "add", of equal shapes. Others are a ValueError in init and forward.

    Examples
    --------
    >>> import fcnn, numpy as np
    >>> both = fcnn.parallel(fcnn.conv2d(4, 1), fcnn.conv2d(8, 3, padding="same"))
    >>> params, out_shape = both.init(np.random.default_rng(0), (2, 7, 7))
    >>> out_shape
    (12, 7, 7)
    """
    if not layers:
        raise ValueError("parallel: there is no layer, expected at least one")
    check_kind("parallel", "merge", merge, str)
    if merge not in _MERGES:
        raise ValueError(f"parallel: {unknown('merge', merge, _MERGES)}")
    adds = merge == "add"

    def through(x: Any, step: Step) -> Any:
        return on_each(merged, *[step(i, x) for i in range(len(layers))])

    def merged(*ys: Array) -> Array:
        merged_shape([y.shape for y in ys], 1)
        return sum_in_order(ys) if adds else np.concatenate(ys, 1)  # keeps their memory order

    def shape_through(shape: Shape, step: Step) -> Shape:
        return merged_shape([step(i, shape) for i in range(len(layers))], 0)

    def back(dy: Array, step: Step, shapes: Sequence[Shape]) -> Array:
        check_floats("parallel_backward", dy=dy)
        check_like("parallel_backward", "dy", dy, "the output", merged_shape(shapes, 1), dy.dtype)
        parts = [dy] * len(layers)
        if not adds:
            ends = accumulate((shape[1] for shape in shapes), initial=0)
            parts = [dy[:, begin:end] for begin, end in pairwise(ends)]
        dxs: list[Array] = [step(i, part) for i, part in enumerate(parts)]
        return dxs[0] if dxs[0] is None else sum_in_order(dxs)

    def merged_shape(shapes: Sequence[Shape], axis: int) -> Shape:
        """That of the output, of outputs which are equal but for the axis of the channels where
        they are concatenated.
        """
        first = shapes[0]
        rests = {shape if adds else (*shape[:axis], *shape[axis + 1 :]) for shape in shapes}
        if len(rests) > 1 or not (adds or all(len(shape) > axis for shape in shapes)):
            lines = [f"  {layer.name}: {s}" for layer, s in zip(layers, shapes, strict=True)]
            what = "added" if adds else "concatenated along the channels"
            raise ValueError("\n".join([f"parallel: the outputs cannot be {what}", *lines]))
        if adds:
            return first
        return (*first[:axis], sum(shape[axis] for shape in shapes), *first[axis + 1 :])

    settings = {"merge": merge} if adds else {}
    return Combinator(parallel, layers, through, shape_through, back, settings).layer()
