"""Any `.npz` file with x_train, y_train, x_test and y_test, such as Keras's mnist.npz."""

from __future__ import annotations

import os
from typing import IO

import numpy as np

from fcnn.arguments.settings import as_path
from fcnn.data.dataset import DataError, Dataset, assemble, naming
from fcnn.files.npz import opened_archive
from fcnn.files.reading import home_expanded, regular_file
from fcnn.numerics.arrays import Array

KEYS = ("x_train", "y_train", "x_test", "y_test")
CHANNEL_COUNTS = (1, 3)


def npz_file(path: str | os.PathLike[str]) -> Dataset:
    """Read an `.npz` file that holds `x_train`, `y_train`, `x_test` and `y_test`.

    Images of shape (N, H, W) get a channel axis. Images of four axes are (N, C, H, W),
    unless the last axis is 1 or 3 and the second is not: then they are (N, H, W, C), and
    the channels move to where they belong. DataError if the file or one of its keys is missing
    or damaged, or the arrays are not images and labels that belong together.

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
        return assemble(
            f"npz_file: {file}",
            _channels_first(x_train),
            _without_column(y_train),
            _channels_first(x_test),
            _without_column(y_test),
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


def _channels_first(images: Array) -> Array:
    last = images.ndim == 4 and images.shape[3] in CHANNEL_COUNTS
    if last and images.shape[1] not in CHANNEL_COUNTS:
        return np.moveaxis(images, 3, 1)  # (N, H, W, C) -> (N, C, H, W)
    return images


def _without_column(labels: Array) -> Array:
    # Keras stores the labels of some data sets as a column.
    return labels[:, 0] if labels.ndim == 2 and labels.shape[1] == 1 else labels
