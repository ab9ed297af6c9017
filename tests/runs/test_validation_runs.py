"""Runs with a validation set: the best epoch on it is kept, patience may end them, a kill does
not, and what they leave says validation where it is one.
"""

import csv
import json
from itertools import pairwise
from pathlib import Path
from zlib import crc32

import numpy as np
import pytest
from typer.testing import CliRunner

import fcnn
from fcnn import tree
from fcnn.runs import config as configs
from fcnn.runs import experiment
from fcnn.runs import recipes
from fcnn.cli import reports
from fcnn.runs import folder as runs
from fcnn.runs import settings
from fcnn.training import fit as training
from fcnn.cli import app
from fcnn.cli.progress import Bar

LINEAR = ["--data", "synthetic", "--recipe", "reference", "--model", "linear"]
QUICK = [*LINEAR, "--validation-fraction", "0.2"]
DATA = fcnn.data.synthetic_lines(seed=0)


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("fcnn.pictures.run_pictures.available", lambda: False)


@pytest.fixture
def up_and_down(monkeypatch):
    """Accuracies that rise and fall, as the parameters alone have it, with many equal ones."""
    evaluate = training.evaluate

    def fickle(model, params, *test, **options):
        accuracy = crc32(b"".join(leaf.tobytes() for leaf in tree.leaves(params))) % 7 / 7
        return evaluate(model, params, *test, **options)._replace(accuracy=accuracy)

    monkeypatch.setattr(training, "evaluate", fickle)


def call(*arguments, code=0):
    result = CliRunner().invoke(app, [str(a) for a in arguments])
    assert result.exit_code == code, result.output
    return result


def config_of(**given):
    given = {"model": "linear", "batch_size": 240, "validation_fraction": 0.2} | given
    return experiment.configure("synthetic", DATA, recipes.REFERENCE, 0, **given)


def begin(folder, config):
    folder = Path(folder)
    folder.mkdir()
    configs.write_config(folder, config)
    return folder


def record_in(path, config):
    model, optimizer = fcnn.models.linear(3), settings.optimizer_of(config, 480)
    return fcnn.load_checkpoint(path, model, optimizer) if path.exists() else None


def content(folder):
    """What a run has computed, without the times it took."""
    found = {}
    for name in ("params.npz", "best.npz", "checkpoint.npz"):
        with np.load(folder / name) as archive:
            found[name] = {key: archive[key].tobytes() for key in archive if "seconds" not in key}
    with (folder / "history.csv").open() as file:
        found["history"] = [{**row, "seconds": ""} for row in csv.DictReader(file)]
    metrics = json.loads((folder / "metrics.json").read_text())
    return found, {**metrics, "seconds": 0, "run": ""}


class KilledError(Exception):
    """Stands for the end of the process."""


def train_until_killed(folder, config, every, monkeypatch, writes):
    """Train, and end before the file that comes after so many takes its place."""
    replace, done = Path.replace, []

    def dying(path, target):
        if len(done) == writes:
            raise KilledError
        done.append(target)
        return replace(path, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", dying)
        try:
            experiment.train(config, DATA, folder, checkpoint_every=every)
        except KilledError:
            return True
    return False


@pytest.mark.parametrize(("every", "patience"), [(1, 3), (5, 3), (2, None)])
def test_a_run_killed_before_any_write_is_the_run_that_was_never_killed(
    up_and_down, monkeypatch, every, patience
):
    config = config_of(epochs=9, patience=patience)
    whole = begin("whole", config)
    experiment.train(config, DATA, whole, checkpoint_every=every)
    writes, killed = 0, True
    while killed:
        folder = begin(f"killed{writes}", config)
        killed = train_until_killed(folder, config, every, monkeypatch, writes)
        last, best = (record_in(folder / name, config) for name in (runs.CHECKPOINT, runs.BEST))
        assert best is None or best.epoch <= last.epoch  # else it may be one that never comes
        if killed:
            # Once more, so that what the first resumption leaves is gone on with too.
            train_until_killed(folder, config, every, monkeypatch, 2)
        if not runs.is_finished(folder):
            experiment.train(config, DATA, folder, checkpoint_every=every)
        assert content(folder) == content(whole)
        writes += 1
    assert writes > 9


@pytest.mark.parametrize("every", [1, 4, 100])
def test_a_run_that_patience_ends_leaves_a_checkpoint_of_its_last_epoch(up_and_down, every):
    config = config_of(epochs=30, patience=2)
    folder = begin("run", config)
    metrics = experiment.train(config, DATA, folder, checkpoint_every=every).metrics
    assert metrics["epochs"] == metrics["best_epoch"] + 2 < 30
    assert record_in(folder / runs.CHECKPOINT, config).epoch == metrics["epochs"]
    # Nothing is trained when only the end is missing.
    expected = content(folder)
    for name in ("metrics.json", "params.npz"):
        (folder / name).unlink()
    again = []
    experiment.train(config, DATA, folder, on_epoch=again.append)
    assert again == []
    assert content(folder) == expected


def unfinished(monkeypatch, config, epochs):
    """A run that was stopped after so many epochs; its best is the first."""
    evaluate = training.evaluate
    accuracies = iter([0.9, *[0.5] * 20])

    def falling(*arguments, **options):
        return evaluate(*arguments, **options)._replace(accuracy=next(accuracies))

    monkeypatch.setattr(training, "evaluate", falling)
    folder = begin("run", config)

    def stop(record):
        if record.epoch == epochs:
            raise KilledError

    with pytest.raises(KilledError):
        experiment.train(config, DATA, folder, on_epoch=stop)
    return folder


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda best, checkpoint: best.unlink(), "is missing; epoch 1, the best one, was in it"),
        (lambda best, checkpoint: best.write_bytes(b"PK"), "is not a readable .npz file"),
        (lambda best, checkpoint: best.write_bytes(checkpoint.read_bytes()),
         "is of epoch 3, but the best one is epoch 1"),
    ],
)  # fmt: skip
def test_a_best_epoch_that_is_lost_is_noticed_before_any_training(monkeypatch, change, text):
    folder = unfinished(monkeypatch, config_of(epochs=5), 3)
    change(folder / runs.BEST, folder / runs.CHECKPOINT)
    result = call("train", "--resume", folder, code=2)
    assert text in result.stderr
    assert str(folder / runs.BEST) in result.stderr
    assert "Epoch" not in result.stdout


def test_what_a_run_leaves_says_validation_where_it_is_one(up_and_down):
    lines = call("train", *QUICK, "--epochs", 30, "--patience", 4, "--out", "run").stdout
    metrics = json.loads(Path("run/metrics.json").read_text())
    best, epochs = metrics["best_epoch"], metrics["epochs"]
    assert epochs == best + 4 < 30
    with Path("run/history.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == [
        "epoch", "train_loss", "train_accuracy", "validation_loss", "validation_accuracy",
        "seconds",
    ]  # fmt: skip
    accuracies = [float(row["validation_accuracy"]) for row in rows]
    assert accuracies[best - 1] == max(accuracies)
    equals = [row for row in rows if float(row["validation_accuracy"]) == max(accuracies)]
    least = min(equals, key=lambda row: float(row["validation_loss"]))  # the first of equals
    assert best == int(least["epoch"])
    for name in ("train_loss", "train_accuracy", "validation_loss", "validation_accuracy"):
        assert metrics[name] == float(rows[best - 1][name])
    told = lines.split("\n\n")
    assert [line.split(" - ")[0] for line in told[0].splitlines()] == [
        f"Epoch {epoch}/30" for epoch in range(1, epochs + 1)
    ]
    assert "Test" not in told[0]
    loss, accuracy = metrics["validation_loss"], metrics["validation_accuracy"]
    assert told[1].splitlines() == [
        "Stopped early: no better validation in 4 epochs",
        f"Kept Epoch {best}, the best in validation - "
        f"Validation Loss: {loss:.4f}, Validation Acc: {accuracy:.4f}",
    ]
    assert lines.count("Test") == 1
    kept = fcnn.load_run("run")
    assert tree.equal(kept.params, record_in(Path("run/best.npz"), kept.config).params)
    tested = fcnn.evaluate(kept.model, kept.params, *DATA[1])
    assert f"Final Test Accuracy: {tested.accuracy:.2%}" in told[2]
    assert (metrics["test_loss"], metrics["test_accuracy"]) == (tested.loss, tested.accuracy)


def test_a_run_without_a_validation_set_says_test():
    lines = call("train", *LINEAR, "--epochs", 2, "--out", "run").stdout
    assert "Validation" not in lines
    assert "Kept" not in lines
    metrics = json.loads(Path("run/metrics.json").read_text())
    for name in ("best_epoch", "validation_loss", "validation_accuracy"):
        assert metrics[name] is None
    assert "validation" not in Path("run/history.csv").read_text()


@pytest.mark.parametrize("fraction", [0.0, 0.2])
def test_the_pictures_are_told_what_the_history_is_of(up_and_down, monkeypatch, fraction):
    told = {}
    monkeypatch.setattr("fcnn.pictures.run_pictures.available", lambda: True)
    monkeypatch.setattr(
        "fcnn.pictures.run_pictures.save_pictures", lambda folder, **given: told.update(given)
    )
    config = config_of(epochs=3, validation_fraction=fraction)
    metrics = experiment.train(config, DATA, begin("run", config)).metrics
    assert told["held_out"] == ("validation" if fraction else "test")
    assert told["best"] == metrics["best_epoch"]
    assert [record.epoch for record in told["history"]] == [1, 2, 3]


def test_the_end_of_a_run_is_told_in_the_singular_and_without_an_early_stop():
    metrics = {"best_epoch": 2, "validation_loss": 0.25, "validation_accuracy": 0.5, "epochs": 3}
    kept = "Kept Epoch 2, the best in validation - Validation Loss: 0.2500, Validation Acc: 0.5000"
    assert reports.kept_epoch(config_of(epochs=3, patience=1), metrics) == kept
    stopped = "Stopped early: no better validation in 1 epoch\n"
    assert reports.kept_epoch(config_of(epochs=4, patience=1), metrics) == stopped + kept


def test_the_history_of_an_earlier_version_is_gone_on_with(monkeypatch):
    config = config_of(epochs=5)
    folder = unfinished(monkeypatch, config, 3)
    path = folder / "history.csv"
    now = path.read_text()
    earlier = now.replace("validation", "test")
    path.write_text(earlier)
    assert earlier != now
    read = runs.read_history(folder, config)
    assert [record.test_accuracy for record in read] == [0.9, 0.5, 0.5]
    experiment.train(config, DATA, folder)
    assert path.read_text().startswith(now.replace("\r\n", "\n").splitlines()[0])


def test_a_validation_loss_that_is_not_finite_is_called_so():
    # With one step in an epoch, only the validation can tell.
    settings = ["--epochs", 1, "--batch-size", 480, "--learning-rate", "1e38"]
    stderr = call("train", *QUICK, "--model", "lines_cnn", *settings, code=1).stderr
    assert "the validation loss of epoch 1 is " in stderr


@pytest.mark.parametrize(
    ("optimizer", "fraction", "copies"),
    [("sgd", 0.0, 2 * 2 + 1), ("adam", 0.0, 2 * 3 + 1), ("adam", 0.2, 3 * 3 + 1)],
)
def test_the_space_that_is_asked_for_is_that_of_all_files_at_once(
    monkeypatch, optimizer, fraction, copies
):
    monkeypatch.setattr("shutil.disk_usage", lambda path: FullDisk())
    Path("wide.py").write_text(
        "import fcnn\n"
        "def wide(classes):\n"
        "    return fcnn.chain(fcnn.flatten, fcnn.dense(2000), fcnn.dense(classes))\n"
    )
    config = config_of(
        model="wide.py:wide", epochs=1, optimizer=optimizer, validation_fraction=fraction
    )
    megabytes = 4 * (196 * 2000 + 2000 + 2000 * 3 + 3) / 1e6 * copies + 2
    with pytest.raises(OSError, match=f"the run needs {megabytes:.1f} MB"):
        experiment.train(config, DATA, begin("run", config))


class FullDisk:
    free = 100_000


class SpiedBar(Bar):
    def __init__(self, shown):
        super().__init__(False)
        self.updates.clear()

    updates = []  # noqa: RUF012

    def update(self, label, done, total, note=""):
        self.updates.append((label, done, total, note))


@pytest.mark.parametrize("resumed", [False, True])
def test_the_bar_is_that_of_the_whole_run(monkeypatch, resumed):
    monkeypatch.setattr("fcnn.cli.commands.Bar", SpiedBar)
    arguments = [*QUICK, "--batch-size", 160, "--epochs", 4, "--out", "run"]
    if resumed:
        folder = unfinished(monkeypatch, config_of(batch_size=160, epochs=4), 2)
        arguments = ["--resume", folder]
    call("train", *arguments)
    updates = [update for update in SpiedBar.updates if update[0].startswith("Epoch")]
    assert [done for _, done, _, _ in updates] == list(range(7 if resumed else 1, 13))
    assert {total for _, _, total, _ in updates} == {12}
    assert [label for label, *_ in updates][-3:] == ["Epoch 4/4"] * 3
    assert updates[0][3] == "learning rate 0.01"
    for (_, _, _, note), _ in pairwise(updates[1:]):
        left, rate, learning_rate = note.split(", ", 2)
        assert left.endswith(" left")
        assert rate.endswith(" images/s")
        assert learning_rate == "learning rate 0.01"
