"""The config of a run: all that is needed to do it again, and its file, config.json."""

import csv
import hashlib
import json
import os
import platform
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import attrs
import numpy as np
from attrs.validators import deep_iterable, ge, in_, instance_of, min_len, optional

from fcnn import tree
from fcnn.arguments.wording import unknown
from fcnn.data import Dataset, number_of_classes
from fcnn.data.dataset import class_names
from fcnn.data.loading import DATA_NAMES
from fcnn.files.json_objects import object_of
from fcnn.files.reading import home_expanded, read_regular
from fcnn.files.writing import whole_file
from fcnn.layers.layer import Layer, call_init
from fcnn.networks.documents import code_of, document, layer_of, own_names
from fcnn.numerics.arrays import Shape
from fcnn.runs.model_by_name import absolute, model_by_name, telling_lines
from fcnn.runs.recipes import Recipe
from fcnn.runs.settings import INTEGER, Settings, count, setting, text
from fcnn.version import __version__

if TYPE_CHECKING:
    from cattrs import Converter

CONFIG: Final = "config.json"
DIGITS: Final = ("mnist", "mnist5k")  # data that as_mnist makes pictures like

_PLACES: Final = {"data", "init"}


class RunError(ValueError):
    """A run folder that is not there, not ours, or damaged."""


@contextmanager
def run_errors(place: Path | str) -> Iterator[None]:
    """What is wrong with a file or a folder of a run, as a RunError that begins with its place."""
    try:
        yield
    except RunError:
        raise
    except (TypeError, ValueError, OverflowError, RecursionError, OSError, csv.Error) as error:
        raise RunError(f"{place}: {error}") from error


def _text_or_null(since: int) -> Any:
    return setting(
        "a text or null", optional([instance_of(str), min_len(1)]), default=None, since=since
    )


@attrs.frozen(kw_only=True)
class Config(Settings):
    """The settings of a run, the recipe they came from, and what is known of the data.

    The network is the model as it prints; its document says what it is made of, None if it has
    layers of one's own that no document can tell of. A run may begin with the parameters of the run
    in the folder init, or of a file of `save_model`. Paths are absolute (in config.json, see
    `write_config`, some may be relative). By the network and the hashes of data and parameters a
    file that has changed is noticed.
    """

    recipe: str = text()
    data: str = text()
    data_hash: str | None = _text_or_null(since=2)
    network: str = text()
    document: Mapping[str, Any] | None = setting(
        "the document of a network, or null",
        optional(lambda config, attribute, found: _check_document(found)),
        default=None,
        since=5,
    )
    in_shape: tuple[int, ...] = setting(
        "a list of integers of at least 1",
        min_len(1),
        deep_iterable([INTEGER, ge(1)], instance_of(tuple)),
        converter=lambda value: tuple(value) if isinstance(value, list) else value,
    )
    classes: int = count()
    init: str | None = _text_or_null(since=4)
    init_hash: str | None = _text_or_null(since=4)
    labels: tuple[str, ...] | None = setting(
        "a distinct text for each class, or null",
        lambda config, attribute, names: _check_names(config.classes, names),
        default=None,
        converter=lambda value: tuple(value) if isinstance(value, list) else value,
        since=4,
    )
    preparation: str | None = setting(
        "mnist or null",
        in_(("mnist", None)),
        # Of pictures that are to be recognised, see `fcnn.data.as_mnist`.
        default=attrs.Factory(lambda config: _preparation_for(config.data), takes_self=True),
        since=4,
    )

    @property
    def class_names(self) -> tuple[str, ...]:
        """What the classes are called: by their numbers, if they have no names."""
        return self.labels or tuple(map(str, range(self.classes)))

    @property
    def network_of_fcnn(self) -> Layer | None:
        """The network of the document, if there is one, and all of its layers are fcnn's."""
        if self.document is None or any(own_names(self.document)):
            return None
        return layer_of(self.document)

    @property
    def held_out(self) -> str:
        """What every epoch is measured on, by the name it has in what a run leaves."""
        return "validation" if self.validation_fraction else "test"

    def plain(self) -> dict[str, Any]:
        """The settings as JSON has them."""
        own = {
            "in_shape": list(self.in_shape),
            "augmentation": dict(self.augmentation),
            "freeze": list(self.freeze),
            "labels": None if self.labels is None else list(self.labels),
        }
        return attrs.asdict(self, recurse=False) | own


def _check_names(classes: int, names: Any) -> None:
    if names is not None and (type(names) is not tuple or len(class_names(names)) != classes):
        raise ValueError


def _check_document(found: Any) -> None:
    """ValueError or TypeError unless it is a document of a network, perhaps with own layers."""
    if not [*own_names(found)]:
        layer_of(found)


def _document_of(model: Layer) -> dict[str, Any] | None:
    """The document of a model; None if it does not say all of it."""
    try:
        found = document(model)
    except ValueError:  # a setting of one's own that JSON does not have
        return None
    if any(own_names(found)):
        return found
    again = layer_of(found)
    # Layers of fcnn may have been given other names or functions.
    is_same = repr(again) == repr(model) and code_of(again) == code_of(model)
    return found if is_same else None


def _preparation_for(data: str) -> str | None:
    return "mnist" if data in DIGITS else None


SINCE: Final = {field.name: field.metadata.get("since", 1) for field in attrs.fields(Config)}
FORMAT: Final = max(SINCE.values())


def configure(data_name: str, data: Dataset, recipe: Recipe, **given: Any) -> Config:
    """The config of a run: a recipe, the settings given beside it, and what the data says.
    ValueError if they do not go together.

    To data with fewer examples, a recipe's batch size gives way.
    """
    settings = recipe.with_given(data_name, given)
    images = data[0][0]
    examples = len(images) - settings.held_out_of(len(images))
    if settings.batch_size > examples:
        if "batch_size" in given:
            raise ValueError(
                f"the batch size is {settings.batch_size}, but there are {examples} training images"
            )
        settings = attrs.evolve(settings, batch_size=examples)
    settings = attrs.evolve(settings, model=absolute(settings.model))
    in_shape, classes = images.shape[1:], number_of_classes(data)
    if settings.image_size is not None and in_shape[1:] != (settings.image_size,) * 2:
        raise ValueError(
            f"image_size is {settings.image_size}, but the images of {data_name} are {in_shape}: "
            "it is for folders of pictures"
        )
    model = _model(settings, in_shape, classes)
    return Config(
        **attrs.asdict(settings, recurse=False),
        recipe=recipe.name,
        data=data_name if data_name in DATA_NAMES else os.path.realpath(home_expanded(data_name)),
        data_hash=data_hash(data),
        network=repr(model),
        document=_document_of(model),
        in_shape=in_shape,
        classes=classes,
        labels=getattr(data, "labels", None),  # which a plain pair has not
    )


def _model(settings: Settings, in_shape: Shape, classes: int) -> Layer:
    """The model; ValueError if it is none for such images and so many classes, or has not what is
    to be frozen, or nothing else.
    """
    model = model_by_name(settings.model, classes)
    with telling_lines(settings.model):
        params, out_shape = call_init(model, np.random.default_rng(settings.seed), in_shape)
    if len(out_shape) != 1 or out_shape[0] < classes:
        raise ValueError(
            f"the model {settings.model} gives outputs {out_shape}, the data has {classes} classes"
        )
    _check_freeze(settings, tree.structure(params).paths())
    return model


def _check_freeze(settings: Settings, paths: list[str]) -> None:
    for pattern in settings.freeze:
        if not any(map(attrs.evolve(settings, freeze=(pattern,)).freezes, paths)):
            raise ValueError(f"freeze is {pattern}: no parameter of {', '.join(paths)} begins so")
    if settings.freeze and all(map(settings.freezes, paths)):
        raise ValueError(f"freeze is {', '.join(settings.freeze)}: that leaves nothing to train")


def data_hash(data: Dataset) -> str:
    """A hash of all images and labels, by which other data is noticed."""
    digest = hashlib.sha256()
    for array in (*data[0], *data[1]):
        digest.update(f"{array.dtype}{array.shape}".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()[:32]


def write_config(folder: Path, config: Config) -> None:
    """Write config.json, with the format's number and the versions that made the run.

    Data, and the run that this one begins with, are named from the folder, as ./NAME or ../NAME, if
    they lie inside of it or beside it, so that all can be moved. The file of a model is not: see
    `folder.load_run`.
    """
    versions = {"fcnn": __version__, "numpy": np.__version__, "python": platform.python_version()}
    places = {name: _from_folder(folder, getattr(config, name)) for name in _PLACES}
    write_json(
        folder / CONFIG, {"format": FORMAT, **config.plain(), **places, "versions": versions}
    )


def _from_folder(folder: Path, path: str | None) -> str | None:
    """A path as config.json has it: relative, if it lies inside of the folder or beside it."""
    if path is None:
        return None
    home = Path(os.path.realpath(folder))
    for start, written in ((home, "./"), (home.parent, "../")):
        if Path(path).is_relative_to(start):
            return written + Path(path).relative_to(start).as_posix()
    return path


def _from_anywhere(folder: Path, path: Any) -> Any:
    """The absolute path of what `_from_folder` has written; other values as they are."""
    if not isinstance(path, str) or not path.startswith(("./", "../")):
        return path
    return os.path.normpath(os.path.join(os.path.realpath(folder), path))


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write a JSON file, readable and with a newline at its end, whole or not at all."""
    text = json.dumps(content, indent=2, allow_nan=False) + "\n"
    with whole_file(path) as file:
        file.write(text.encode())


def read_json(path: Path) -> dict[str, Any]:
    """The object in a JSON file; RunError if it holds none, or a key comes twice."""
    with run_errors(f"{path} is not readable as JSON"):
        return object_of(read_regular(path))


def read_config(folder: Path) -> Config:
    """Read config.json; RunError says which key of it is wrong."""
    from cattrs import ForbiddenExtraKeysError

    path = folder / CONFIG
    if not os.path.isfile(path):
        raise RunError(f"{folder} is not a run: there is no readable config.json in it")
    content = read_json(path)
    version = content.pop("format", None)
    if type(version) is not int or version < 1:
        raise RunError(f"{path} is not the config of a run: it has no format number")
    if version > FORMAT:
        raise RunError(f"{path} has format {version}; this version of fcnn reads up to {FORMAT}")
    missing = [name for name, since in SINCE.items() if since <= version and name not in content]
    if missing:
        raise RunError(f"{path} lacks {', '.join(missing)}")
    content.pop("versions", None)
    with run_errors(path):
        for name in _PLACES & content.keys():
            content[name] = _from_anywhere(folder, content[name])
        try:
            return config_from(content)
        except ForbiddenExtraKeysError as error:
            raise ValueError(unknown("key", min(error.extra_fields), SINCE)) from None


def config_from(plain: Mapping[str, Any]) -> Config:
    """The config that `Config.plain` gives; ValueError and others if it is none."""
    return _converter().structure(plain, Config)


@cache
def _converter() -> "Converter":
    from cattrs import Converter

    converter = Converter(forbid_extra_keys=True, detailed_validation=False)
    # Values are taken as they are, for the fields check them: a text does not become a number.
    for kind in (int, float, str):
        converter.register_structure_hook(kind, lambda value, _: value)
    converter.register_structure_hook_func(lambda kind: not attrs.has(kind), lambda value, _: value)
    return converter
