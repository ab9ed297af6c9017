"""Runs that stopped go on as if nothing had been, and what is no run is refused."""

import json
import os
import sys
from pathlib import Path

import numpy as np
import pytest
from commands import QUICK, call, results
from typer.testing import CliRunner

import fcnn
from fcnn.cli import app


@pytest.mark.parametrize("every", [1, 2, 5])
def test_a_run_that_fails_in_any_epoch_goes_on(monkeypatch, every):
    call("train", *QUICK, "--epochs", 5, "--out", "whole", "--quiet")
    save = fcnn.tree.save
    for failing in range(1, 6):
        calls = []

        def fail(path, content, failing=failing, calls=calls):
            calls.append(path)
            if len(calls) == failing:
                raise OSError(28, "No space left on device")
            save(path, content)

        out = Path(f"broken{failing}")
        with monkeypatch.context() as patch:
            patch.setattr(fcnn.tree, "save", fail)
            settings = [*QUICK, "--epochs", 5, "--checkpoint-every", every, "--quiet"]
            result = CliRunner().invoke(app, [*map(str, settings_of("train", settings, out))])
        if result.exit_code:
            assert result.stderr == "fcnn: No space left on device\n"
            call("train", "--resume", out, "--quiet")
        assert results(out) == results(Path("whole"))


def settings_of(command, settings, out):
    return [command, *settings, "--out", out]


def test_resume_works_before_the_first_checkpoint_and_says_so_when_finished():
    whole = ["--epochs", "2", "--out"]
    call("train", *QUICK, *whole, "run")
    expected = results(Path("run"))
    for name in ("params.npz", "history.csv", "metrics.json", "checkpoint.npz"):
        Path("run", name).unlink()
    Path("run/config.json.17-3.part").write_text("{")
    out = call("train", "--resume", "run").stdout
    assert out.startswith("Going on with the run in run\nEpoch 1/2 - Train Loss: ")
    assert results(Path("run")) == expected
    assert not Path("run/config.json.17-3.part").exists()
    before = {path: path.read_bytes() for path in Path("run").iterdir()}
    assert "The run in run is finished" in call("train", "--resume", "run").stdout
    assert json.loads(call("train", "--resume", "run", "--json").stdout)["epochs"] == 2
    assert call("train", "--resume", "run", "--quiet").stdout == ""
    assert {path: path.read_bytes() for path in Path("run").iterdir()} == before


def test_a_run_that_lacks_only_its_end_gets_it():
    call("train", *QUICK, "--epochs", "2", "--out", "run")
    expected = results(Path("run"))
    Path("run/metrics.json").unlink()
    Path("run/params.npz").unlink()
    call("train", "--resume", "run")
    assert results(Path("run")) == expected


def test_resume_takes_no_settings():
    call("train", *QUICK, "--epochs", "1", "--out", "run", "--quiet")
    for setting in (["--data", "mnist5k"], ["--seed", "0"], ["--out", "b"],
                    ["--batch-size", "3"], ["--recipe", "reference"]):  # fmt: skip
        stderr = call("train", "--resume", "run", *setting, code=2).stderr
        assert stderr == f"fcnn: --resume takes the settings of the run; leave out {setting[0]}\n"


def test_folders_that_hold_something_are_refused():
    call("train", *QUICK, "--epochs", "1", "--out", "run", "--quiet")
    stderr = call("train", *QUICK, "--out", "run", code=2).stderr
    assert "run holds a run already; go on with it by --resume run" in stderr
    Path("full").mkdir()
    Path("full/letters.txt").write_text("dear")
    stderr = call("train", *QUICK, "--out", "full", code=2).stderr
    assert stderr == "fcnn: full is not empty: it holds letters.txt\n"
    assert os.listdir("full") == ["letters.txt"]
    Path("left").mkdir()
    Path("left/config.json.12-3.part").write_text("{")
    Path("left/.lock").touch()
    call("train", *QUICK, "--epochs", "1", "--out", "left", "--quiet")
    assert sorted(os.listdir("left")) == sorted(os.listdir("run"))
    for name in ("nothing", "full"):
        stderr = call("train", "--resume", name, code=2).stderr
        assert stderr == f"fcnn: {name} is not a run: there is no readable config.json in it\n"
    assert os.listdir("full") == ["letters.txt"]


def test_folders_that_cannot_be_made_are_noticed_before_any_work():
    Path("file").touch()
    assert "file is a file" in call("train", *QUICK, "--out", "file", code=2).stderr
    stderr = call("train", *QUICK, "--out", "file/run", code=1).stderr
    assert stderr == "fcnn: [Errno 20] Not a directory: 'file/run'\n"
    if sys.platform == "linux":
        assert "/proc/run" in call("train", *QUICK, "--out", "/proc/run", code=1).stderr


def test_data_that_has_changed_is_noticed():
    rng = np.random.default_rng(0)
    arrays = {"x_train": rng.random((40, 6, 6)), "y_train": np.arange(40) % 2,
              "x_test": rng.random((10, 6, 6)), "y_test": np.arange(10) % 2}  # fmt: skip
    np.savez("mine.npz", **arrays)
    settings = ["--data", "mine.npz", "--model", "linear", "--epochs", "1", "--quiet"]
    call("train", *settings, "--out", "run")
    Path("run/metrics.json").unlink()
    arrays["x_train"][0, 0, 0] += 0.001
    np.savez("mine.npz", **arrays)
    stderr = call("train", "--resume", "run", code=2).stderr
    assert "mine.npz has changed since the run began" in stderr


@pytest.mark.parametrize(
    ("name", "change", "text"),
    [
        ("checkpoint.npz", lambda data: data[:-9], "is not a readable .npz file"),
        ("history.csv", lambda data: b"", "is not readable"),
        ("history.csv", lambda data: data[: data.index(b"\n2,") + 1], "lacks epochs before 2"),
        ("history.csv", lambda data: data.replace(b"epoch", b"time", 1), "its columns are time"),
        ("history.csv", lambda data: data.replace(b"\n1,", b"\n1,x,"), "is not readable"),
        ("config.json", lambda data: data[:50], "is not readable as JSON"),
        ("config.json", lambda data: data.replace(b'"epochs": 2', b'"epochs": "2"'),
         "epochs is '2', expected an integer of at least 1"),
        ("config.json", lambda data: data.replace(b'"epochs": 2', b'"epochs": 1'),
         "is not of the run in"),
        ("config.json", lambda data: data.replace(b'"epochs"', b'"epoch": 2, "epochs"'),
         "unknown key 'epoch'; did you mean 'epochs'?"),
        ("config.json", lambda data: data.replace(b"0.1,", b"NaN,"), "learning_rate is nan"),
        ("config.json", lambda data: data.replace(b'"patience": null', b'"patience": 2'),
         "patience needs a validation set"),
        ("config.json", lambda data: data.replace(b'"rotation"', b'"rotatio"'),
         "unknown augmentation 'rotatio'; did you mean 'rotation'?"),
        ("config.json", lambda data: data.replace(b'fraction": 0.0', b'fraction": 1e-9'),
         "of 600 training images 0 would be held out"),
        ("history.csv", lambda data: data.replace(b"\n2,", b"\n3,"), "lacks epochs before 2"),
        ("history.csv", lambda data: data.replace(b"test", b"validation"),
         "its columns are epoch, train_loss, train_accuracy, validation_loss, validation_accuracy, "
         "seconds; expected epoch, train_loss, train_accuracy, test_loss, test_accuracy, seconds"),
        ("config.json", lambda data: data.replace(b'"linear"', b'"linea"'),
         "unknown model 'linea'; did you mean 'linear'?"),
        ("config.json", lambda data: data.replace(b'"format": 6', b'"format": 9'),
         "has format 9; this version of fcnn reads up to 6"),
    ],
)  # fmt: skip
def test_a_damaged_run_is_refused_by_name(name, change, text):
    call("train", *QUICK, "--epochs", "2", "--out", "run", "--quiet")
    Path("run/metrics.json").unlink()
    path = Path("run", name)
    path.write_bytes(change(path.read_bytes()))
    stderr = call("train", "--resume", "run", code=2).stderr
    assert text in stderr
    assert f"run/{name}" in stderr
    assert "Traceback" not in stderr
