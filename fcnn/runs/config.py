"""The config of a run: all that is needed to do it again, and its file, config.json."""

import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import attrs
import numpy as np

from fcnn.numerics.arrays import Shape
from fcnn.files.reading import read_regular
from fcnn.files.writing import whole_file
from fcnn.runs.recipes import OPTIMIZERS, SCHEDULES, frozen_mapping
from fcnn.arguments.wording import unknown
from fcnn.version import __version__

FORMAT: Final = 3
NAME: Final = "config.json"


class RunError(ValueError):
    """A run folder that is not there, not ours, or damaged."""


@attrs.frozen
class Config:
    """All that is needed to do a run again. Data and models in files have absolute paths;
    the network is the model as it prints, and the hash that of the data: by them a file
    that has changed is noticed. What older formats did not have has a default.
    """

    data: str
    model: str
    network: str
    recipe: str
    epochs: int
    batch_size: int
    learning_rate: float
    momentum: float
    seed: int
    in_shape: Shape = attrs.field(converter=tuple)
    classes: int
    data_hash: str | None = None  # from format 2 on
    optimizer: str = "sgd"  # this and all below from format 3 on
    weight_decay: float = 0.0
    schedule: str = "constant"
    label_smoothing: float = 0.0
    augmentation: Mapping[str, float] = attrs.field(factory=dict, converter=frozen_mapping)
    validation_fraction: float = 0.0
    patience: int | None = None

    def plain(self) -> dict[str, Any]:
        """The settings as JSON has them."""
        own = {"in_shape": list(self.in_shape), "augmentation": dict(self.augmentation)}
        return attrs.asdict(self, recurse=False) | own

    @property
    def held_out(self) -> str:
        """What every epoch is measured on, by the name it has in what a run leaves."""
        return "validation" if self.validation_fraction else "test"


def write_config(folder: Path, config: Config) -> None:
    """Write config.json, with the format's number and the versions that made the run."""
    import platform

    versions = {
        "fcnn": __version__,
        "numpy": np.__version__,
        "python": platform.python_version(),
    }
    write_json(folder / NAME, {"format": FORMAT, **config.plain(), "versions": versions})


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write a JSON file, readable and with a newline at its end, whole or not at all."""
    text = json.dumps(content, indent=2, allow_nan=False) + "\n"
    with whole_file(path) as file:
        file.write(text.encode())


def read_config(folder: Path) -> Config:
    """Read config.json; RunError says which key of it is wrong."""
    path = folder / NAME
    try:
        content = json.loads(read_regular(path), object_pairs_hook=_without_repeats)
    except OSError:
        raise RunError(f"{folder} is not a run: there is no readable config.json in it") from None
    except (ValueError, RecursionError) as error:
        raise RunError(f"{path} is not JSON: {error}") from error
    if not isinstance(content, dict) or not _is_count(content.get("format")):
        raise RunError(f"{path} is not the config of a run: it has no format number")
    if content["format"] > FORMAT:
        raise RunError(
            f"{path} has format {content['format']}; this version of fcnn reads up to {FORMAT}"
        )
    missing = [
        name for name in _KEYS if name not in content and _SINCE.get(name, 1) <= content["format"]
    ]
    if missing:
        raise RunError(f"{path} lacks {', '.join(missing)}")
    for name in content:
        if name not in ("format", "versions", *_KEYS):
            raise RunError(f"{path}: {unknown('key', name, _KEYS)}")
    wrong = wrong_value(content)
    if wrong:
        raise RunError(f"{path}: {wrong}")
    return Config(**{name: content[name] for name in _KEYS if name in content})


def wrong_value(content: Mapping[str, Any]) -> str | None:
    """What is wrong with the first value that is not what its key should have, if any."""
    for name, value in content.items():
        if name in _KEYS and not _KEYS[name][0](value):
            return f"{name} is {value!r}, expected {_KEYS[name][1]}"
    return None


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"a key comes twice: {max(names, key=names.count)}")
    return found


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and value != ""


def _is_integer(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_count(value: Any) -> bool:
    return _is_integer(value) and value >= 1


def _is_number(value: Any) -> bool:
    try:
        return (_is_integer(value) or isinstance(value, float)) and math.isfinite(value)
    except OverflowError:
        return False


_TEXT: Final = (_is_text, "a text")
_AT_LEAST_0: Final = (lambda v: _is_number(v) and v >= 0, "a number of at least 0")
_COUNT: Final = (_is_count, "an integer of at least 1")
_KEYS: Final[dict[str, tuple[Callable[[Any], bool], str]]] = {
    "data": _TEXT,
    "model": _TEXT,
    "network": _TEXT,
    "recipe": _TEXT,
    "epochs": _COUNT,
    "batch_size": _COUNT,
    "learning_rate": _AT_LEAST_0,
    "momentum": (lambda v: _is_number(v) and 0 <= v < 1, "a number of at least 0 and below 1"),
    "seed": (lambda v: _is_integer(v) and v >= 0, "an integer of at least 0"),
    "in_shape": (
        lambda v: isinstance(v, list) and v != [] and all(map(_is_count, v)),
        "a list of integers of at least 1",
    ),
    "classes": _COUNT,
    "data_hash": (lambda v: v is None or _is_text(v), "a text or null"),
    "optimizer": (lambda v: v in OPTIMIZERS, f"one of {', '.join(OPTIMIZERS)}"),
    "weight_decay": _AT_LEAST_0,
    "schedule": (lambda v: v in SCHEDULES, f"one of {', '.join(SCHEDULES)}"),
    "label_smoothing": (lambda v: _is_number(v) and 0 <= v <= 1, "a number from 0 to 1"),
    "augmentation": (
        lambda v: isinstance(v, dict) and all(map(_is_number, v.values())),
        "an object of numbers",
    ),
    "validation_fraction": (lambda v: _is_number(v) and 0 <= v < 1, "at least 0 and below 1"),
    "patience": (lambda v: v is None or _is_count(v), "an integer of at least 1 or null"),
}
_SINCE: Final = {"data_hash": 2} | dict.fromkeys(
    (
        "optimizer", "weight_decay", "schedule", "label_smoothing", "augmentation",
        "validation_fraction", "patience",
    ),
    3,
)  # fmt: skip
