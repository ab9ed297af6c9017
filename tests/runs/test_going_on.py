"""Runs that go on to another number of epochs are those that were asked for it at once."""

import json
from functools import partial
from pathlib import Path

import attrs
import pytest
from commands import call, results
from small_runs import NOISE, KilledError, begun, config_of, killed_at_write

from fcnn.files.locks import only_process_in
from fcnn.runs import experiment
from fcnn.runs.config import RunError, read_config
from fcnn.runs.folder import load_run
from fcnn.runs.going_on import with_epochs
from fcnn.runs.history import read_history
from fcnn.runs.plan import make_plan

RUN = ["--data", "synthetic", "--recipe", "reference", "--model", "linear", "--quiet"]


def train(folder, config, **options):
    return experiment.train(make_plan(config, NOISE), folder, threads=1, **options)


def run_of(folder, **given):
    config = config_of(**given)
    train(begun(folder, config), config)
    return Path(folder), config


def content(folder):
    """What a run has computed, and what it was asked for."""
    return results(folder), read_config(folder)


@pytest.mark.parametrize("given", [{}, {"patience": 3}, {"validation_fraction": 0.0}])
@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_a_finished_run_goes_on_as_the_run_that_was_asked_for_more(given, optimizer):
    whole, _ = run_of("whole", epochs=6, optimizer=optimizer, **given)
    folder, config = run_of("run", epochs=3, optimizer=optimizer, **given)
    train(folder, with_epochs(folder, config, 6))
    assert content(folder) == content(whole)


def test_a_run_that_was_stopped_goes_on_to_fewer_epochs_or_more():
    for epochs in (3, 6):
        whole, _ = run_of(f"whole{epochs}", epochs=epochs)
        config = config_of(epochs=4)
        folder = begun(f"run{epochs}", config)

        def kill(record):
            if record.epoch == 2:
                raise KilledError

        with pytest.raises(KilledError):
            train(folder, config, on_epoch=kill)
        train(folder, with_epochs(folder, config, epochs))
        assert content(folder) == content(whole)


def go_on_to_5(folder, config):
    train(folder, with_epochs(folder, config, 5))


def test_it_may_be_killed_before_any_write():
    whole, _ = run_of("whole", epochs=5)
    writes, killed = 0, True
    while killed:
        folder, config = run_of(f"run{writes}", epochs=3)
        killed = killed_at_write(writes, partial(go_on_to_5, folder, config))
        if killed:
            load_run(folder)  # what it had learned is not lost
        if not (folder / "metrics.json").exists():
            train(folder, read_config(folder))
        if read_config(folder).epochs == 3:  # before it could be noted: as if it had never been
            go_on_to_5(folder, config)
        assert content(folder) == content(whole)
        writes += 1
    assert writes > 6


def test_a_run_that_patience_has_ended_goes_on_without_it():
    whole, _ = run_of("whole", epochs=30)
    folder, config = run_of("run", epochs=30, patience=2)
    done = len(read_history(folder, config))
    assert done < 29
    with pytest.raises(
        RunError, match=f"cannot go on to {done} epochs: it has done {done} already"
    ):
        with_epochs(folder, config, done)
    longer = with_epochs(folder, config, 30)  # what it was asked for, patience aside
    assert longer == attrs.evolve(config, patience=None)
    train(folder, longer)
    assert content(folder) == content(whole)


@pytest.mark.parametrize("schedule", ["cosine", "one_cycle"])
def test_a_schedule_of_the_whole_run_is_not_made_longer(schedule):
    folder, config = run_of("run", epochs=30, patience=2, schedule=schedule)
    text = rf"run cannot go on to 31 epochs: its learning rate follows {schedule} over 30"
    with pytest.raises(RunError, match=text):
        with_epochs(folder, config, 31)
    whole, _ = run_of("whole", epochs=30, schedule=schedule)
    train(folder, with_epochs(folder, config, 30))
    assert content(folder) == content(whole)


def test_nothing_is_deleted_in_a_folder_that_is_no_longer_ones_own():
    folder, config = run_of("run", epochs=2)
    with only_process_in(folder):
        (folder / ".lock").unlink()
        with pytest.raises(OSError, match="run"):
            train(folder, with_epochs(folder, config, 3))
    assert (folder / "metrics.json").exists()


def test_the_command_goes_on_to_more_epochs():
    call("train", *RUN, "--epochs", 4, "--out", "whole")
    call("train", *RUN, "--epochs", 2, "--out", "run")
    said = call("train", "--resume", "run", "--epochs", 4).stdout
    assert said.startswith("Going on with the run in run\nEpoch 3/4 - Train Loss: ")
    assert content(Path("run")) == content(Path("whole"))
    assert "is finished" in call("train", "--resume", "run").stdout
    metrics = json.loads(call("train", "--resume", "run", "--epochs", 5, "--json").stdout)
    assert metrics["epochs"] == 5


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        (["--epochs", 1], "run cannot go on to 1 epochs: it has done 1 already; give the number"),
        (
            ["--epochs", 2, "--schedule", "one_cycle"],
            "run cannot go on to 1 epochs: its learning rate",
        ),
    ],
)
def test_the_command_says_why_it_cannot_and_leaves_the_run_as_it_is(settings, text):
    call("train", *RUN, *settings, "--out", "run")
    before = {path: path.read_bytes() for path in Path("run").iterdir()}
    stderr = call("train", "--resume", "run", "--epochs", 1, code=2).stderr
    assert stderr.startswith(f"fcnn: {text}")
    assert {path: path.read_bytes() for path in Path("run").iterdir()} == before
