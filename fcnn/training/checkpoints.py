"""Checkpoints: one epoch's record in a file, from which training goes on."""

import os
from typing import Any, Final

import attrs
import numpy as np

from fcnn import tree
from fcnn.arguments.settings import as_path, check_kind
from fcnn.layers.layer import Layer
from fcnn.numerics.arrays import Array
from fcnn.numerics.random_streams import sparing
from fcnn.optimizers.optimizer import Optimizer
from fcnn.training.epochs import HELD_OUT, Epoch
from fcnn.tree.files import TreeFile, opened

FORMAT: Final = 2  # format 1 has no figures of a validation set
_MARK: Final = "fcnn_checkpoint"
_MOST_AXES: Final = 64  # of any array of NumPy
_FIGURES: Final = ("train_loss", "seconds")  # in every file
_OPTIONAL: Final = ("train_accuracy", *HELD_OUT)  # None without classes, or a set held out


def save_checkpoint(path: str | os.PathLike[str], record: Epoch) -> None:
    """Write the record of an epoch, as `fit` yields it, to an `.npz` file.

    The file is written beside its place, flushed and renamed: whatever happens, the old one
    or the new one is there, whole. Raises OSError if it cannot be written.
    """
    path = as_path("save_checkpoint", "path", path)
    check_kind("save_checkpoint", "record", record, Epoch)
    if not record.in_shape:
        raise ValueError("save_checkpoint: the record has no in_shape; those of fit have")
    fields = attrs.asdict(record, recurse=False)
    tree.save(path, {_MARK: FORMAT, **fields, "in_shape": np.array(record.in_shape, np.int64)})


def load_checkpoint(path: str | os.PathLike[str], model: Layer, optimizer: Optimizer) -> Epoch:
    """Read what `save_checkpoint` wrote, for `fit(..., start=record)`.

    The model and the optimizer are those of the run: they say what the trees of parameters and
    state look like. Raises ValueError if the file is damaged, no checkpoint, of a newer format,
    or of another model or optimizer; the message names the file and what in it does not fit.
    Raises FileNotFoundError if there is none. Nothing in the file is executed.

    Examples
    --------
    >>> import fcnn, numpy as np, tempfile, pathlib
    >>> train, _ = fcnn.data.synthetic_lines(seed=0)
    >>> model, optimizer = fcnn.models.lines_cnn(), fcnn.sgd(0.01, momentum=0.9)
    >>> params, _ = model.init(np.random.default_rng(0), (1, 14, 14))
    >>> settings = {"epochs": 2, "batch_size": 50, "seed": 0}
    >>> first, second = fcnn.fit(model, params, optimizer, train, **settings)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     fcnn.save_checkpoint(pathlib.Path(folder, "first.npz"), first)
    ...     start = fcnn.load_checkpoint(pathlib.Path(folder, "first.npz"), model, optimizer)
    >>> (again,) = fcnn.fit(model, params, optimizer, train, start=start, **settings)
    >>> fcnn.tree.equal(again.params, second.params)
    True
    """
    path = as_path("load_checkpoint", "path", path)
    check_kind("load_checkpoint", "model", model, Layer)
    check_kind("load_checkpoint", "optimizer", optimizer, Optimizer)
    with opened("load_checkpoint", path) as file:
        _check_format(file)
        content = file.arranged(_expected(file, model, optimizer))
    if content["epoch"] < 1:
        raise ValueError(f"load_checkpoint: {path}: ['epoch'] is {content['epoch']}")
    figures: dict[str, Any] = dict.fromkeys(_OPTIONAL)
    figures |= {name: float(content[name]) for name in _FIGURES + _OPTIONAL if name in content}
    return Epoch(
        epoch=int(content["epoch"]), params=content["params"], state=content["state"],
        in_shape=tuple(map(int, content["in_shape"])), **figures,
    )  # fmt: skip


def _check_format(file: TreeFile) -> None:
    place = f"[{_MARK!r}]"
    header = file.header(place) if place in file.arrays else None
    if header is None or header.shape != () or header.dtype.kind not in "iu":
        raise ValueError(f"load_checkpoint: {file.path} is not a checkpoint of fcnn")
    version = file.read(place)
    if version > FORMAT:
        raise ValueError(
            f"load_checkpoint: {file.path} has format {version}; this version of fcnn reads up to "
            f"{FORMAT}"
        )


def _expected(file: TreeFile, model: Layer, optimizer: Optimizer) -> dict[str, Any]:
    """The tree that is in the checkpoint of a run of this model, with this optimizer."""
    in_shape = _in_shape(file)
    try:
        initial, _ = model.init(sparing(file.path), tuple(map(int, in_shape)))
    except (TypeError, ValueError, OverflowError) as error:
        raise ValueError(f"load_checkpoint: {file.path} is not of this model: {error}") from error
    params = file.widened(initial, "['params']")
    figures = [*_FIGURES, *(name for name in _OPTIONAL if f"[{name!r}]" in file.arrays)]
    fields = {"epoch": 0, "params": params, "state": optimizer.init(params), "in_shape": in_shape}
    return {_MARK: FORMAT, **fields, **dict.fromkeys(figures, 0.0)}


def _in_shape(file: TreeFile) -> Array:
    place = "['in_shape']"
    if place in file.arrays:
        (shape, _, dtype) = file.header(place)
        if len(shape) == 1 and shape[0] <= _MOST_AXES and dtype == np.int64:
            return file.read(place)
    raise ValueError(f"load_checkpoint: {file.path}: {place} is not the shape of an example")
