"""Branches: layers beside one another, where a chain has them one after the other.

Where a value goes two ways, its gradients add up: for y = x + f(x), dx = dy + f'(x) dy.
"""

from __future__ import annotations

import numpy as np

from fcnn.arguments.arrays import check_floats, check_shape
from fcnn.arguments.settings import check_kind
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


def residual(layer: Layer) -> Layer:
    """y = x + layer(x), where the layer, often a chain, keeps the shape of x.

    The parameters are those of the layer. He, Zhang, Ren, Sun: "Deep residual learning for
    image recognition" (2016), equation 1.

    Raises
    ------
    TypeError
        If it is not given a layer.
    ValueError
        In init and forward, if the layer changes the shape.

    Examples
    --------
    >>> import fcnn, numpy as np
    >>> block = fcnn.residual(fcnn.chain(fcnn.conv2d(4, padding="same"), fcnn.relu))
    >>> params, out_shape = block.init(np.random.default_rng(0), (4, 7, 7))
    >>> out_shape
    (4, 7, 7)
    """
    check_kind("residual", "layer", layer, Layer)

    def place() -> Place:
        return Place("residual", (layer,))

    def init(rng: np.random.Generator, in_shape: Shape) -> tuple[Tree, Shape]:
        in_shape = check_shape("residual", in_shape)
        with place():
            params, out_shape = call_init(layer, rng, in_shape)
        check_same(in_shape, out_shape)
        return params, in_shape

    def check_same(in_shape: Shape, out_shape: Shape) -> None:
        if in_shape != out_shape:
            raise ValueError(
                f"residual: x is {in_shape}, but {layer.name} makes it {out_shape}; "
                "a sum needs equal shapes"
            )

    def add(x: Array, y: Array) -> Array:
        check_same(x.shape, y.shape)
        return x + y

    def forward(
        params: Tree, x: Array, rng: np.random.Generator | None = None
    ) -> tuple[Array, Cache]:
        check_floats("residual", x=x)
        with place():
            y, cache = call_forward(layer, params, x, rng)
        return add(x, y), cache

    def apply(params: Tree, x: Array) -> Array:
        check_floats("residual", x=x)
        with place():
            y = call_apply(layer, params, x)
        return add(x, y)

    def backward(cache: Cache, dy: Array) -> tuple[Tree, Array]:
        with place():
            dparams, dx = call_backward(layer, cache, dy)
        return dparams, dy + dx

    def backward_params(cache: Cache, dy: Array) -> Tree:
        with place():
            return parameter_gradients(layer, cache, dy)

    def calibrate(params: Tree, x: Array) -> tuple[Tree, Array]:
        with place():
            params, y = call_calibrate(layer, params, x)
        return params, add(x, y)

    return Layer(
        "residual",
        init,
        forward,
        backward,
        backward_params,
        apply,
        needs_rng=layer.needs_rng,
        calibrate=calibrate if layer.calibrate else None,
        children=(layer,),
        combinator=residual,
    )
