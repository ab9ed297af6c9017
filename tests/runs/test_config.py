"""config.json: what a run began with, written whole, and read if it is whole."""

import json
import os
from pathlib import Path

import attrs
import numpy as np
import pytest
from small_runs import NOISE, begun, config_of

import fcnn
from fcnn.networks.documents import document
from fcnn.runs.config import (
    FORMAT,
    SINCE,
    RunError,
    configure,
    data_hash,
    read_config,
)
from fcnn.runs.recipes import REFERENCE, SMALL

LINES = fcnn.data.synthetic_lines(seed=0)
# The keys of each format, and what runs of formats that had no such key did.
FIRST = {
    "data": "synthetic", "model": "linear", "network": "chain(flatten, dense(3))",
    "recipe": "reference", "epochs": 5, "batch_size": 64, "learning_rate": 0.01, "momentum": 0.9,
    "seed": 0, "in_shape": [1, 14, 14], "classes": 3,
}  # fmt: skip
SECOND = {"data_hash": None}
THIRD = {
    "optimizer": "sgd", "weight_decay": 0.0, "schedule": "constant", "label_smoothing": 0.0,
    "augmentation": {}, "validation_fraction": 0.0, "patience": None,
}  # fmt: skip
FOURTH = {
    "freeze": [], "init": None, "init_hash": None, "image_size": None, "labels": None,
    "preparation": None,
}  # fmt: skip
FIFTH = {"document": None}
SIXTH = {"average_decay": 0.0}
OLDER = FIRST | SECOND | THIRD | FOURTH


def write(content):
    Path("run").mkdir(exist_ok=True)
    Path("run/config.json").write_text(content if isinstance(content, str) else json.dumps(content))


def test_a_config_is_read_as_it_was_written():
    config = config_of(
        augmentation={"shift": 1.5}, patience=3, optimizer="adamw", seed=2**70, freeze=["[1].b"]
    )
    folder = begun("run", config)
    assert read_config(folder) == config
    content = json.loads((folder / "config.json").read_text())
    assert content["format"] == FORMAT == 6
    assert content.keys() == {"format", "versions", *OLDER, *FIFTH, *SIXTH}
    assert content["document"] == document(fcnn.models.linear(3))
    assert content["versions"].keys() == {"fcnn", "numpy", "python"}
    assert content["versions"]["numpy"] == np.__version__
    formats = enumerate((FIRST, SECOND, THIRD, FOURTH, FIFTH, SIXTH), 1)
    assert {key: number for number, keys in formats for key in keys} == SINCE


@pytest.mark.parametrize(
    ("content", "missing"),
    [
        ({"format": 1} | FIRST, {}),
        ({"format": 2} | FIRST | SECOND | {"data_hash": "abc"}, {"data_hash"}),
        ({"format": 3} | FIRST | SECOND | THIRD | {"patience": 3}, {"patience"}),
        (
            {"format": 4}
            | FIRST
            | SECOND
            | THIRD
            | FOURTH
            | {"freeze": ["[1].b"], "image_size": 14, "labels": ["a", "b", "c"]}
            | {"preparation": "mnist"},
            {"freeze", "image_size", "labels", "preparation"},
        ),
        ({"format": 5} | OLDER | {"document": document(fcnn.models.linear(3))}, {"document"}),
        ({"format": 6} | OLDER | FIFTH | {"average_decay": 0.5}, {"average_decay"}),
    ],
)
def test_the_configs_of_all_formats_are_read(content, missing):
    write(content)
    expected = OLDER | FIFTH | SIXTH | content
    del expected["format"]
    found = read_config(Path("run"))
    assert found.plain() == expected
    for name in missing:
        write({key: value for key, value in content.items() if key != name})
        with pytest.raises(RunError, match=f"config.json lacks {name}"):
            read_config(Path("run"))


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("{", "is not readable as JSON: "),
        ("[" * 100_000, "is not readable as JSON: "),
        ('{"format": 3, "format": 3}', "is not readable as JSON: a key comes twice: format"),
        ("[]", "is not readable as JSON: it is no object"),
        ({"format": True}, "is not the config of a run: it has no format number"),
        ({"format": 7}, "has format 7; this version of fcnn reads up to 6"),
        ({"format": 1, "data": "mnist"}, "lacks .*epochs, batch_size, .*seed"),
        ({"format": 1, "epoch": 5} | FIRST, "unknown key 'epoch'; did you mean 'epochs'"),
        ({"format": 1} | FIRST | {"epochs": "5"}, "epochs is '5', expected an integer of at least"),
        ({"format": 1} | FIRST | {"classes": True}, "classes is True, expected an integer"),
        ({"format": 1} | FIRST | {"in_shape": "14"}, "in_shape is '14', expected a list of"),
        ({"format": 1} | FIRST | {"in_shape": []}, "in_shape is .*, expected a list of integers"),
        ({"format": 1} | FIRST | {"in_shape": [1, 2.0]}, "in_shape is .*, expected a list of"),
        ({"format": 1, "data_hash": ""} | FIRST, "data_hash is '', expected a text or null"),
        ({"format": 3} | FIRST | SECOND | THIRD | {"optimizer": "sg"}, "unknown optimizer 'sg'; "),
        ({"format": 3} | FIRST | SECOND | THIRD | {"augmentation": [1]}, "augmentation is"),
        ({"format": 4} | FIRST | SECOND | THIRD | FOURTH | {"labels": ["a", "b"]}, "labels is"),
        ({"format": 4} | FIRST | SECOND | THIRD | FOURTH | {"labels": [*"aba"]}, "labels is"),
        ({"format": 4} | FIRST | SECOND | THIRD | FOURTH | {"labels": "abc"}, "labels is 'abc', "),
        ({"format": 4} | FIRST | SECOND | THIRD | FOURTH | {"preparation": "x"}, "preparation is"),
        ({"format": 4} | FIRST | SECOND | THIRD | FOURTH | {"image_size": 0}, "image_size is 0, "),
        ({"format": 5} | OLDER | {"document": "relu"}, "document is 'relu', expected the document"),
        ({"format": 5} | OLDER | {"document": {"layer": "rleu"}}, "document is {'layer': 'rleu'}"),
        (
            {"format": 5} | OLDER | {"document": {"own": "a", "children": [{}]}},
            "document is {'own': 'a', 'children': ",
        ),
    ],
)
def test_what_is_wrong_in_a_config_is_told_with_file_and_key(content, text):
    write(content)
    with pytest.raises(RunError, match=f"^run.config.json:? {text}"):
        read_config(Path("run"))


def test_a_folder_without_a_config_is_no_run():
    with pytest.raises(RunError, match=r"nowhere is not a run: there is no readable config.json"):
        read_config(Path("nowhere"))


@pytest.mark.parametrize(("data", "model"), [("noise.npz", "lenet5"), ("synthetic", "linear")])
def test_a_run_has_the_settings_of_its_recipe_unless_others_are_given(data, model):
    recipe = attrs.evolve(REFERENCE, lines_model="linear")
    recipe = attrs.evolve(recipe, settings=attrs.evolve(recipe.settings, model="lenet5"))
    config = configure(data, LINES, recipe)
    assert (config.recipe, config.model, config.seed) == ("reference", model, 0)
    for name in ("epochs", "batch_size", "learning_rate", "momentum"):
        assert getattr(config, name) == getattr(recipe.settings, name)
    given = {"epochs": 7, "batch_size": 8, "learning_rate": 0.5, "momentum": 0.0, "seed": 3}
    config = configure(data, LINES, recipe, model="lines_cnn", **given)
    assert config.model == "lines_cnn"
    assert {name: getattr(config, name) for name in given} == given


def test_a_config_says_what_is_known_of_the_data():
    config = config_of()
    assert (config.in_shape, config.classes) == ((1, 2, 2), 3)
    assert config.network == "chain(flatten, dense(3))"
    assert config.data == os.path.realpath("noise.npz")
    assert config.data_hash == data_hash(NOISE)
    assert data_hash(NOISE) != data_hash((NOISE[0], NOISE[0]))
    assert configure("synthetic", LINES, SMALL).data == "synthetic"
    assert config.held_out == "validation"
    assert config_of(validation_fraction=0.0).held_out == "test"


def test_a_batch_is_no_larger_than_what_is_trained_on():
    assert config_of().batch_size == 48  # the recipe's 64 give way
    assert config_of(validation_fraction=0.0).batch_size == 60
    assert config_of(batch_size=48).batch_size == 48
    text = "the batch size is 49, but there are 48 training images"
    with pytest.raises(ValueError, match=text):
        config_of(batch_size=49)


def test_a_model_that_does_not_fit_the_data_is_refused():
    with pytest.raises(ValueError, match="conv2d: the kernel 5x5 exceeds the image 1x1"):
        config_of(model="lenet5")
    Path("mine.py").write_text(
        "from fcnn import *\ndef narrow():\n    return chain(flatten, dense(2))\n"
        "def images():\n    return conv2d(3)\n"
    )
    with pytest.raises(ValueError, match=r"narrow gives outputs \(2,\), the data has 3 classes"):
        config_of(model="mine.py:narrow")
    with pytest.raises(ValueError, match=r"images gives outputs \(3, .*\), the data has 3 classes"):
        config_of(model="mine.py:images", data=LINES)
