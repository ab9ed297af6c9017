"""Recipes are data: each one trains, its settings can be overridden, and all are written down."""

import json
from pathlib import Path

import attrs
import numpy as np
import pytest
from typer.testing import CliRunner

import fcnn
from fcnn.runs import experiment
from fcnn.runs import recipes
from fcnn.runs import folder as runs
from fcnn.runs import settings
from fcnn.cli import app

QUICK = ["--data", "synthetic", "--quiet"]


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("fcnn.pictures.run_pictures.available", lambda: False)


def call(*arguments, code=0):
    result = CliRunner().invoke(app, [str(a) for a in arguments])
    assert result.exit_code == code, result.output
    return result


@pytest.mark.parametrize("recipe", recipes.RECIPES.values(), ids=lambda recipe: recipe.name)
def test_each_recipe_trains_and_is_written_down(recipe):
    call("train", *QUICK, "--recipe", recipe.name, "--epochs", 1, "--out", "run")
    config = runs.read_config(Path("run"))
    expected = attrs.asdict(recipe) | {"model": recipe.lines_model, "epochs": 1}
    for name in ("name", "lines_model"):
        del expected[name]
    assert {name: getattr(config, name) for name in expected} == expected
    assert config.recipe == recipe.name
    assert fcnn.load_run("run").params is not None


def test_single_settings_override_a_recipe():
    call(
        "train", *QUICK, "--recipe", "small", "--epochs", 1, "--optimizer", "adamw", "--schedule",
        "cosine", "--learning-rate", "0.002", "--weight-decay", "0.02", "--label-smoothing", "0",
        "--augment", "rotation=5,shift=1", "--model", "linear", "--out", "run",
    )  # fmt: skip
    config = runs.read_config(Path("run"))
    assert (config.optimizer, config.schedule, config.learning_rate) == ("adamw", "cosine", 0.002)
    assert (config.weight_decay, config.label_smoothing) == (0.02, 0.0)
    assert config.augmentation == {"rotation": 5.0, "shift": 1.0}
    call("train", *QUICK, "--recipe", "small", "--augment", "none", "--epochs", 1, "--out", "b")
    assert runs.read_config(Path("b")).augmentation == {}


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--optimizer", "sdg"], "unknown optimizer 'sdg'; did you mean 'sgd'?"),
        (["--schedule", "cosin"], "unknown schedule 'cosin'; did you mean 'cosine'?"),
        (["--augment", "rotation"], "augment is 'rotation', expected NAME=NUMBER,... or none"),
        (["--augment", "rotatio=3"], "unknown augmentation 'rotatio'; did you mean 'rotation'?"),
        (["--augment", "scale=2"], "affine: scale is 2.0, expected below 1"),
        (["--patience", "3"], "patience needs a validation set"),
        (["--validation-fraction", "1"], "is 1.0, expected at least 0 and below 1"),
        (["--validation-fraction", "inf"], "is inf, expected at least 0 and below 1"),
        (["--validation-fraction", "nan"], "is nan, expected at least 0 and below 1"),
        (["--validation-fraction", "0.9999"], "of 600 training images 600 would be held out"),
        (["--validation-fraction", "1e-9"], "of 600 training images 0 would be held out"),
        (["--optimizer", "adam", "--weight-decay", "0.1"], "adam has no weight decay; adamw has"),
        (["--optimizer", "adamw", "--momentum", "0.5"], "adamw has no momentum to set"),
        (["--optimizer", "nesterv"], "unknown optimizer 'nesterv'; did you mean 'nesterov'?"),
        (["--augment", "shift=1,shift=2"], "a name comes twice"),
    ],
)
def test_settings_that_make_no_sense_are_refused_before_anything_is_written(arguments, text):
    assert text in call("train", "--data", "synthetic", *arguments, code=2).stderr
    assert not Path("runs").exists()


@pytest.mark.parametrize(("optimizer", "decay"), [("adam", 0.0), ("adamw", 5e-3)])
def test_settings_of_sgd_give_way_to_another_optimizer(optimizer, decay):
    call("train", *QUICK, "--optimizer", optimizer, "--epochs", 1, "--out", "run")
    config = runs.read_config(Path("run"))
    found = (config.optimizer, config.learning_rate, config.momentum, config.weight_decay)
    assert found == (optimizer, 0.001, 0.0, decay)
    call("train", *QUICK, "--optimizer", optimizer, "--learning-rate", 0.01, "--out", "given")
    assert runs.read_config(Path("given")).learning_rate == 0.01


def test_the_document_says_what_the_recipes_are():
    text = (Path(__file__).parents[2] / "docs" / "recipes.md").read_text(encoding="utf-8")
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines()]
    table = {row[0]: row[1:] for row in rows if len(row) == 5}
    columns = [recipes.RECIPES[name] for name in ("small", "fast", "best", "reference")]
    assert table["model"] == [f"`{recipe.model}`" for recipe in columns]
    sizes = [f"{recipe.epochs}, {recipe.batch_size}" for recipe in columns]
    assert table["epochs, batch size"] == sizes
    for recipe, rate in zip(columns, table["learning rate"], strict=True):
        assert rate.split()[-1] == f"{recipe.learning_rate}"
        assert rate.startswith("one cycle to ") == (recipe.schedule == "one_cycle")


def test_recipes_cannot_be_written_to():
    with pytest.raises(TypeError):
        recipes.SMALL.augmentation["rotation"] = 0.0
    assert recipes.BEST.augmentation == {"rotation": 12.0, "scale": 0.1, "shift": 2.5}


def test_of_equally_accurate_epochs_the_one_of_the_smallest_loss_is_kept():
    def epoch(number, loss, accuracy):
        return fcnn.Epoch(number, (), (), 0.0, 0.0, loss, accuracy, 0.0)

    history = [epoch(1, 0.5, 0.9), epoch(2, 0.3, 0.9), epoch(3, 0.3, 0.9), epoch(4, 0.1, 0.8)]
    assert experiment.best_epoch(history) == 2


def test_the_best_epoch_on_what_is_held_out_is_kept_and_patience_ends_the_run():
    arguments = ["--data", "synthetic", "--validation-fraction", "0.2", "--epochs", 30,
                 "--patience", 2, "--batch-size", 60, "--out", "run"]  # fmt: skip
    out = call("train", *arguments).stdout
    assert "Validation Loss: " in out
    metrics = json.loads(Path("run/metrics.json").read_text())
    config = runs.read_config(Path("run"))
    history = runs.read_history(Path("run"), config)
    best = experiment.best_epoch(history)
    assert history[best - 1].test_accuracy == max(record.test_accuracy for record in history)
    assert metrics["best_epoch"] == best
    assert metrics["epochs"] == len(history) == best + 2 < 30
    model = fcnn.models.lines_cnn()
    kept = fcnn.load_checkpoint("run/best.npz", model, settings.optimizer_of(config, 480))
    assert kept.epoch == best
    assert fcnn.tree.equal(kept.params, fcnn.load_run("run").params)
    # What is held out is never trained on, and it is the same after an interruption.
    before = Path("run/params.npz").read_bytes()
    for name in ("metrics.json", "params.npz", "best.npz"):
        Path("run", name).unlink()
    Path("run/checkpoint.npz").unlink()
    call("train", "--resume", "run", "--quiet")
    with np.load("run/params.npz") as again:
        assert again.files
    assert Path("run/params.npz").read_bytes() == before


def test_what_is_held_out_is_not_trained_on():
    x = np.arange(100.0).reshape(100, 1)
    config = attrs.evolve(_config(), validation_fraction=0.3)
    (kept, _), held = settings.split(config, (x, np.arange(100)))
    assert (len(kept), len(held[0])) == (70, 30)
    assert sorted([*kept[:, 0], *held[0][:, 0]]) == list(range(100))
    assert settings.split(_config(), (x, np.arange(100)))[1] is None


def _config():
    call(
        "train",
        *QUICK,
        "--model",
        "linear",
        "--epochs",
        1,
        "--out",
        f"r{len(list(Path().iterdir()))}",
    )
    return runs.read_config(next(Path().glob("r*")))
