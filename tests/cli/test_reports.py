"""What a run prints, keeps and passes on, down to the letter."""

import io
import json
import sys
from pathlib import Path

import attrs
import numpy as np
import pytest
from typer.testing import CliRunner

import fcnn
from fcnn import tree
from fcnn.cli import app, reports
from fcnn.cli.progress import Bar
from fcnn.runs import experiment, recipes
from fcnn.runs import folder as runs

QUICK = ["train", "--data", "synthetic", "--epochs", "2", "--model", "linear"]


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("fcnn.pictures.run_pictures.available", lambda: False)


def call(*arguments, code=0):
    result = CliRunner().invoke(app, [str(a) for a in arguments])
    assert result.exit_code == code, result.output
    return result


def evaluation(confusion, loss=0.5):
    confusion = np.array(confusion)
    counts = confusion.sum(1)
    per_class = np.divide(
        confusion.diagonal(), counts, out=np.full(len(confusion), np.nan), where=counts > 0
    )
    accuracy = confusion.diagonal().sum() / confusion.sum()
    return fcnn.Evaluation(loss, float(accuracy), per_class, confusion)


def test_confusions_are_told_with_the_most_frequent_first():
    text = reports.evaluation(evaluation([[1496, 4, 0], [1, 7, 5], [0, 4, 9]]))
    assert text.splitlines() == [
        "Final Test Accuracy: 99.08%",
        "",
        "Class  Images  Accuracy",
        "    0   1,500    99.73%",
        "    1      13    53.85%",
        "    2      13    69.23%",
        "",
        "Most frequent confusions",
        "True  Predicted  Images",
        "   1          2       5",
        "   0          1       4",
        "   2          1       4",
        "   1          0       1",
    ]


def test_no_more_than_five_confusions_are_told():
    confusion = np.arange(9).reshape(3, 3)
    lines = reports.evaluation(evaluation(confusion)).split("Most frequent confusions\n")[1]
    assert [line.split() for line in lines.splitlines()[1:]] == [
        ["2", "1", "7"], ["2", "0", "6"], ["1", "2", "5"], ["1", "0", "3"], ["0", "2", "2"],
    ]  # fmt: skip


def test_equal_confusions_are_told_in_the_order_of_their_classes():
    lines = reports.evaluation(evaluation(np.ones((10, 10), int))).splitlines()[-5:]
    assert [line.split() for line in lines] == [["0", str(k), "1"] for k in (1, 2, 3, 4, 5)]


def test_a_class_without_images_is_told_only_if_it_was_predicted():
    text = reports.evaluation(evaluation([[3, 0, 1], [0, 0, 0], [0, 0, 0]]))
    assert [line.split() for line in text.splitlines()[3:5]] == [["0", "4", "75.00%"],
                                                                ["2", "0", "-"]]  # fmt: skip
    assert text.splitlines()[5] == ""


def test_wrong_samples_are_marked():
    probabilities = np.array([[0.875, 0.125, 0], [0.25, 0.5, 0.25], [0, 0.0625, 0.9375]])
    text = reports.samples(np.array([0, 2, 1]), np.array([0, 0, 2]), probabilities)
    assert text.splitlines() == [
        "Sample predictions",
        "Image  True  Predicted  Confidence",
        "    0     0          0       87.5%",
        "    2     2          2       93.8%",
        "    1     0          1       50.0%  wrong",
    ]


def test_the_line_of_an_epoch():
    record = fcnn.Epoch(2, (), (), 0.25, 0.5, 1.125, 0.75, 3.0)
    assert reports.epoch_line(record, 5) == (
        "Epoch 2/5 - Train Loss: 0.2500, Train Acc: 0.5000, Test Loss: 1.1250, Test Acc: 0.7500"
    )


def test_the_reference_recipe_is_five_epochs_in_batches_of_64():
    assert attrs.asdict(recipes.REFERENCE) == {
        "name": "reference",
        "model": "mnist_cnn",
        "lines_model": "lines_cnn",
        "epochs": 5,
        "batch_size": 64,
        "learning_rate": 0.01,
        "momentum": 0.9,
        "optimizer": "sgd",
        "weight_decay": 0.0,
        "schedule": "constant",
        "label_smoothing": 0.0,
        "augmentation": {},
    }
    assert recipes.RECIPES["reference"] is recipes.REFERENCE


@pytest.mark.parametrize(("data", "model"), [("mnist5k", "lenet5"), ("synthetic", "linear")])
def test_a_run_has_the_settings_of_its_recipe_unless_others_are_given(data, model):
    loaded = fcnn.data.load(data)
    recipe = recipes.Recipe("mine", "lenet5", "linear", 6, 16, 0.25, 0.125)
    config = experiment.configure(data, loaded, recipe, 0)
    assert (config.recipe, config.model, config.epochs, config.batch_size) == ("mine", model, 6, 16)
    assert (config.learning_rate, config.momentum) == (0.25, 0.125)
    settings = {"epochs": 7, "batch_size": 8, "learning_rate": 0.5, "momentum": 0.0}
    config = experiment.configure(data, loaded, recipe, 3, model="lines_cnn", **settings)
    assert (config.model, config.seed) == ("lines_cnn", 3)
    assert {name: getattr(config, name) for name in settings} == settings


def test_an_error_of_the_system_is_exit_code_1(monkeypatch):
    Path("file").write_text("")
    assert call(*QUICK, "--out", "file/run", code=1).stderr.startswith("fcnn: ")

    def full_disk(*args, **kwargs):
        raise OSError("no space left on device")

    monkeypatch.setattr(experiment, "train", full_disk)
    assert call(*QUICK, code=1).stderr == "fcnn: no space left on device\n"


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize(
    ("stream", "shown", "drawn"),
    [(io.StringIO, True, False), (Terminal, False, False), (Terminal, True, True)],
)
def test_a_progress_bar_is_drawn_on_a_terminal_alone(stream, shown, drawn, monkeypatch, capsys):
    stderr = stream()
    monkeypatch.setattr(sys, "stderr", stderr)
    monkeypatch.setenv("TERM", "xterm")
    with Bar(shown) as bar:
        for step in range(3):
            bar.update("some work", step + 1, 3)
    assert ("some work" in stderr.getvalue()) == drawn
    assert drawn or stderr.getvalue() == ""
    assert capsys.readouterr().out == ""


def test_nothing_of_a_bar_reaches_a_file():
    assert call(*QUICK).stderr == ""


def test_threads_and_seeds_are_passed_on(monkeypatch):
    seen = []

    def spied(name):
        original = getattr(experiment, name)

        def spy(*args, **settings):
            seen.append((name, settings["threads"]))
            return original(*args, **settings)

        return spy

    for name in ("fit", "evaluate", "predict"):
        monkeypatch.setattr(experiment, name, spied(name))
    trained = json.loads(call(*QUICK, "--threads", 2, "--seed", 3, "--json").stdout)
    assert set(seen) == {("fit", 2), ("evaluate", 2), ("predict", 2)}
    seen.clear()
    evaluated = json.loads(call("evaluate", trained["run"], "--threads", 3, "--json").stdout)
    assert set(seen) == {("evaluate", 3), ("predict", 3)}
    assert evaluated["test_loss"] == trained["test_loss"]
    seen.clear()
    call("evaluate", trained["run"])
    assert set(seen) == {("evaluate", None), ("predict", None)}


def test_another_seed_draws_other_noise_into_synthetic_data(monkeypatch):
    seen = []

    def spy(name, **settings):
        seen.append(settings["seed"])
        return fcnn.data.synthetic_lines(settings["seed"])

    monkeypatch.setattr(fcnn.data, "load", spy)
    run = json.loads(call(*QUICK, "--seed", 3, "--json").stdout)["run"]
    call("evaluate", run)
    assert seen == [3, 3]


def test_a_run_keeps_the_figures_of_its_epochs_but_not_their_trees(monkeypatch):
    kept, shown = [], []

    def spy(folder, history, config):
        kept.append(list(history))

    monkeypatch.setattr(runs, "write_history", spy)
    data = fcnn.data.synthetic_lines(seed=0)
    settings = {"epochs": 3, "model": "linear"}
    config = experiment.configure("synthetic", data, recipes.REFERENCE, 0, **settings)
    experiment.train(config, data, Path(), on_epoch=shown.append)
    assert [len(history) for history in kept] == [1, 2, 3]
    for record, full in zip(kept[-1], shown, strict=True):
        assert tree.leaves((record.params, record.state)) == []
        assert len(tree.leaves((full.params, full.state))) == 5
        assert (record.epoch, record.train_loss) == (full.epoch, full.train_loss)


def test_the_config_of_an_older_format_is_read():
    reference = ["--recipe", "reference", "--json"]  # all that those formats knew
    run = Path(json.loads(call(*QUICK, *reference).stdout)["run"])
    path = run / "config.json"
    config = runs.read_config(run)
    content = json.loads(path.read_text())
    for later in ("data_hash", "optimizer", "weight_decay", "schedule", "label_smoothing",
                  "augmentation", "validation_fraction", "patience"):  # fmt: skip
        del content[later]
    path.write_text(json.dumps(content | {"format": 1}))
    assert runs.read_config(run) == attrs.evolve(config, data_hash=None)
    assert tree.leaves(fcnn.load_run(run).params)
