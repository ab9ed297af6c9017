"""Models by name: those of fcnn, and functions in files of one's own."""

import inspect
import os
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from fcnn import models
from fcnn.arguments.wording import kind_of, unknown
from fcnn.files.reading import home_expanded, read_regular
from fcnn.layers.layer import Layer

MODELS: Final = (
    "mnist_cnn", "lines_cnn", "lenet5", "deep_cnn", "deep_cnn_small", "tiny_cnn", "linear"
)  # fmt: skip


class ModelError(ValueError):
    """A model that does not work, on this data or at all."""


def model_by_name(name: str, classes: int) -> Layer:
    """The model of a name, for that many classes: one of `MODELS`, or of `FILE.py:FUNCTION`, a
    function of one's own, which is called with `classes=` if it takes such an argument.

    Raises ValueError if there is no such model, file or function, or it returns no layer.
    """
    if name in MODELS:
        named: Layer = getattr(models, name)(classes=classes)
        return named
    if ":" not in name:
        raise ValueError(f"{unknown('model', name, MODELS)}, or FILE.py:FUNCTION")
    file, function_name = name.rsplit(":", 1)
    path = Path(os.path.realpath(home_expanded(file)))
    if not os.path.isfile(path):
        raise ValueError(f"model: there is no file {file}")
    # The file may import others that lie beside it.
    sys.path.insert(0, str(path.parent))
    try:
        with telling_lines(name):
            functions = _executed(path)
            function = functions.get(function_name)
            if not callable(function):
                known = [key for key, value in functions.items() if _is_of(value, path.stem)]
                raise ModelError(f"model: {file}: {unknown('function', function_name, known)}")
            takes_classes = "classes" in inspect.signature(function).parameters
            own = function(classes=classes) if takes_classes else function()
    finally:
        sys.path.pop(0)
    if not isinstance(own, Layer):
        raise ValueError(f"model: {name} returned {kind_of(own)}, expected a Layer")
    return own


def absolute(name: str) -> str:
    """A model's name that means the same from any folder."""
    if ":" not in name:
        return name
    file, function = name.rsplit(":", 1)
    return f"{os.path.realpath(home_expanded(file))}:{function}"


@contextmanager
def telling_lines(name: str) -> Iterator[None]:
    """Turn what goes wrong in a model into a ModelError.

    In a file of one's own that is whatever is raised there, `sys.exit` too, with its line; but
    Ctrl-C stays what it is. Of the models of fcnn it is what they refuse, values on which they
    cannot work: the rest are mistakes of fcnn.
    """
    try:
        yield
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        own = ":" in name
        told = _told(error, name.rsplit(":", 1)[0]) if own else None
        if told is None and type(error) in ((TypeError, ValueError) if own else (ValueError,)):
            told = str(error)
        if told is None:
            raise
        raise ModelError(told) from error


def _told(error: BaseException, file: str) -> str | None:
    """What to say of an error that comes from a file; None if it does not."""
    kind, text = type(error).__name__, f": {error}" if str(error) else ""
    if isinstance(error, SyntaxError):
        if error.lineno is None:
            return f"model: {file} is no Python: {error.msg}"
        return f"model: {error.msg} in line {error.lineno} of {file}"
    path = Path(file).expanduser().resolve()
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno for frame in frames if Path(frame.filename) == path]
    if lines:
        return f"model: {kind} in line {lines[-1]} of {file}{text}"
    if not isinstance(error, Exception):
        return f"model: {kind} in {file}{text}"
    return None


def _executed(path: Path) -> dict[str, Any]:
    """What a file of Python source defines.

    What was read is what runs: by a path, Python would also take archives and compiled files.
    """
    if path.suffix != ".py":
        raise ModelError(f"model: {path} is no Python: its name does not end in .py")
    try:
        code = compile(read_regular(path), str(path), "exec", dont_inherit=True)
    except (ValueError, RecursionError, MemoryError) as error:
        raise ModelError(f"model: {path} is no Python: {error}") from error
    module = ModuleType(path.stem)
    module.__file__ = str(path)
    with _known_as(path.stem, module):
        exec(code, vars(module))
    return vars(module)


@contextmanager
def _known_as(name: str, module: ModuleType) -> Iterator[None]:
    """While it runs, a module is found by its name, as the classes that it makes expect."""
    before = sys.modules.get(name)
    sys.modules[name] = module
    try:
        yield
    finally:
        if before is None:
            sys.modules.pop(name, None)
        else:
            sys.modules[name] = before


def _is_of(value: object, module: str) -> bool:
    """Whether it is a function that a file defines, and does not only import."""
    return inspect.isfunction(value) and value.__module__ == module
