"""Initial weights, drawn from an explicit generator; biases start at zero."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TypeAlias

import numpy as np

from fcnn.arguments.settings import check_kind
from fcnn.numerics.arrays import Array, Shape, freeze

Initializer: TypeAlias = "Callable[[np.random.Generator, Shape, int, int], Array]"


def draw(
    initializer: Initializer, rng: np.random.Generator, shape: Shape, fan_in: int, fan_out: int
) -> Array:
    """What an initializer, perhaps the user's, draws: float32, contiguous and read-only."""
    check_kind("init", "rng", rng, np.random.Generator)
    check_fits(rng, shape)
    drawn = np.asarray(initializer(rng, shape, fan_in, fan_out))
    if drawn.dtype.kind not in "fiu":
        raise TypeError(f"initializer: drew {drawn.dtype}, asked for real numbers")
    if drawn.shape != shape:
        raise ValueError(f"initializer: drew {drawn.shape}, asked for {shape}")
    weights = np.array(drawn, np.float32, order="C")
    if not np.isfinite(weights).all():
        raise ValueError("initializer: drew values that are not finite")
    return freeze(weights)


def check_fits(rng: np.random.Generator, shape: Shape) -> None:
    """ValueError for parameters of more numbers than are left, see `random_streams.sparing`."""
    left: int | None = getattr(rng, "numbers_left", None)
    if left is None:
        return
    if math.prod(shape) > left:
        raise ValueError(f"the parameters {shape} would not fit into its file")
    rng.numbers_left = left - math.prod(shape)  # type: ignore[attr-defined]


def he_normal(rng: np.random.Generator, shape: Shape, fan_in: int, fan_out: int) -> Array:
    """Normal weights of variance 2 / fan_in, float32: keeps the variance through relu.

    He, Zhang, Ren, Sun: "Delving deep into rectifiers" (2015), equation 10.
    """
    return freeze(rng.standard_normal(shape, np.float32) * float(np.sqrt(2 / fan_in)))


def glorot_uniform(rng: np.random.Generator, shape: Shape, fan_in: int, fan_out: int) -> Array:
    """Uniform weights of variance 2 / (fan_in + fan_out), float32.

    Glorot, Bengio: "Understanding the difficulty of training deep feedforward neural
    networks" (2010), equation 16.
    """
    limit = float(np.sqrt(6 / (fan_in + fan_out)))
    return freeze((rng.random(shape, np.float32) * 2 - 1) * limit)


def named_unless_usual(initializer: Initializer) -> dict[str, str]:
    """The setting of a layer that says which initializer it has, unless it is He's."""
    if initializer is he_normal:
        return {}
    return {"initializer": getattr(initializer, "__name__", repr(initializer))}


def zeros(size: int) -> Array:
    """A bias of zeros, float32."""
    return freeze(np.zeros(size, np.float32))
