"""Commands of fcnn, run in this process or in one of its own, and what a run has computed."""

import csv
import json
import subprocess
import sys

import numpy as np
import pytest
from typer.testing import CliRunner

from fcnn.cli import app

COMMAND = [sys.executable, "-m", "fcnn", "train"]
QUICK = ["--data", "synthetic", "--model", "linear", "--batch-size", "50"]


def call(*arguments, code=0):
    """The result of a command that ends with this exit code."""
    result = CliRunner().invoke(app, [str(a) for a in arguments])
    assert result.exit_code == code, result.output
    return result


def trained(folder, *arguments):
    """The folder, with a run in it that several tests share; no pictures are drawn."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("fcnn.pictures.run_pictures.available", lambda: False)
        call("train", *arguments, "--out", folder)
    return folder


def results(folder):
    """What a run has computed, without the times it took."""
    with np.load(folder / "params.npz") as params:
        arrays = {name: params[name].tobytes() for name in params.files}
    with (folder / "history.csv").open() as file:
        history = [{**row, "seconds": ""} for row in csv.DictReader(file)]
    metrics = json.loads((folder / "metrics.json").read_text())
    return arrays, history, {**metrics, "seconds": 0, "run": ""}


def start(*arguments):
    """A process of its own that trains."""
    return subprocess.Popen(
        [*COMMAND, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
