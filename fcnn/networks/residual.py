"""residual: y = x + f(x), and so dx = dy + f'(x) dy, for the value goes two ways."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fcnn.arguments.arrays import check_floats
from fcnn.distributed.sample import on_each
from fcnn.layers.layer import Layer
from fcnn.networks.combinator import Combinator, Step
from fcnn.numerics.arrays import Array, Shape


def residual(layer: Layer) -> Layer:
    """y = x + layer(x), where the layer, often a chain, keeps the shape of x.

    If it does not, that is a ValueError in init and forward. The parameters are those of the
    layer. He, Zhang, Ren, Sun: "Deep residual learning for image recognition" (2016), equation 1.

    Examples
    --------
    >>> import fcnn, numpy as np
    >>> block = fcnn.residual(fcnn.chain(fcnn.conv2d(4, padding="same"), fcnn.relu))
    >>> params, out_shape = block.init(np.random.default_rng(0), (4, 7, 7))
    >>> out_shape
    (4, 7, 7)
    """

    def through(x: Any, step: Step) -> Any:
        on_each(check, x)
        return on_each(added, x, step(0, x))

    def check(x: Array) -> None:
        check_floats("residual", x=x)

    def added(x: Array, y: Array) -> Array:
        check_same(x.shape, y.shape)
        return x + y

    def shape_through(shape: Shape, step: Step) -> Shape:
        check_same(shape, step(0, shape))
        return shape

    def back(dy: Array, step: Step, shapes: Sequence[Shape]) -> Array:
        dx: Array = step(0, dy)
        return dx if dx is None else dy + dx

    def check_same(in_shape: Shape, out_shape: Shape) -> None:
        if in_shape != out_shape:
            raise ValueError(
                f"residual: x is {in_shape}, but {layer.name} makes it {out_shape}; "
                "a sum needs equal shapes"
            )

    return Combinator(residual, (layer,), through, shape_through, back, bare=True).layer()
