"""Parameters in files of safetensors, as PyTorch's users read and write them.

The names and layouts are those of `fcnn.exchange.state_dict`. The metadata has under "fcnn" what
`save_model` writes beside parameters: the network as JSON, the shape of an example, labels.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from fcnn import tree
from fcnn.arguments.settings import as_path
from fcnn.exchange.matching_names import printed, renamed
from fcnn.exchange.model_file import text_of
from fcnn.exchange.pytorch import arranged, counts_batches, named_arrays
from fcnn.exchange.reading_back import needed, write_if_same
from fcnn.exchange.saved_model import checked
from fcnn.files.reading import read_regular
from fcnn.layers.layer import Layer
from fcnn.numerics.arrays import Array
from fcnn.training.inference import predict
from fcnn.tree import Tree

_BFLOAT16: Final = "BF16"  # the upper halves of float32
_DTYPES: Final = {"F16": "<f2", _BFLOAT16: "<u2", "F32": "<f4", "F64": "<f8"}


def save_safetensors(
    path: str | os.PathLike[str],
    model: Layer,
    params: Tree,
    in_shape: Sequence[int],
    *,
    labels: Sequence[str] | None = None,
    preparation: str | None = None,
) -> float:
    """Write parameters, and what network they are of, as a file of safetensors.

    Parameters
    ----------
    path
        The file. It appears whole, and only if safetensors reads the same bits and `predict` the
        same outputs from what is to be in it.
    model, params
        A network, and its parameters, float32 or float64. Layers of one's own have none.
    in_shape
        The shape of an example, such as (C, H, W).
    labels, preparation
        What the classes are called, and how pictures are prepared, see `SavedModel`: kept in the
        file's metadata.

    Returns how far the outputs were apart, relative to the largest, mostly 0. Raises ImportError
    without the extra `safetensors`; TypeError or ValueError for parameters that do not fit, and for
    a layer of one's own with parameters, or settings that JSON does not have, which it names with
    its place; OSError if the file cannot be written.

    Examples
    --------
    >>> import fcnn, numpy as np, tempfile, pathlib
    >>> model = fcnn.models.lines_cnn()
    >>> params, _ = model.init(np.random.default_rng(0), (1, 14, 14))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder, "lines.safetensors")
    ...     apart = fcnn.exchange.save_safetensors(path, model, params, (1, 14, 14))
    ...     found = fcnn.exchange.load_safetensors(path, model, (1, 14, 14))
    >>> apart, fcnn.tree.equal(found, params)
    (0.0, True)
    """
    function = "save_safetensors"
    target = as_path(function, "path", path)
    saved = checked(function, model, params, in_shape, labels, preparation)
    about = text_of(function, saved)
    # Arrays without gaps, as here, alone: safetensors 0.8.0 writes others wrong without a word.
    state = named_arrays(function, model, params)
    content: bytes = needed(function, "safetensors.numpy", "safetensors").save(
        state, {"fcnn": about}
    )
    again = arranged(function, "the file", model, _state(function, target, content), saved.in_shape)
    if _bits(again) != _bits(params):
        raise ValueError(f"{function}: nothing is written: safetensors would read other numbers")
    return write_if_same(function, target, content, saved, lambda x: predict(model, again, x))


def load_safetensors(
    path: str | os.PathLike[str],
    model: Layer,
    in_shape: Sequence[int],
    *,
    rename: Mapping[str, str] = {},
) -> Tree:
    """The parameters of a model from a file of safetensors, also of one that PyTorch wrote.

    Parameters
    ----------
    path
        The file, with floats of 16, 32 or 64 bits, bfloat16 among them. Its metadata is not read.
    model, in_shape, rename
        As for `from_state_dict`, which also says what becomes of the dtypes.

    Raises ImportError without the extra `safetensors`; FileNotFoundError; ValueError, which names
    the file, if it is damaged, holds other numbers, or does not fit the model, with both lists of
    names and shapes; TypeError for other arguments.

    Examples
    --------
    See `save_safetensors`.
    """
    function = "load_safetensors"
    source = as_path(function, "path", path)
    try:
        content = read_regular(source)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise _unreadable(function, source, error) from error
    state = renamed(f"{function}: {source}", _state(function, source, content), rename)
    return arranged(function, str(source), model, state, in_shape)


def _state(function: str, path: Path, content: bytes) -> dict[str, Array]:
    """What the bytes of a file hold; ValueError if they are damaged, or hold other numbers."""
    safetensors = needed(function, "safetensors", "safetensors")
    state = {}
    try:
        for name, entry in safetensors.deserialize(content):
            if entry["dtype"] in _DTYPES:
                state[name] = _array(entry)
            elif not counts_batches(name):
                raise ValueError(
                    f"{printed(name)} is {entry['dtype']}, expected F16, BF16, F32 or F64"
                )
    except (safetensors.SafetensorError, ValueError) as error:
        raise _unreadable(function, path, error) from error
    return state


def _array(entry: Mapping[str, Any]) -> Array:
    """What is read of an array; ValueError for a shape that NumPy cannot have."""
    array = np.frombuffer(entry["data"], _DTYPES[entry["dtype"]]).reshape(entry["shape"])
    if entry["dtype"] == _BFLOAT16:
        return (array.astype(np.uint32) << 16).view(np.float32)
    return array


def _bits(params: Tree) -> list[tuple[np.dtype[Any], bytes]]:
    return [(leaf.dtype, leaf.tobytes()) for leaf in tree.leaves(params)]


def _unreadable(function: str, path: Path, error: Exception) -> ValueError:
    return ValueError(f"{function}: {path} cannot be read as safetensors: {error}")
