"""Models in files of fcnn's own: the network as JSON and the parameters by path, in one `.npz`.

Beside the arrays that `fcnn.tree.save` would write there is a text, `network`, which
`numpy.load(path)["network"]` shows. It is a JSON object: the format's number, the version that
wrote the file, the network as in `fcnn.networks.documents`, and what else a `SavedModel` holds.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final

import attrs
import numpy as np

from fcnn import tree
from fcnn.arguments.arrays import check_sizes
from fcnn.arguments.settings import MOST, as_path
from fcnn.arguments.wording import kind_of, shown, unknown
from fcnn.exchange.reading_back import check_same_outputs
from fcnn.exchange.saved_model import SavedModel, check_names, checked, described
from fcnn.files.json_objects import object_of
from fcnn.files.npz import TEXTS
from fcnn.files.writing import whole_file
from fcnn.layers.layer import Layer, call_init
from fcnn.networks.documents import code_of, document, layer_of, own_names, public_name
from fcnn.numerics.arrays import Array, Shape
from fcnn.numerics.random_streams import sparing
from fcnn.training.inference import predict
from fcnn.tree import Tree
from fcnn.tree.files import TreeFile, opened
from fcnn.version import __version__

FORMAT: Final = 1
NETWORK: Final = "network"  # beside paths, which begin with a bracket or a dot
_KEYS: Final = ("format", "fcnn", "network", "in_shape", "labels", "preparation")
_MOST_AXES: Final = 64  # of any array of NumPy
_LONGEST: Final = 500_000  # characters: thousands of layers
_LONGEST_ERROR: Final = 1000  # characters of what a file may have for a name


def save_model(
    path: str | os.PathLike[str],
    model: Layer,
    params: Tree,
    in_shape: Sequence[int],
    *,
    labels: Sequence[str] | None = None,
    preparation: str | None = None,
) -> float:
    """Write a network and its parameters to an `.npz` file, for `load_model`.

    The file appears whole or not at all, and only if reading it back gives the same outputs for
    random images. Returns how far these were apart, relative to the largest: 0.

    Parameters
    ----------
    path
        Where the file is to lie.
    model, params
        The network, and its parameters in float32 or float64. Layers and initializers of one's own
        are only named, with the settings of the layers.
    in_shape
        The shape of an example, such as (C, H, W).
    labels
        What the classes are called, one name for each; no more than the model has outputs.
    preparation
        What is done to pictures before the network sees them: "mnist", or None.

    Raises TypeError or ValueError if these do not fit each other, a setting is none that JSON has,
    or outputs are not finite; OSError if the file cannot be written.

    Examples
    --------
    >>> import fcnn, numpy as np, tempfile, pathlib
    >>> model = fcnn.models.lines_cnn()
    >>> params, _ = model.init(np.random.default_rng(0), (1, 14, 14))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder, "lines.npz")
    ...     apart = fcnn.save_model(path, model, params, (1, 14, 14), labels=["|", "-", "/"])
    ...     found = fcnn.load_model(path)
    >>> apart, found.labels
    (0.0, ('|', '-', '/'))
    >>> fcnn.predict(found.model, found.params, np.ones((2, 1, 14, 14), np.float32)).shape
    (2, 3)
    """
    target = as_path("save_model", "path", path)
    saved = checked("save_model", model, params, in_shape, labels, preparation)
    text, own = text_of("save_model", saved), _own_of(model)
    arrays = {NETWORK: np.array(text), **dict(tree.leaves_with_path(params))}
    with whole_file(target) as file:
        np.savez(file, **arrays)
        file.flush()
        again = _read("save_model", Path(file.name), own)
        if code_of(again.model) != code_of(model):
            raise ValueError(
                "save_model: a layer of the model has not the functions of what made it, of which "
                "its settings tell; if they were replaced, make is to be None"
            )
        return check_same_outputs(
            "save_model", saved, lambda x: predict(again.model, again.params, x)
        )


def load_model(
    path: str | os.PathLike[str],
    *,
    layers: Mapping[str, Layer | Callable[..., Any]] = {},
) -> SavedModel:
    """Read what `save_model` wrote: the network, its parameters, and what they are for.

    Nothing in the file is executed or unpickled, and it takes no more memory than its length
    allows. Raises ValueError, which names the file, if it is damaged or no such file.

    Parameters
    ----------
    path
        Where the file lies.
    layers
        Layers of one's own by the names that they have in the file, such as {"gain": gain}: each
        is a `Layer`, or a function of its settings that returns one. Initializers likewise.

    Examples
    --------
    See `save_model`.
    """
    path = as_path("load_model", "path", path)
    if not isinstance(layers, Mapping):
        raise TypeError(f"load_model: layers is {kind_of(layers)}, expected a dict")
    for name, layer in layers.items():
        if not isinstance(layer, Layer) and not callable(layer):
            raise TypeError(
                f"load_model: layers[{name!r}] is {kind_of(layer)}, expected a Layer, or a "
                "function of settings"
            )
    return _read("load_model", path, layers)


def text_of(function: str, saved: SavedModel) -> str:
    """What a file says of a model beside its parameters; ValueError for what JSON does not have."""
    try:
        about = {
            "format": FORMAT,
            "fcnn": __version__,
            "network": document(saved.model),
            "in_shape": saved.in_shape,
            "labels": saved.labels,
            "preparation": saved.preparation,
        }
        return json.dumps(about, allow_nan=False)
    except ValueError as error:
        raise ValueError(f"{function}: {error}") from error


def _read(function: str, path: Path, layers: Mapping[str, Any]) -> SavedModel:
    with opened(function, path) as file:
        parameters, text = parameters_in(file), _network_in(file)
        with _telling(function, path):
            saved = _described(function, object_of(text), layers)
            initial, out_shape = call_init(saved.model, sparing(path), saved.in_shape)
            check_names(function, saved.labels, out_shape)
        params = parameters.arranged(parameters.widened(initial))
        return attrs.evolve(saved, params=params)


@contextmanager
def _telling(function: str, path: Path) -> Iterator[None]:
    """What is wrong with the text in a file, as a ValueError that names the file."""
    try:
        yield
    except RecursionError as error:
        raise ValueError(f"{function}: {path}: the network is nested too deeply") from error
    except (TypeError, ValueError, OverflowError) as error:
        told = str(error).removeprefix(f"{function}: ")[:_LONGEST_ERROR]
        raise ValueError(f"{function}: {path}: {told}") from error


def parameters_in(file: TreeFile) -> TreeFile:
    """An open file of `save_model` without what it says beside the parameters; ValueError if it is
    no such file.
    """
    if NETWORK not in file.arrays:
        raise ValueError(
            f"{file.function}: {file.path} is no file of save_model: there is no {NETWORK!r} in it"
        )
    arrays = {place: array for place, array in file.arrays.items() if place != NETWORK}
    return attrs.evolve(file, arrays=arrays)


def _network_in(file: TreeFile) -> str:
    """The text in a file that says what its network is."""
    shape, _, dtype = file.header(NETWORK, TEXTS)
    if shape != () or dtype.itemsize > _LONGEST * np.dtype("U1").itemsize:
        raise ValueError(
            f"{file.function}: {file.path}: {NETWORK} is {dtype}{list(shape)}, expected one text "
            f"of at most {_LONGEST:,} characters"
        )
    return str(file.read(NETWORK, TEXTS))


def _described(function: str, about: Mapping[str, Any], layers: Mapping[str, Any]) -> SavedModel:
    """The model that a file tells of, without parameters."""
    version = about.get("format")
    if type(version) is not int or version < 1:
        raise ValueError("it is no file of save_model: it has no format number")
    if version > FORMAT:
        raise ValueError(f"it has format {version}; this version of fcnn reads up to {FORMAT}")
    if missing := [key for key in _KEYS if key not in about]:
        raise ValueError(f"it lacks {', '.join(missing)}")
    if more := about.keys() - {*_KEYS}:
        raise ValueError(unknown("key", min(more), _KEYS))
    in_shape = check_sizes(function, about["in_shape"], least_axes=1)
    if len(in_shape) > _MOST_AXES or math.prod(in_shape) > MOST:
        raise ValueError(f"in_shape is {shown(in_shape)}, expected at most {MOST:,} numbers")
    labels = about["labels"]
    if not isinstance(labels, list | None):
        raise ValueError(f"labels is {kind_of(labels)}, expected a list or null")
    model = layer_of(about["network"], layers)
    return described(function, model, (), in_shape, labels, about["preparation"])


def _own_of(model: Layer) -> dict[str, Any]:
    """What a model has of one's own, by name, as `layer_of` takes it."""
    layers: dict[str, dict[str, Layer]] = {}
    initializers: set[str] = set()
    for layer in _layers_in(model):
        if public_name(layer) is None:
            known = layers.setdefault(layer.name, {})
            first = known.setdefault(_told(layer.children, layer.settings), layer)
            if code_of(first) != code_of(layer):  # other differences show in the outputs
                raise ValueError(
                    f"save_model: two layers are called {layer.name}, have the same settings, and "
                    "are not the same: tell them apart by their names or settings"
                )
        elif not layer.children:
            initializers |= {*own_names(document(layer))}
    if both := initializers & layers.keys():
        raise ValueError(f"save_model: a layer and an initializer are both called {min(both)}")
    return {
        **dict.fromkeys(initializers, _zeros),
        **{name: partial(_one_of, known) for name, known in layers.items()},
    }


def _layers_in(layer: Layer) -> Iterator[Layer]:
    yield layer
    for child in layer.children:
        yield from _layers_in(child)


def _one_of(known: Mapping[str, Layer], /, *children: Layer, **settings: Any) -> Layer:
    return known[_told(children, settings)]


def _told(children: Sequence[Layer], settings: Mapping[str, Any]) -> str:
    """What a document says of a layer beside its name."""
    return json.dumps([[*map(document, children)], dict(settings)], sort_keys=True)


def _zeros(rng: np.random.Generator, shape: Shape, fan_in: int, fan_out: int) -> Array:
    """In the place of an initializer of one's own: what it drew is in the file."""
    return np.zeros(shape, np.float32)
