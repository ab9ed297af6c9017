"""Run folders: what a training run leaves behind, and reading a finished one again.

config.json     all that is needed to do it again; written first
checkpoint.npz  the record of the last epoch, by `fcnn.save_checkpoint`
best.npz        the record of the best epoch, of runs with a validation set
history.csv     one line per epoch
params.npz      the parameters that are kept, by `fcnn.tree.save`
metrics.json    their figures, per class and confused; written last
"""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import attrs

from fcnn.arguments.settings import as_path, check_kind
from fcnn.files.locks import LOCK, only_process_in
from fcnn.files.writing import is_left_over, remove_left_overs
from fcnn.layers.layer import Layer
from fcnn.numerics import random_streams as streams
from fcnn.runs.config import CONFIG, Config, RunError, read_config, run_errors, write_config
from fcnn.runs.history import best_epoch, read_history
from fcnn.runs.model_by_name import absolute, model_by_name, telling_lines
from fcnn.training.epochs import Epoch
from fcnn.tree import Tree
from fcnn.tree.files import opened

CHECKPOINT: Final = "checkpoint.npz"
BEST: Final = "best.npz"
PARAMS: Final = "params.npz"

_OTHERWISE: Final = (
    "name its new place in config.json, or give the model itself: load_run(folder, model=...)"
)


@attrs.frozen(eq=False)
class Run:
    """A finished run: how it was made, the model and its parameters."""

    folder: Path
    config: Config
    model: Layer
    params: Tree

    @property
    def history(self) -> list[Epoch]:
        """The records of its epochs, without parameters; RunError if they cannot be read."""
        return read_history(self.folder, self.config)

    @property
    def best_epoch(self) -> int | None:
        """The epoch that was kept of a run with a validation set; None for the last of others."""
        return best_epoch(self.history) if self.config.validation_fraction else None

    def __repr__(self) -> str:
        return f"load_run({str(self.folder)!r})"


def load_run(folder: str | os.PathLike[str], model: Layer | None = None) -> Run:
    """Read the model and parameters of a run that `fcnn train` made.

    Raises RunError if the folder holds no finished run, or what it holds is damaged.
    A model all of whose layers are fcnn's is read from config.json, and no code is run. One with
    layers of one's own is made by running its file and calling its function again. That is
    refused, with a RunError, if the file may have come with the run: if it lies in the folder, or
    is named otherwise than by the absolute path, without links, that `fcnn train` writes.

    A model that is given takes the place of all that, and no code is run: so runs are loaded that
    were moved away from the file of their model. It must print as the one that was trained.
    """
    folder = as_path("load_run", "folder", folder)
    if model is not None:
        check_kind("load_run", "model", model, Layer)
    config = read_config(folder)
    with run_errors(folder):
        if model is None:
            model = model_of(folder, config)
        else:
            _check_network(folder, config.model, config, model)
        path = params_file(folder)
        with opened("tree.load", path) as file:
            with telling_lines(config.model):
                like, out_shape = model.init(streams.sparing(path), config.in_shape)
            if not out_shape or out_shape[0] < config.classes:
                raise ValueError(f"{CONFIG}: {config.classes} classes, but outputs {out_shape}")
            return Run(folder, config, model, file.arranged(like))


def params_file(folder: Path) -> Path:
    """The file of a run's parameters; RunError if there is none."""
    path = folder / PARAMS
    if not path.exists():
        raise RunError(
            f"{folder} holds no params.npz: the run did not finish; "
            f"fcnn train --resume {folder} goes on with it"
        )
    return path


def model_of(folder: Path, config: Config) -> Layer:
    """The model of a run; RunError if it is not the network that was trained.

    If all layers are fcnn's, config.json says what they are, and no code is run. Else it is made
    by its name; a RunError, if that is a file of code which may have come with the run.
    """
    model = config.network_of_fcnn
    if model is not None:
        _check_network(folder, "the document in config.json", config, model)
    if model is None or ":" not in config.model:
        model = _model_by_name(folder, config)
    return model


def model_to_train(folder: Path, config: Config) -> Layer:
    """The same, for a run that begins or goes on. While the file of its code is there, this must
    make the same network: a RunError says that it was edited.
    """
    if ":" in config.model and os.path.isfile(_file_of(config.model)):
        return _model_by_name(folder, config)
    return model_of(folder, config)


def _model_by_name(folder: Path, config: Config) -> Layer:
    _check_place_of_code(folder, config.model)
    try:
        model = model_by_name(config.model, config.classes)
    except ValueError as error:
        raise RunError(f"{folder / CONFIG}: {error}") from error
    _check_network(folder, config.model, config, model)
    return model


def _check_network(folder: Path, name: str, config: Config, model: Layer) -> None:
    if repr(model) != config.network:
        raise RunError(
            f"{folder}: {name} is another network now\n  was {config.network}\n  is  {model!r}"
        )


def _file_of(model: str) -> str:
    return model.rsplit(":", 1)[0]


def _check_place_of_code(folder: Path, model: str) -> None:
    """RunError if a model's file may have come with the run: who looks at a run that was given
    to them has not asked for its code to be run.
    """
    if ":" not in model:
        return
    named = f"{folder / CONFIG}: the model is {model}"
    if absolute(model) != model:
        raise RunError(
            f"{named}, expected the file's absolute path without links, {absolute(model)}: "
            "code that may have come with a run is not run"
        )
    file = Path(_file_of(model))
    if not os.path.isfile(file):
        raise RunError(f"{named}, but there is no such file; {_OTHERWISE}")
    parents = file.parents
    if folder.exists() and any(parent.samefile(folder) for parent in parents if parent.exists()):
        raise RunError(
            f"{named}, in the run's own folder: code that came with a run is not run; if you "
            f"trust it, move it out of the folder, and {_OTHERWISE}"
        )


@contextmanager
def new_folder(out: str | os.PathLike[str] | None, config: Config) -> Iterator[Path]:
    """The folder of a new run, with its config in it, for this process alone: the given one,
    or `runs/DATA-MODEL-N` with the first free N.

    Raises RunError if the given one is a file, holds a run or anything else but what runs
    that were killed at once have left; LockedError if another process is at work in it.
    """
    folder = _numbered_folder(config) if out is None else Path(out)
    if folder.exists() and not folder.is_dir():
        raise RunError(f"{folder} is a file; choose another folder")
    folder.mkdir(parents=True, exist_ok=True)
    with only_process_in(folder):
        if (folder / CONFIG).exists():
            raise RunError(
                f"{folder} holds a run already; go on with it by --resume {folder}, "
                "or choose another folder"
            )
        found = (path for path in folder.iterdir() if not is_left_over(path))
        others = sorted(path.name for path in found if path.name != LOCK)
        if others:
            raise RunError(f"{folder} is not empty: it holds {', '.join(others[:3])}")
        remove_left_overs(folder)
        write_config(folder, config)
        yield folder


@contextmanager
def old_folder(folder: Path) -> Iterator[Config]:
    """The config of a run that is to go on, for this process alone."""
    read_config(folder)  # before a lock is put into what is no run
    with only_process_in(folder):
        remove_left_overs(folder)
        yield read_config(folder)


def _numbered_folder(config: Config) -> Path:
    stem = f"{slug(config.data)}-{slug(config.model)}"
    number = 0
    while True:
        number += 1
        folder = Path("runs", f"{stem}-{number}")
        with suppress(FileExistsError):
            folder.mkdir(parents=True)
            return folder


def slug(name: str) -> str:
    """The short name of data or a model, fit for a folder: of paths, the last part."""
    short = name.rsplit(":", 1)[-1] if ".py:" in name else Path(name).stem
    return re.sub(r"[^A-Za-z0-9_.]+", "_", short)
