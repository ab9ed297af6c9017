"""Recipes: names of settings that are known to work together."""

from collections.abc import Mapping
from typing import Any, Final

import attrs

from fcnn.arguments.wording import unknown
from fcnn.runs.settings import Settings

# What the recipes' settings of sgd become for an optimizer that is given in its place.
ADAPTIVE: Final[Mapping[str, Mapping[str, float]]] = {
    "adam": {"learning_rate": 0.001, "momentum": 0.0, "weight_decay": 0.0},
    "adamw": {"learning_rate": 0.001, "momentum": 0.0},
}


@attrs.frozen
class Recipe:
    """Settings with a name; on the synthetic lines, they are for another model."""

    name: str
    settings: Settings
    lines_model: str

    def with_given(self, data_name: str, given: Mapping[str, Any]) -> Settings:
        """The settings for some data; those that are given take the place of the recipe's.

        To another optimizer, what the recipe has for sgd gives way. ValueError for a value that
        a setting cannot have.
        """
        changed: dict[str, Any] = {"model": self.lines_model} if data_name == "synthetic" else {}
        if given.get("optimizer") in ADAPTIVE:
            if "momentum" in given:
                raise ValueError(f"{given['optimizer']} has no momentum to set: leave it out")
            changed |= ADAPTIVE[given["optimizer"]]
        return attrs.evolve(self.settings, **changed | dict(given))


def recipe_by_name(name: str) -> Recipe:
    """The recipe of that name; ValueError with the nearest one for any other."""
    if name not in RECIPES:
        raise ValueError(unknown("recipe", name, RECIPES))
    return RECIPES[name]


REFERENCE: Final = Recipe(
    "reference",
    Settings(model="mnist_cnn", epochs=5, batch_size=64, learning_rate=0.01, momentum=0.9),
    lines_model="lines_cnn",
)

SMALL: Final = Recipe(
    "small",
    Settings(
        model="deep_cnn_small",
        epochs=16,
        batch_size=64,
        optimizer="nesterov",
        learning_rate=0.1,
        schedule="one_cycle",
        momentum=0.9,
        weight_decay=0.02,
        label_smoothing=0.05,
        augmentation={"rotation": 12.0, "scale": 0.1, "shift": 2.5},
    ),
    lines_model="lines_cnn",
)

FAST: Final = Recipe(
    "fast",
    attrs.evolve(SMALL.settings, epochs=3, learning_rate=0.3),
    lines_model="deep_cnn_small",
)

BEST: Final = Recipe(
    "best",
    attrs.evolve(
        SMALL.settings,
        model="deep_cnn",
        epochs=50,
        learning_rate=0.2,
        weight_decay=0.005,
    ),
    lines_model="deep_cnn",
)

TINY: Final = Recipe(
    "tiny",
    attrs.evolve(
        BEST.settings,
        model="tiny_cnn",
        epochs=24,
        batch_size=128,
        weight_decay=0.002,
        label_smoothing=0.0,
        augmentation={"rotation": 9.0, "scale": 0.1, "shift": 2.0},
    ),
    lines_model="tiny_cnn",
)

DEFAULT: Final = SMALL
RECIPES: Final = {recipe.name: recipe for recipe in (SMALL, FAST, BEST, TINY, REFERENCE)}
