"""Recipes: training settings as data."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import attrs

OPTIMIZERS: Final = ("sgd", "nesterov", "adam", "adamw")
SCHEDULES: Final = ("constant", "cosine", "one_cycle")


# What the recipes' settings of sgd become for an optimizer that is given in its place.
ADAPTIVE: Final[Mapping[str, Mapping[str, float]]] = {
    "adam": {"learning_rate": 0.001, "momentum": 0.0, "weight_decay": 0.0},
    "adamw": {"learning_rate": 0.001, "momentum": 0.0},
}


def frozen_mapping(mapping: Mapping[str, float]) -> Mapping[str, float]:
    """A copy that nobody can write to: recipes share theirs."""
    return MappingProxyType(dict(mapping))


@attrs.frozen
class Recipe:
    """Settings that are known to work together; each can be overridden by itself.

    Attributes
    ----------
    name, model, lines_model
        What it is called, and the model that it trains unless told otherwise; on the
        synthetic lines, another.
    epochs, batch_size
        How long, and how many examples a step sees.
    optimizer, learning_rate, momentum, weight_decay
        One of OPTIMIZERS; momentum is that of sgd and nesterov, weight decay is decoupled
        (see `fcnn.sgd`) and not for adam.
    schedule
        One of SCHEDULES, with the learning rate as its peak.
    label_smoothing
        See `fcnn.smoothed_cross_entropy`.
    augmentation
        The settings of `fcnn.augmentation.affine`; empty for none.
    """

    name: str
    model: str
    lines_model: str
    epochs: int
    batch_size: int
    learning_rate: float
    momentum: float
    optimizer: str = "sgd"
    weight_decay: float = 0.0
    schedule: str = "constant"
    label_smoothing: float = 0.0
    augmentation: Mapping[str, float] = attrs.field(factory=dict, converter=frozen_mapping)


REFERENCE: Final = Recipe(
    name="reference",
    model="mnist_cnn",
    lines_model="lines_cnn",
    epochs=5,
    batch_size=64,
    learning_rate=0.01,
    momentum=0.9,
)

SMALL: Final = Recipe(
    name="small",
    model="deep_cnn_small",
    lines_model="lines_cnn",
    epochs=16,
    batch_size=64,
    learning_rate=0.1,
    momentum=0.9,
    optimizer="nesterov",
    weight_decay=5e-3,
    schedule="one_cycle",
    label_smoothing=0.05,
    augmentation={"rotation": 12.0, "scale": 0.1, "shift": 2.5},
)

FAST: Final = attrs.evolve(
    SMALL,
    name="fast",
    lines_model="deep_cnn_small",
    epochs=3,
    batch_size=128,
    learning_rate=0.2,
)

BEST: Final = attrs.evolve(
    SMALL,
    name="best",
    model="deep_cnn",
    lines_model="deep_cnn",
    epochs=20,
    batch_size=128,
    learning_rate=0.2,
)

DEFAULT: Final = SMALL
RECIPES: Final = {recipe.name: recipe for recipe in (SMALL, FAST, BEST, REFERENCE)}
