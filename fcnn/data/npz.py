"""Any `.npz` file with x_train, y_train, x_test and y_test, such as Keras's mnist.npz."""

from __future__ import annotations

import os
from typing import IO

import numpy as np

from fcnn.arguments.settings import as_path
from fcnn.data.dataset import DataError, Dataset, assemble, images_from_bytes, naming
from fcnn.files.npz import opened_archive
from fcnn.files.reading import home_expanded, regular_file
from fcnn.numerics.arrays import Array

KEYS = ("x_train", "y_train", "x_test", "y_test")
CHANNEL_COUNTS = (1, 3)
GREATEST_FLOAT = 16  # beyond what any usual scaling gives: bytes stored as floats


def npz_file(path: str | os.PathLike[str]) -> Dataset:
    """Read an `.npz` file that holds `x_train`, `y_train`, `x_test` and `y_test`.

    Images of shape (N, H, W) get a channel axis. Images of four axes are (N, C, H, W),
    unless the last axis is 1 or 3 and the second is not: then they are (N, H, W, C), and
    the channels move to where they belong.

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

    Raises
    ------
    DataError
        If the file or one of its keys is missing or damaged, or the arrays are not images
        and labels that belong together.
    """
    file = home_expanded(as_path("npz_file", "path", path))
    with naming(file), regular_file(file) as stream:
        return npz_dataset(f"npz_file: {file}", read_arrays(stream, str(file)))


def read_arrays(file: IO[bytes], name: str) -> dict[str, Array]:
    """The four arrays of an archive; every error names the file and the key."""
    with opened_archive(file) as held:
        lacking = [key for key in KEYS if key not in held]
        if lacking:
            raise DataError(f"{name} lacks {', '.join(lacking)}; it holds {', '.join(held)}")
        arrays = {}
        for key in KEYS:
            with naming(f"{key} in {name}"):
                arrays[key] = held[key]()
        return arrays


def npz_dataset(source: str, arrays: dict[str, Array]) -> Dataset:
    """The data set in the four arrays of an archive."""
    return assemble(
        source,
        _images(f"{source}: x_train", arrays["x_train"]),
        _labels(arrays["y_train"]),
        _images(f"{source}: x_test", arrays["x_test"]),
        _labels(arrays["y_test"]),
    )


def _images(source: str, images: Array) -> Array:
    """Images as float32 (N, C, H, W)."""
    images = _channels_first(source, images)
    if images.dtype == np.uint8:
        return images_from_bytes(images)
    if images.dtype.kind != "f":
        raise DataError(
            f"{source}: images must be uint8 from 0 to 255 or floats from 0 to 1,"
            f" got {images.dtype}"
        )
    return _in_single_precision(source, images)


def _channels_first(source: str, images: Array) -> Array:
    if images.ndim not in (3, 4):
        raise DataError(
            f"{source}: images must be (N, H, W), (N, C, H, W) or (N, H, W, C),"
            f" got the shape {images.shape}"
        )
    if images.ndim == 3:
        return images[:, None]  # (N, H, W) -> (N, 1, H, W)
    if images.shape[3] in CHANNEL_COUNTS and images.shape[1] not in CHANNEL_COUNTS:
        return np.moveaxis(images, 3, 1)  # (N, H, W, C) -> (N, C, H, W)
    return images


def _in_single_precision(source: str, images: Array) -> Array:
    # A float64 beyond float32's range becomes infinite, which the next line reports.
    with np.errstate(over="ignore"):
        converted: Array = images.astype(np.float32, order="C")
    if not np.isfinite(converted).all():
        raise DataError(f"{source}: images must be finite in float32")
    greatest = np.abs(converted).max(initial=0)
    if greatest > GREATEST_FLOAT:
        raise DataError(
            f"{source}: floats go up to {greatest:g}, expected 0 to 1;"
            " divide them by 255, or give uint8"
        )
    return converted


def _labels(labels: Array) -> Array:
    # Keras stores the labels of some data sets as a column.
    return labels[:, 0] if labels.ndim == 2 and labels.shape[1] == 1 else labels
