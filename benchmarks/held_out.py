"""What a recipe reaches on images held out of the training set; the test set is not looked at.

    python benchmarks/held_out.py RECIPE [--data mnist5k] [--part 0.2] [--seeds 0 1 2]
        [--set epochs=20 --set model=mine.py:network ...]

For each seed another part of the training set is held out, and the recipe, with the settings
that are given beside it, trains on the rest. Prints the accuracy and loss of the last epoch on
what was held out, and the seconds; then their means, and how far the accuracy may be off: twice
the standard error, as if all held out images of all seeds were different ones.
"""

import argparse
import json
import math
import time
from statistics import mean

import numpy as np

import fcnn
from fcnn.runs.config import configure
from fcnn.runs.initial_parameters import initial_parameters
from fcnn.runs.model_by_name import model_by_name
from fcnn.runs.plan import make_plan
from fcnn.runs.recipes import recipe_by_name


def main() -> None:
    """Print one line per seed, and their mean."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("recipe", help="what `fcnn train --recipe` takes")
    parser.add_argument("--data", default="mnist5k", help="what `fcnn train --data` takes")
    parser.add_argument("--part", type=float, default=0.2, help="that is held out")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE",
                        help="a setting of the recipe; may come several times")  # fmt: skip
    options = parser.parse_args()
    overrides = dict(map(setting, options.set))
    if "patience" in overrides:
        parser.error("every epoch is trained here: patience means nothing")
    if options.data == "synthetic":
        overrides.setdefault("model", recipe_by_name(options.recipe).lines_model)
    train_set, _ = fcnn.data.load(options.data)
    found = []
    for seed in options.seeds:
        begun = time.perf_counter()
        try:
            result = evaluation(options.recipe, train_set, options.part, seed, overrides)
        except (TypeError, ValueError) as error:
            parser.error(str(error))
        found.append((result.accuracy, result.loss))
        figures = f"{result.accuracy:.2%}, {result.loss:.4f}"
        print(f"seed {seed}: {figures} in {time.perf_counter() - begun:.0f} s", flush=True)
    accuracy, loss = map(mean, zip(*found, strict=True))
    images = options.part * len(train_set[0]) * len(found)
    error = 2 * math.sqrt(accuracy * (1 - accuracy) / images)
    settings_given = " ".join([options.recipe, *options.set])
    print(f"{settings_given}: {accuracy:.2%} ± {error:.2%}, loss {loss:.4f}")


def setting(text: str) -> tuple[str, object]:
    """NAME=VALUE; a value is JSON, or else a text."""
    name, value = text.split("=", 1)
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


def evaluation(
    recipe: str,
    train_set: tuple[np.ndarray, np.ndarray],
    part: float,
    seed: int,
    overrides: dict[str, object],
) -> fcnn.Evaluation:
    """How good one run is on what was held out, after the last epoch."""
    unseen = (train_set, train_set)  # in place of the test set, which nothing here needs
    config = configure(
        "held out",
        unseen,
        recipe_by_name(recipe),
        seed=seed,
        validation_fraction=part,
        **overrides,
    )
    plan = make_plan(config, unseen)
    model = model_by_name(config.model, config.classes)
    params = initial_parameters(model, config)
    for record in fcnn.fit(
        model,
        params,
        plan.optimizer,
        plan.train,
        epochs=config.epochs,
        batch_size=plan.batch_size,
        seed=config.seed,
        loss=plan.loss,
        augment=plan.augment,
    ):
        params = record.evaluated
    return fcnn.evaluate(model, params, *plan.evaluated)


if __name__ == "__main__":
    main()
