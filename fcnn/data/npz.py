"""Any `.npz` file with x_train, y_train, x_test and y_test, such as Keras's mnist.npz."""

from __future__ import annotations

import os
from typing import IO

import numpy as np

from fcnn.arguments.settings import as_path
from fcnn.data.dataset import DataError, Dataset, assemble, naming
from fcnn.files.npz import TEXTS, opened_archive
from fcnn.files.reading import home_expanded, regular_file
from fcnn.numerics.arrays import Array

KEYS = ("x_train", "y_train", "x_test", "y_test")
LABELS = "labels"
MOST_NAMES = 100_000
CHANNEL_COUNTS = (1, 3, 4)  # those of grey, RGB and RGBA pictures


def npz_file(path: str | os.PathLike[str]) -> Dataset:
    """Read an `.npz` file that holds `x_train`, `y_train`, `x_test` and `y_test`.

    Images of shape (N, H, W) get a channel axis. Images of four axes are (N, H, W, C) if the last
    axis is 1, 3 or 4, and the channels move to where they belong; otherwise they are (N, C, H, W).
    If the second axis is 1, 3 or 4 as well, either may be meant, and they are refused. An optional
    array `labels` has the names of the classes, as `np.array(["cat", "dog"])`. DataError if the
    file or one of its keys is missing or damaged, or the arrays do not belong together.

    Parameters
    ----------
    path : path
        The file. Images are uint8, scaled by 1/255 here, or floats, taken as they are:
        these should lie in [0, 1] already. Labels are integers (N,) or (N, 1).
        Pickled objects are never loaded.

    Returns
    -------
    Dataset
        Images float32 (N, C, H, W), labels int64 (N,).
    """
    file = home_expanded(as_path("npz_file", "path", path))
    with naming(file), regular_file(file) as stream:
        x_train, y_train, x_test, y_test = read_arrays(stream, str(file))
        labels = _labels(stream, str(file))
        return assemble(
            f"npz_file: {file}",
            channels_first(x_train),
            _without_column(y_train),
            channels_first(x_test),
            _without_column(y_test),
            labels=labels,
        )


def read_arrays(file: IO[bytes], name: str) -> list[Array]:
    """x_train, y_train, x_test and y_test of an archive; every error names file and key."""
    with opened_archive(file) as held:
        lacking = [key for key in KEYS if key not in held]
        if lacking:
            raise DataError(f"{name} lacks {', '.join(lacking)}; it holds {', '.join(held)}")
        arrays = []
        for key in KEYS:
            with naming(f"{key} in {name}"):
                arrays.append(held[key].read())
        return arrays


def _labels(file: IO[bytes], name: str) -> list[str] | None:
    """The names of the classes in an archive, if it has any."""
    with opened_archive(file) as held:
        if LABELS not in held:
            return None
        with naming(f"{LABELS} in {name}"):
            array = held[LABELS].read(TEXTS)
    if array.ndim != 1 or array.itemsize == 0 or len(array) > MOST_NAMES:
        raise DataError(
            f"{LABELS} in {name} has the shape {array.shape}, expected names of classes (K,)"
        )
    names: list[str] = array.tolist()
    return names


def channels_first(images: Array) -> Array:
    """Images (N, C, H, W), others than of four axes as they are; ValueError if
    C may be either axis.
    """
    if images.ndim != 4 or images.shape[3] not in CHANNEL_COUNTS:
        return images
    if images.shape[1] in CHANNEL_COUNTS:
        raise ValueError(
            f"images of the shape {images.shape} may be (N, C, H, W) or (N, H, W, C):"
            " give grey ones as (N, H, W), others with a larger height and width"
        )
    return np.moveaxis(images, 3, 1)  # (N, H, W, C) -> (N, C, H, W)


def _without_column(labels: Array) -> Array:
    # Keras stores the labels of some data sets as a column.
    return labels[:, 0] if labels.ndim == 2 and labels.shape[1] == 1 else labels
