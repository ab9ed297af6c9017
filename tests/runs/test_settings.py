"""Settings are written once: what each may be, its help, and its option."""

import inspect
import json

import attrs
import pytest

from fcnn.cli.train import train
from fcnn.runs.recipes import SMALL
from fcnn.runs.settings import Settings

FIELDS = attrs.fields(Settings)
HUGE = 10**400


@pytest.mark.parametrize(
    ("name", "wrong", "expected"),
    [
        ("model", ["", None, 3], "one of mnist_cnn, .*, or FILE.py:FUNCTION"),
        ("epochs", [0, -1, 1.0, True, "1", None], "an integer of at least 1"),
        ("batch_size", [0, 2.5, False], "an integer of at least 1"),
        ("learning_rate", [-1, "1", None, True, float("nan"), float("inf"), HUGE],
         "a finite number of at least 0"),
        ("momentum", [-0.1, 1, float("nan")], "a number of at least 0 and below 1"),
        ("weight_decay", [-1e-9, float("inf")], "a finite number of at least 0"),
        ("label_smoothing", [-0.5, 1.5, HUGE], "a number from 0 to 1"),
        ("augmentation", [3, "", ["shift"], {"shift": "1"}, {"shift": float("nan")}, {3: 1.0}],
         "finite numbers by their names"),
        ("validation_fraction", [-0.5, 1, float("inf")], "a number of at least 0 and below 1"),
        ("freeze", ["[0]", None, [""], [3], {"[0]": 1}], "a list of texts"),
        ("patience", [0, 1.5, True], "an integer of at least 1 or null"),
        ("seed", [-1, 0.5, True], "an integer of at least 0"),
    ],
)  # fmt: skip
def test_a_wrong_value_is_refused_by_its_name(name, wrong, expected):
    for value in wrong:
        with pytest.raises(ValueError, match=f"^{name} is .*, expected {expected}$"):
            attrs.evolve(SMALL.settings, **{name: value})


@pytest.mark.parametrize(
    ("name", "wrong", "near"), [("optimizer", "sdg", "sgd"), ("schedule", "cosin", "cosine")]
)
def test_for_a_wrong_choice_the_nearest_is_told(name, wrong, near):
    with pytest.raises(ValueError, match=f"^unknown {name} '{wrong}'; did you mean '{near}'"):
        attrs.evolve(SMALL.settings, **{name: wrong})
    for value in (None, [near], 3):
        with pytest.raises(ValueError, match=f"^unknown {name} .* Known: "):
            attrs.evolve(SMALL.settings, **{name: value})


def test_every_setting_is_an_option_with_its_help():
    options = inspect.signature(train).parameters
    for field in FIELDS:
        (option,) = options[field.name].annotation.__metadata__
        text, *_ = option.help.split(" \\[default: ")
        assert text == field.metadata["help"] != ""
        assert options[field.name].default is None


def test_settings_cannot_be_written_to():
    given = {"shift": 1.0}
    settings = attrs.evolve(SMALL.settings, augmentation=given)
    given["shift"] = 2.0
    assert settings.augmentation == {"shift": 1.0}
    with pytest.raises(TypeError):
        settings.augmentation["shift"] = 2.0
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        settings.epochs = 2


def test_what_is_let_in_can_be_written_as_json():
    for field in FIELDS:
        value = getattr(SMALL.settings, field.name)
        json.dumps(dict(value) if field.name == "augmentation" else value, allow_nan=False)
