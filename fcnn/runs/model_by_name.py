"""From names to things: models, own ones in files too, and recipes."""

import inspect
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from fcnn import models
from fcnn.files.reading import home_expanded
from fcnn.layers.layer import Layer
from fcnn.runs.recipes import RECIPES, Recipe
from fcnn.arguments.wording import kind_of, unknown

MODELS: Final = ("mnist_cnn", "lines_cnn", "lenet5", "deep_cnn", "deep_cnn_small", "linear")


class ModelError(ValueError):
    """A model of one's own that does not work."""


def recipe(name: str) -> Recipe:
    """The recipe of that name; ValueError with the nearest one for any other."""
    if name not in RECIPES:
        raise ValueError(unknown("recipe", name, RECIPES))
    return RECIPES[name]


def settings(option: str, text: str | None) -> dict[str, float] | None:
    """`a=1,b=2.5` as a dict of numbers, `none` as an empty one; ValueError for other texts."""
    if text is None:
        return None
    if text == "none":
        return {}
    try:
        parts = [part.split("=") for part in text.split(",")]
        pairs = {name.strip(): float(value) for name, value in parts}
    except ValueError:
        raise ValueError(f"{option} is {text!r}, expected NAME=NUMBER,... or none") from None
    if len(pairs) < len(parts):
        raise ValueError(f"{option} is {text!r}: a name comes twice")
    return pairs


def model(name: str, classes: int) -> Layer:
    """The model of a name, for that many classes.

    Parameters
    ----------
    name
        One of `MODELS`, or `FILE.py:FUNCTION` for a function of one's own that returns a
        layer. It is called with `classes=` if it takes such an argument.
    classes
        How many outputs the model has.

    Raises
    ------
    ValueError
        If there is no such model, file or function, or it does not return a layer.
    """
    if name in MODELS:
        named: Layer = getattr(models, name)(classes=classes)
        return named
    if ":" not in name:
        raise ValueError(f"{unknown('model', name, MODELS)}, or FILE.py:FUNCTION")
    own = _own_model(name, classes)
    if not isinstance(own, Layer):
        raise ValueError(f"model: {name} returned {kind_of(own)}, expected a Layer")
    return own


def absolute(name: str) -> str:
    """A model's name that means the same from any folder."""
    if name in MODELS or ":" not in name:
        return name
    file, function = name.rsplit(":", 1)
    return f"{os.path.realpath(home_expanded(file))}:{function}"


@contextmanager
def telling_lines(name: str) -> Iterator[None]:
    """Turn an error in a model of one's own into a ModelError with the file and line it is in.

    Also what fcnn finds wrong with what the model gave it. For the models of fcnn, errors
    stay as they are.
    """
    try:
        yield
    except Exception as error:
        if name in MODELS or ":" not in name:
            raise
        import traceback

        file = name.rsplit(":", 1)[0]
        path = Path(file).expanduser().resolve()
        if isinstance(error, SyntaxError):
            raise ModelError(f"model: {error.msg} in line {error.lineno} of {file}") from error
        frames = traceback.extract_tb(error.__traceback__)
        lines = [frame.lineno for frame in frames if Path(frame.filename) == path]
        if lines:
            kind = type(error).__name__
            raise ModelError(f"model: {kind} in line {lines[-1]} of {file}: {error}") from error
        if type(error) in (TypeError, ValueError):
            raise ModelError(str(error)) from error
        raise


def _own_model(name: str, classes: int) -> object:
    """What a function in a file returns."""
    file, function_name = name.rsplit(":", 1)
    path = Path(os.path.realpath(home_expanded(file)))
    if not os.path.isfile(path):
        raise ValueError(f"model: there is no file {file}")
    import runpy

    # The file may import others that lie beside it.
    sys.path.insert(0, str(path.parent))
    try:
        with telling_lines(name):
            functions = runpy.run_path(str(path), run_name=path.stem)
            function = functions.get(function_name)
            if not callable(function):
                known = [key for key, value in functions.items() if _is_of(value, path.stem)]
                raise ModelError(f"model: {file}: {unknown('function', function_name, known)}")
            takes_classes = "classes" in inspect.signature(function).parameters
            return function(classes=classes) if takes_classes else function()
    finally:
        sys.path.pop(0)


def _is_of(value: object, module: str) -> bool:
    """Whether it is a function that a file defines, and does not only import."""
    return inspect.isfunction(value) and value.__module__ == module
