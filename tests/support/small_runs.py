"""Runs that take no time: a linear model on noise, on which accuracies rise and fall."""

from pathlib import Path

import numpy as np
import pytest

import fcnn
from fcnn.runs.config import configure, write_config
from fcnn.runs.plan import make_plan
from fcnn.runs.recipes import REFERENCE


def _noise(seed, n):
    rng = np.random.default_rng(seed)
    return rng.random((n, 1, 2, 2), np.float32), rng.integers(0, 3, n)


NOISE = _noise(0, 60), _noise(1, 30)


def config_of(data=NOISE, **given):
    """The config of a run on some data, with a fifth of it held out."""
    given = {"model": "linear", "learning_rate": 0.5, "validation_fraction": 0.2} | given
    return configure("noise.npz", data, REFERENCE, **given)


def begun(folder, config):
    """The folder of a run, with nothing but its config in it."""
    folder = Path(folder)
    folder.mkdir()
    write_config(folder, config)
    return folder


def record_in(path, config, data=NOISE):
    """The record in a checkpoint of a linear model, None if there is none."""
    model = fcnn.models.linear(config.classes)
    optimizer = make_plan(config, data).optimizer
    return fcnn.load_checkpoint(path, model, optimizer) if path.exists() else None


class KilledError(Exception):
    """Stands for the end of the process."""


def killed_at_write(writes, work):
    """Whether work was ended before the file that comes after so many took its place."""
    replace, done = Path.replace, []

    def dying(path, target):
        if len(done) == writes:
            raise KilledError
        done.append(target)
        return replace(path, target)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Path, "replace", dying)
        try:
            work()
        except KilledError:
            return True
    return False
