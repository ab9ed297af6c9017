"""Recipes: training settings as data."""

from typing import Final

import attrs


@attrs.frozen
class Recipe:
    """Settings that are known to work together; each can be overridden by itself."""

    name: str
    model: str
    lines_model: str  # for the synthetic lines
    epochs: int
    batch_size: int
    learning_rate: float
    momentum: float


REFERENCE: Final = Recipe(
    name="reference",
    model="mnist_cnn",
    lines_model="lines_cnn",
    epochs=5,
    batch_size=64,
    learning_rate=0.01,
    momentum=0.9,
)

RECIPES: Final = {recipe.name: recipe for recipe in (REFERENCE,)}
