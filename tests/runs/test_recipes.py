"""Recipes are settings with a name: each trains, gives way to what is given, and is documented."""

from pathlib import Path

import attrs
import numpy as np
import pytest
from commands import call

import fcnn
from fcnn.runs import recipes
from fcnn.runs.config import read_config
from fcnn.runs.model_by_name import model_by_name
from fcnn.runs.recipes import RECIPES, REFERENCE, SMALL
from fcnn.runs.settings import Settings


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=lambda recipe: recipe.name)
def test_each_recipe_trains_and_is_written_down(recipe):
    call("train", "--data", "synthetic", "--quiet", "--recipe", recipe.name, "--epochs", 1,
         "--out", "run")  # fmt: skip
    config = read_config(Path("run"))
    expected = attrs.asdict(recipe.settings) | {"model": recipe.lines_model, "epochs": 1}
    assert {name: getattr(config, name) for name in expected} == expected
    assert config.recipe == recipe.name
    assert fcnn.load_run("run").params is not None


def test_the_reference_recipe_is_five_epochs_in_batches_of_64():
    assert attrs.asdict(REFERENCE.settings) == {
        "model": "mnist_cnn",
        "epochs": 5,
        "batch_size": 64,
        "optimizer": "sgd",
        "learning_rate": 0.01,
        "schedule": "constant",
        "momentum": 0.9,
        "weight_decay": 0.0,
        "label_smoothing": 0.0,
        "augmentation": {},
        "average_decay": 0.0,
        "validation_fraction": 0.0,
        "patience": None,
        "image_size": None,
        "freeze": (),
        "seed": 0,
    }
    assert RECIPES["reference"] is REFERENCE


def test_what_is_given_takes_the_place_of_what_the_recipe_says():
    given = {
        "model": "lenet5",
        "epochs": 1,
        "batch_size": 2,
        "optimizer": "adamw",
        "learning_rate": 0.002,
        "schedule": "cosine",
        "weight_decay": 0.02,
        "label_smoothing": 0.0,
        "augmentation": {"rotation": 5.0},
        "validation_fraction": 0.5,
        "patience": 2,
        "seed": 3,
    }
    expected = Settings(momentum=0.0, **given)
    assert SMALL.with_given("mnist5k", given) == expected
    assert SMALL.with_given("synthetic", given) == expected
    assert SMALL.with_given("mnist5k", {}) == SMALL.settings
    assert SMALL.with_given("synthetic", {}).model == SMALL.lines_model


@pytest.mark.parametrize(("optimizer", "decay"), [("adam", 0.0), ("adamw", 0.02)])
def test_settings_of_sgd_give_way_to_another_optimizer(optimizer, decay):
    settings = SMALL.with_given("mnist5k", {"optimizer": optimizer})
    found = (settings.optimizer, settings.learning_rate, settings.momentum, settings.weight_decay)
    assert found == (optimizer, 0.001, 0.0, decay)
    given = {"optimizer": optimizer, "learning_rate": 0.01, "weight_decay": 0.25}
    settings = SMALL.with_given("mnist5k", given)
    assert (settings.learning_rate, settings.weight_decay) == (0.01, 0.25)
    with pytest.raises(ValueError, match=f"{optimizer} has no momentum to set: leave it out"):
        SMALL.with_given("mnist5k", {"optimizer": optimizer, "momentum": 0.5})


def test_the_tiny_recipe_has_less_than_10_000_parameters_and_small_files(tmp_path):
    model = model_by_name(RECIPES["tiny"].settings.model, 10)
    params, _ = model.init(np.random.default_rng(0), (1, 28, 28))
    assert sum(leaf.size for leaf in fcnn.tree.leaves(params)) < 10_000
    network = (model, params, (1, 28, 28))
    (x, labels), _ = fcnn.data.mnist5k()
    fcnn.exchange.save_script(tmp_path / "tiny.py", *network)
    fcnn.exchange.save_page(tmp_path / "tiny.html", *network, samples=(x[:14], labels[:14]))
    assert (tmp_path / "tiny.py").stat().st_size < 100_000
    assert (tmp_path / "tiny.html").stat().st_size < 160_000


def test_for_a_wrong_name_the_nearest_is_told():
    assert recipes.recipe_by_name("best") is recipes.BEST
    with pytest.raises(ValueError, match=r"unknown recipe 'refrence'; did you mean 'reference'?"):
        recipes.recipe_by_name("refrence")


def test_the_document_says_what_the_recipes_are():
    text = (Path(__file__).parents[2] / "docs" / "reference" / "recipes.md").read_text(
        encoding="utf-8"
    )
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines()]
    table = {row[0]: row[1:] for row in rows if len(row) == 6}
    columns = [RECIPES[name].settings for name in ("small", "fast", "best", "tiny", "reference")]
    assert table["model"] == [f"`{settings.model}`" for settings in columns]
    sizes = [f"{settings.epochs}, {settings.batch_size}" for settings in columns]
    assert table["epochs, batch size"] == sizes
    for name in ("weight decay, of kernels", "label smoothing"):
        field = name.split(",")[0].replace(" ", "_")
        assert table[name] == [f"{getattr(settings, field):g}" for settings in columns]
    for settings, rate in zip(columns, table["learning rate"], strict=True):
        assert rate.split()[-1] == f"{settings.learning_rate}"
        assert rate.startswith("one cycle to ") == (settings.schedule == "one_cycle")
