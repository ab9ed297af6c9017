"""Run folders: what a training run leaves behind, and reading it again.

config.json   all that is needed to do it again
params.npz    the parameters, by `fcnn.tree.save`
history.csv   one line per epoch
metrics.json  the figures of the last epoch, per class and confused
"""

import json
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import attrs
import numpy as np

from fcnn import names, streams, tree
from fcnn.arrays import Shape
from fcnn.layer import Layer
from fcnn.training import Epoch
from fcnn.tree import Tree
from fcnn.version import __version__

FORMAT: Final = 1
HISTORY: Final = (
    "epoch", "train_loss", "train_accuracy", "test_loss", "test_accuracy", "seconds",
)  # fmt: skip


class RunError(ValueError):
    """A run folder that is not there, not ours, or damaged."""


@attrs.frozen
class Config:
    """All that is needed to do a run again. Data and models in files have absolute paths;
    the network is the model as it prints, by which a file that has changed is noticed.
    """

    data: str
    model: str
    network: str
    recipe: str
    epochs: int
    batch_size: int
    learning_rate: float
    momentum: float
    seed: int
    in_shape: Shape = attrs.field(converter=tuple)
    classes: int


@attrs.frozen(eq=False)
class Run:
    """A finished run: how it was made, the model and its parameters."""

    folder: Path
    config: Config
    model: Layer
    params: Tree = attrs.field(repr=False)


def initial_parameters(model: Layer, config: Config) -> Tree:
    """The parameters that a run starts from: drawn from its seed alone."""
    return model.init(streams.generator(config.seed, streams.PARAMETERS), config.in_shape)[0]


def create_folder(out: str | os.PathLike[str] | None, config: Config) -> Path:
    """Make the folder of a run: the given one, or `runs/DATA-MODEL-N` with the first free N.

    Raises RunError if the given one holds a run already.
    """
    if out is not None:
        folder = Path(out)
        if (folder / "config.json").exists():
            raise RunError(f"{folder} holds a run already; choose another folder")
        if folder.exists() and not folder.is_dir():
            raise RunError(f"{folder} is a file; choose another folder")
        folder.mkdir(parents=True, exist_ok=True)
        return folder
    stem = f"{_slug(config.data)}-{_slug(config.model)}"
    number = 1
    while True:
        folder = Path("runs") / f"{stem}-{number}"
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            number += 1
        else:
            return folder


def write_config(folder: Path, config: Config) -> None:
    """Write config.json, with the format's number and the versions that made the run."""
    import platform

    versions = {
        "fcnn": __version__,
        "numpy": np.__version__,
        "python": platform.python_version(),
    }
    write_json(
        folder / "config.json",
        {"format": FORMAT, **attrs.asdict(config, recurse=False), "versions": versions},
    )


def write_history(folder: Path, history: Sequence[Epoch]) -> None:
    """Write history.csv: one line per epoch."""
    import csv

    with (folder / "history.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(HISTORY)
        writer.writerows([getattr(record, column) for column in HISTORY] for record in history)


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write a JSON file, readable and with a newline at its end."""
    path.write_text(json.dumps(content, indent=2, allow_nan=False) + "\n", encoding="utf-8")


def load_run(folder: str | os.PathLike[str]) -> Run:
    """Read the model and parameters of a run that `fcnn train` made.

    Raises RunError if the folder holds no finished run, or what it holds is damaged.
    A model of one's own is made by calling its function again.
    """
    folder = Path(folder)
    config = read_config(folder)
    try:
        model = names.model(config.model, config.classes)
        if config.model not in names.MODELS and repr(model) != config.network:
            raise RunError(
                f"{folder}: {config.model} has changed\n  was {config.network}\n  is  {model!r}"
            )
        like = initial_parameters(model, config)
        return Run(folder, config, model, tree.load(folder / "params.npz", like))
    except RunError:
        raise
    except FileNotFoundError:
        raise RunError(f"{folder} holds no params.npz: the run did not finish") from None
    except ValueError as error:
        raise RunError(f"{folder}: {error}") from error


def read_config(folder: Path) -> Config:
    """Read config.json; RunError says what is wrong with it."""
    path = folder / "config.json"
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError:
        raise RunError(f"{folder} is not a run: there is no readable config.json in it") from None
    except ValueError as error:
        raise RunError(f"{path} is not JSON: {error}") from error
    if not isinstance(content, dict) or not isinstance(content.get("format"), int):
        raise RunError(f"{path} is not the config of a run: it has no format number")
    if content["format"] > FORMAT:
        raise RunError(
            f"{path} has format {content['format']}; this version of fcnn reads up to {FORMAT}"
        )
    fields = [field.name for field in attrs.fields(Config)]
    missing = [name for name in fields if name not in content]
    if missing:
        raise RunError(f"{path} lacks {', '.join(missing)}")
    return Config(**{name: content[name] for name in fields})


def _slug(name: str) -> str:
    """The short name of data or a model, fit for a folder: of paths, the last part."""
    short = name.rsplit(":", 1)[-1] if ".py:" in name else Path(name).stem
    return re.sub(r"[^A-Za-z0-9_.]+", "_", short)
