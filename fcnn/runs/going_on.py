"""A run that goes on to another number of epochs than it was begun with."""

from pathlib import Path

import attrs

from fcnn.runs.config import Config, RunError
from fcnn.runs.history import HISTORY, is_complete, read_history


def with_epochs(folder: Path, config: Config, epochs: int) -> Config:
    """The config of the run in a folder, with so many epochs in all: that of a run which was
    asked for them at once. One that patience has ended goes on without patience.

    Raises RunError if so many epochs are done, or the run would have begun otherwise.
    """
    if config.schedule != "constant" and epochs != config.epochs:
        raise RunError(
            f"{folder} cannot go on to {epochs} epochs: its learning rate follows {config.schedule}"
            f" over {config.epochs}; begin a new run with its parameters: --init {folder}"
        )
    history = read_history(folder, config) if (folder / HISTORY).exists() else []
    if epochs <= len(history):
        raise RunError(
            f"{folder} cannot go on to {epochs} epochs: it has done {len(history)} already; "
            "give the number of epochs in all, more than that"
        )
    has_ended_early = is_complete(history, config) and len(history) < config.epochs
    patience = None if has_ended_early else config.patience
    return attrs.evolve(config, epochs=epochs, patience=patience)
