"""What every format shares: no file is written unless reading it back gives the same outputs."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import numpy as np

from fcnn.exchange.saved_model import SavedModel, dtype_of
from fcnn.files.writing import whole_file
from fcnn.layers.layer import Layer
from fcnn.networks.documents import public_name
from fcnn.numerics.arrays import Array
from fcnn.training.inference import predict

MOST_APART: Final = 1e-4  # outputs, relative to the largest of them
_EXAMPLES: Final = 5


def needed(function: str, module: str, extra: str) -> Any:
    """A module of an extra; ImportError that says what to install."""
    try:
        return import_module(module)
    except ImportError as error:
        raise ImportError(
            f"{function} needs {module} ({error}); pip install 'fcnn[{extra}]'"
        ) from error


def known_name(function: str, layer: Layer, lacking: str) -> str:
    """The public name of a layer; ValueError for one of one's own, with what is lacking for it."""
    name = public_name(layer)
    if name is None:
        raise ValueError(f"{function}: {layer.name} is a layer of one's own, which {lacking}")
    return name


def write_if_same(
    function: str,
    path: Path,
    content: bytes,
    saved: SavedModel,
    outputs_of: Callable[[Array], Any],
) -> float:
    """Write a file, from whose content outputs were read back; see `check_same_outputs`."""
    apart = check_same_outputs(function, saved, outputs_of)
    with whole_file(path) as file:
        file.write(content)
    return apart


def check_same_outputs(
    function: str, saved: SavedModel, outputs_of: Callable[[Array], Any]
) -> float:
    """How far outputs that were read back are from those of `predict`, on random examples.

    The greatest difference, relative to the greatest output. ValueError if it is more than
    `MOST_APART`, or the outputs are not finite.
    """
    shape = (_EXAMPLES, *saved.in_shape)
    x = np.random.default_rng(0).standard_normal(shape).astype(dtype_of(saved.params))
    expected = predict(saved.model, saved.params, x)
    if not np.isfinite(expected).all():
        raise ValueError(
            f"{function}: nothing is written: the network itself gives outputs that are not finite"
        )
    apart = how_far_apart(np.asarray(outputs_of(x)), expected)
    if not apart <= MOST_APART:
        raise ValueError(
            f"{function}: nothing is written: what would be read back gives outputs that are "
            f"{apart:.1e} apart from those of the network, relative to the largest"
        )
    return apart


def how_far_apart(found: Array, expected: Array) -> float:
    """The greatest difference of outputs, relative to the greatest expected one."""
    if found.shape != expected.shape:
        return float("inf")
    with np.errstate(invalid="ignore"):
        greatest = np.abs(found.astype(np.float64) - expected).max()
        return float(greatest / (np.abs(expected).max() or 1))
