"""From names to things: models, own ones in files too, and recipes."""

import difflib
import importlib.util
import inspect
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

from fcnn import models
from fcnn.layer import Layer
from fcnn.recipes import RECIPES, Recipe

MODELS: Final = ("mnist_cnn", "lines_cnn", "lenet5", "linear")


def recipe(name: str) -> Recipe:
    """The recipe of that name; ValueError with the nearest one for any other."""
    if name not in RECIPES:
        raise ValueError(unknown("recipe", name, RECIPES))
    return RECIPES[name]


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
    function = _function(name)
    takes_classes = "classes" in inspect.signature(function).parameters
    own = function(classes=classes) if takes_classes else function()
    if not isinstance(own, Layer):
        raise ValueError(f"model: {name} returned a {type(own).__name__}, expected a Layer")
    return own


def absolute(name: str) -> str:
    """A model's name that means the same from any folder."""
    if name in MODELS or ":" not in name:
        return name
    file, function = name.rsplit(":", 1)
    return f"{Path(file).expanduser().resolve()}:{function}"


def unknown(kind: str, name: str, known: Iterable[str]) -> str:
    """What to say of an unknown name: the nearest known one, and all of them."""
    names = list(known)
    close = difflib.get_close_matches(name, names, n=1)
    hint = f"; did you mean {close[0]!r}?" if close else "."
    return f"unknown {kind} {name!r}{hint} Known: {', '.join(names)}"


def _function(name: str) -> Callable[..., Layer]:
    file, function_name = name.rsplit(":", 1)
    path = Path(file).expanduser()
    if not path.is_file():
        raise ValueError(f"model: there is no file {file}")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise ValueError(f"model: {file} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    function = getattr(module, function_name, None)
    if not callable(function):
        functions = [key for key, value in vars(module).items() if inspect.isfunction(value)]
        raise ValueError(f"model: {unknown('function', function_name, functions)} in {file}")
    found: Callable[..., Layer] = function
    return found
