"""A row of the leaderboard: what finished runs of a recipe reach, and what they cost.

    fcnn train --data mnist --recipe best --seed 0 --out runs/best-0      (and seeds 1 and 2)
    python benchmarks/leaderboard.py runs/best-0 runs/best-1 runs/best-2 [--rounds 3] [--epochs 2]

The runs are those of one recipe as it is, on the same data, with other seeds. Prints their mean
test accuracy, and each; the parameters; the multiply-adds of one image, and of all the training:
three products in each layer (forward, and the gradients of kernels and of inputs) for each image of
each epoch. Then the recipe is trained for a few epochs in turn with PyTorch
(`recipe_with_pytorch.py`, in each of its memory formats), on all cores, and the median seconds of
an epoch are told, with the ratio to the quicker format. An epoch of fcnn includes an evaluation.
"""

import argparse
import csv
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import mean, median
from typing import Final

import attrs

import fcnn
from fcnn.networks.summary import parameter_count, summarize
from fcnn.runs.config import Config, data_hash, read_config, read_json
from fcnn.runs.folder import load_run
from fcnn.runs.history import HISTORY
from fcnn.runs.recipes import recipe_by_name
from fcnn.runs.results import METRICS
from fcnn.runs.settings import Settings

HERE: Final = Path(__file__).parent
FORMATS: Final = ("channels_last", "contiguous")


def main() -> None:
    """Print the row, and what it is made of."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", type=Path, nargs="+", help="folders of finished runs")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=2, help="of each round")
    options = parser.parse_args()
    configs = [read_config(folder) for folder in options.runs]
    try:
        check_same_recipe(configs)
    except ValueError as error:
        parser.error(str(error))
    config, run = configs[0], load_run(options.runs[0])
    found = [read_json(folder / METRICS)["test_accuracy"] for folder in options.runs]
    parameters = parameter_count(run.params)
    products = sum(row.multiply_adds or 0 for row in summarize(run.model, config.in_shape))
    (x, _), _ = data = fcnn.data.load(config.data)
    if data_hash(data) != config.data_hash:
        parser.error(f"the data in {config.data} has changed since the runs")
    in_all = 3 * products * len(x) * config.epochs
    ours, theirs = seconds_in_turn(config, options.rounds, options.epochs)
    ratio = median(ours) / min(map(median, theirs.values()))
    print(f"seconds of an epoch: fcnn {median(ours):.2f}", end="")
    print(*(f", PyTorch {name} {median(each):.2f}" for name, each in theirs.items()), sep="")
    each = ", ".join(f"{100 * accuracy:.2f}" for accuracy in found)
    print(
        "| recipe | accuracy | each | parameters | multiply-adds | in training "
        "| seconds / PyTorch |\n"
        f"| `{config.recipe}` | {100 * mean(found):.2f} % | {each} | {parameters:,} "
        f"| {products / 1e6:.2f} million | {in_all / 1e12:.1f} * 10^12 | {ratio:.2f} |"
    )


def check_same_recipe(configs: list[Config]) -> None:
    """ValueError unless all are of one recipe as it is, on the same data, with other seeds."""
    first = configs[0]
    as_it_is = recipe_by_name(first.recipe).settings
    for config in configs:
        for field in attrs.fields(Settings):
            mine, expected = getattr(config, field.name), getattr(as_it_is, field.name)
            if field.name != "seed" and mine != expected:
                raise ValueError(f"{field.name} is {mine}, the recipe {first.recipe}'s {expected}")
        if (config.recipe, config.data_hash) != (first.recipe, first.data_hash):
            raise ValueError("the runs are of different recipes or data")
    if len({config.seed for config in configs}) < len(configs):
        raise ValueError("two of the runs have the same seed")


def seconds_in_turn(
    config: Config, rounds: int, epochs: int
) -> tuple[list[float], dict[str, list[float]]]:
    """The seconds of an epoch in each round: of fcnn, and of PyTorch by its memory format."""
    ours: list[float] = []
    theirs: dict[str, list[float]] = {name: [] for name in FORMATS}
    recipe = [config.recipe, "--data", config.data, "--epochs", str(epochs)]
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder, "run")
            told("-m", "fcnn", "train", "--quiet", "--out", str(out), "--recipe", *recipe)
            with (out / HISTORY).open() as file:
                ours.append(mean(float(row["seconds"]) for row in csv.DictReader(file)))
        for name, seconds in theirs.items():
            answer = told(str(HERE / "recipe_with_pytorch.py"), *recipe, "--memory-format", name)
            (found,) = re.findall(r"in ([\d.]+) s", answer)
            seconds.append(float(found) / epochs)
    return ours, theirs


def told(*arguments: str) -> str:
    """What this Python prints when it is called so."""
    return subprocess.run(
        [sys.executable, *arguments], check=True, stdout=subprocess.PIPE, text=True
    ).stdout


if __name__ == "__main__":
    main()
