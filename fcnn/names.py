"""From names to things: models, own ones in files too, and recipes."""

import inspect
import sys
from pathlib import Path
from typing import Final

from fcnn import models
from fcnn.layer import Layer
from fcnn.recipes import RECIPES, Recipe
from fcnn.validation import kind_of, unknown

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
    own = _own_model(name, classes)
    if not isinstance(own, Layer):
        raise ValueError(f"model: {name} returned {kind_of(own)}, expected a Layer")
    return own


def absolute(name: str) -> str:
    """A model's name that means the same from any folder."""
    if name in MODELS or ":" not in name:
        return name
    file, function = name.rsplit(":", 1)
    return f"{Path(file).expanduser().resolve()}:{function}"


def _own_model(name: str, classes: int) -> object:
    """What a function in a file returns; an error in it is told with the line it is in."""
    file, function_name = name.rsplit(":", 1)
    path = Path(file).expanduser().resolve()
    if not path.is_file():
        raise ValueError(f"model: there is no file {file}")
    import runpy
    import traceback

    # The file may import others that lie beside it.
    sys.path.insert(0, str(path.parent))
    try:
        functions = runpy.run_path(str(path), run_name=path.stem)
        function = functions.get(function_name)
        if not callable(function):
            known = [key for key, value in functions.items() if inspect.isfunction(value)]
            raise ValueError(f"model: {unknown('function', function_name, known)} in {file}")
        takes_classes = "classes" in inspect.signature(function).parameters
        return function(classes=classes) if takes_classes else function()
    except SyntaxError as error:
        raise ValueError(f"model: {error.msg} in line {error.lineno} of {file}") from error
    except Exception as error:
        frames = traceback.extract_tb(error.__traceback__)
        lines = [frame.lineno for frame in frames if Path(frame.filename) == path]
        if not lines:
            raise
        kind = type(error).__name__
        raise ValueError(f"model: {kind} in line {lines[-1]} of {file}: {error}") from error
    finally:
        sys.path.pop(0)
