"""Writing a model as a script: one Python file that needs NumPy alone.

A script is `fcnn.exchange.script_parts` without what its network does not need, and with three
things of its own: constants, the network written out layer by layer, and the parameters, as text.
"""

from __future__ import annotations

import ast
import base64
import inspect
import io
import os
import re
import textwrap
from collections.abc import Mapping, Sequence
from pprint import pformat
from typing import Any, Final

import numpy as np

from fcnn.arguments.settings import as_path
from fcnn.exchange import script_parts
from fcnn.exchange.network_source import LINE, WrittenNetwork, batch, written_out
from fcnn.exchange.reading_back import write_if_same
from fcnn.exchange.saved_model import SavedModel, checked
from fcnn.layers.layer import Layer
from fcnn.networks.documents import ends_in_softmax
from fcnn.numerics.arrays import Array
from fcnn.numerics.error_function import FITS
from fcnn.tree import Tree
from fcnn.version import __version__

_BETWEEN: Final = "\n\n\n"  # functions: two empty lines


def save_script(
    path: str | os.PathLike[str],
    model: Layer,
    params: Tree,
    in_shape: Sequence[int],
    *,
    labels: Sequence[str] | None = None,
    preparation: str | None = None,
) -> float:
    """Write a model as a Python file that needs NumPy alone, to be read, run and imported.

    Its `predict(x)` gives the outputs of the network, in inference, for examples (N, *in_shape) of
    the dtype of the parameters, on all cores. As a program it prints the three likeliest classes of
    images in `.npy` files: `python digits.py image.npy`. It runs on Python 3.9 and NumPy 1.22, and
    on later ones.

    Parameters
    ----------
    path
        The file. It appears whole, and only if what is to be in it gives the outputs of `predict`.
    model, params
        A network of layers of fcnn, and its parameters, float32 or float64.
    in_shape
        The shape of an example, such as (C, H, W).
    labels
        What the classes are called; their numbers by default.
    preparation
        How pictures are prepared, see `SavedModel`. A script does not prepare them: it says how
        they should be.

    Returns how far the outputs were apart, relative to the largest. Raises ValueError for a layer
    of one's own, which it names, for parameters that do not fit, and for outputs that are not the
    same; TypeError for what is of another kind.

    Examples
    --------
    >>> import fcnn, numpy as np, runpy, tempfile, pathlib
    >>> model = fcnn.models.lines_cnn()
    >>> params, _ = model.init(np.random.default_rng(0), (1, 14, 14))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder, "lines.py")
    ...     apart = fcnn.exchange.save_script(path, model, params, (1, 14, 14))
    ...     predict = runpy.run_path(str(path))["predict"]
    >>> predict(np.zeros((2, 1, 14, 14), np.float32)).shape, apart < 1e-5
    ((2, 3), True)
    """
    target = as_path("save_script", "path", path)
    saved = checked("save_script", model, params, in_shape, labels, preparation)
    script = _script(saved, target.name)
    namespace: dict[str, Any] = {}
    exec(compile(script, target.name, "exec"), namespace)
    return write_if_same("save_script", target, script.encode(), saved, namespace["predict"])


# The file, from top to bottom

_DOCSTRING: Final = """\
A network of {numbers:,} parameters, written by fcnn {version}. It needs NumPy alone.

    from {module} import predict
    y = predict(x)  # {y} of x {x}, {dtype}
"""
_COMMAND: Final = """
    python {file} image.npy ...

prints the three likeliest classes of each {example} in files of arrays of the shape
{shapes}, bytes from 0 to 255 or floats from 0 to 1.
The exit code is 3 if there is no such array in a file.
"""
_LIKE_MNIST: Final = """
The images are like those of MNIST: a light digit on black, 20 pixels on its longer side, with its
centre of mass in the middle of 28x28.
"""


def _script(saved: SavedModel, file: str) -> str:
    network = written_out(saved.model, saved.params, saved.in_shape)
    classes = _classes(saved, network)
    own = {"network": network.source, "probabilities": _probabilities(saved.model)}
    entries = ["predict"]
    ends = []
    if network.arrays:
        entries.append("parameters")
        ends.append(f'P = parameters("""\n{_text(network.arrays)}\n""")')
    if classes:
        entries.append("main")
        ends.append('if __name__ == "__main__":\n    sys.exit(main(sys.argv[1:]))')
    head, *blocks = inspect.getsource(script_parts).strip().split(_BETWEEN)
    code = _BETWEEN.join([*_needed(blocks, own, entries), *ends])
    used = _used(code)
    constants = {
        "IN_SHAPE": repr(saved.in_shape),
        "DTYPE": f"np.{network.dtype}",
        "LABELS": classes,
        "ERROR_FUNCTION": _wrapped(tuple(FITS[network.dtype])),
    }
    top = [
        f'"""{_docstring(saved, network, file)}"""',
        _imports(head, used | {"annotations", "np"}),
        "\n".join(f"{name} = {value}" for name, value in constants.items() if name in used),
    ]
    return "\n\n".join(top) + _BETWEEN + code + "\n"


def _docstring(saved: SavedModel, network: WrittenNetwork, file: str) -> str:
    if not re.fullmatch(r"[a-zA-Z_]\w*\.py", file, re.ASCII):
        file = "model.py"  # names of files may hold what ends a docstring
    text = _DOCSTRING.format(
        numbers=sum(a.size for a in network.arrays.values()),
        version=__version__,
        module=file.removesuffix(".py"),
        y=batch(network.out_shape),
        x=batch(saved.in_shape),
        dtype=network.dtype,
    )
    if _classes(saved, network):
        shapes = [str(saved.in_shape), batch(saved.in_shape)]
        if len(saved.in_shape) == 3 and saved.in_shape[0] == 1:
            shapes.insert(0, str(saved.in_shape[1:]))
        text += _COMMAND.format(
            file=file,
            example="image" if len(saved.in_shape) == 3 else "example",
            shapes=f"{', '.join(shapes[:-1])} or {shapes[-1]}",
        )
    return text + (_LIKE_MNIST if saved.preparation == "mnist" else "")


def _classes(saved: SavedModel, network: WrittenNetwork) -> str:
    """The names of the classes as source; nothing for a network whose outputs are none."""
    if saved.labels is not None:
        return _wrapped(saved.labels)
    if len(network.out_shape) != 1 or network.out_shape == (1,):
        return ""
    return f"tuple(map(str, range({network.out_shape[0]})))"


def _wrapped(values: tuple[Any, ...]) -> str:
    """A tuple as source, on several lines if it is long."""
    text = pformat(values, width=LINE - 10, compact=True)
    if "\n" not in text:
        return text
    return "(\n" + textwrap.indent(text[1:-1].rstrip(",").replace("\n ", "\n"), "    ") + ",\n)"


def _probabilities(model: Layer) -> str:
    """The function of that name, which takes outputs as logits unless they come from softmax."""
    value = "predict(x)" if ends_in_softmax(model) else "softmax(predict(x))"
    return f"""\
def probabilities(x: np.ndarray) -> np.ndarray:
    \"\"\"Those of the classes (N, K).\"\"\"
    return {value}"""


def _text(arrays: Mapping[str, Array]) -> str:
    """Arrays as an `.npz` file in base64."""
    file = io.BytesIO()
    np.savez_compressed(file, **arrays)  # type: ignore[arg-type]
    text = base64.b64encode(file.getvalue()).decode()
    return "\n".join(text[i : i + LINE] for i in range(0, len(text), LINE))


# What is needed of `script_parts`, whose blocks are parted by two empty lines: titles of what comes
# below, constants, and functions


def _needed(blocks: Sequence[str], own: Mapping[str, str], entries: Sequence[str]) -> list[str]:
    """The blocks that define the entries and what these use, and the titles above them. Sources of
    one's own take the place of those of the same name.
    """
    defined = [_defined(block) for block in blocks]
    place = {name: i for i, names in enumerate(defined) for name in names}
    sources = [*blocks]
    for name, source in own.items():
        sources[place[name]] = source
    needed: set[int] = set()
    names = {*entries}
    while names:
        found = {place[name] for name in names if name in place} - needed
        needed |= found
        names = set().union(*(_used(sources[i]) for i in found))
    kept, title = [], ""
    for i, source in enumerate(sources):
        if not defined[i]:
            title = source
        elif i in needed:
            kept += [title, source] if title else [source]
            title = ""
    return kept


def _defined(source: str) -> list[str]:
    """The functions and constants that a source defines."""
    names = []
    for statement in ast.parse(source).body:
        if isinstance(statement, ast.FunctionDef):
            names.append(statement.name)
        elif isinstance(statement, ast.Assign):
            names += [target.id for target in statement.targets if isinstance(target, ast.Name)]
    return names


def _used(source: str) -> set[str]:
    """All names that a source has in it."""
    return {node.id for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Name)}


def _imports(head: str, used: set[str]) -> str:
    """The imports of a source, of what is used and not fcnn's; empty lines between their kinds."""
    kinds: dict[str, list[str]] = {"__future__": [], "": [], "numpy": []}
    for statement in ast.parse(head).body:
        if isinstance(statement, ast.Import | ast.ImportFrom):
            names = [a for a in statement.names if (a.asname or a.name) in used]
            module = getattr(statement, "module", None) or statement.names[0].name
            top = module.split(".")[0]
            if names and top != "fcnn":
                statement.names = names
                kinds[top if top in kinds else ""].append(ast.unparse(statement))
    return "\n\n".join("\n".join(lines) for lines in kinds.values() if lines)
