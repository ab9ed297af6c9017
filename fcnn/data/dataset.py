"""What every loader returns, and the checks that all of them share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, TypeAlias

import numpy as np

from fcnn.arguments.arrays import check_labels
from fcnn.arguments.examples import check_batch, check_examples
from fcnn.arguments.wording import kind_of
from fcnn.numerics.arrays import Array

Dataset: TypeAlias = tuple[tuple[Array, Array], tuple[Array, Array]]
"""`(x_train, y_train), (x_test, y_test)`.

Images are float32 `(N, C, H, W)`, C-contiguous and in [0, 1]; labels are int64 `(N,)`.
"""

# The memory that a network takes grows with its classes: one wrong label must not fill it.
MOST_CLASSES_OF_FEW: Final = 1000
GREATEST_FLOAT: Final = 16  # beyond what any usual scaling gives: bytes stored as floats


class DataError(Exception):
    """Data is missing, damaged, or not what it claims to be. The text names the file."""


@contextmanager
def naming(path: Path | str) -> Iterator[None]:
    """Turn every error of reading and parsing into a DataError that names the file."""
    try:
        yield
    except DataError:
        raise
    except Exception as error:
        # Damaged bytes surface as whatever the decompressor or the parser stumbled over.
        raise DataError(f"{path} cannot be read: {type(error).__name__}: {error}") from error


def number_of_classes(dataset: Dataset) -> int:
    """The number of classes in a data set: its largest label, plus one.

    A label that never occurs below the largest still counts: EMNIST's letters are
    numbered from 1, so that they make 27 classes, the first of them empty.

    Parameters
    ----------
    dataset : Dataset
        What a loader returned. Training and test labels both count.

    Examples
    --------
    >>> from fcnn.data import number_of_classes, synthetic_lines
    >>> number_of_classes(synthetic_lines())
    3
    """
    try:
        (_, y_train), (_, y_test) = dataset
    except (TypeError, ValueError):
        raise TypeError(
            f"number_of_classes: dataset is {kind_of(dataset)}, expected what a loader returns, "
            "(x_train, y_train), (x_test, y_test)"
        ) from None
    for labels in (y_train, y_test):
        check_batch("number_of_classes", "labels", labels)
        check_labels("number_of_classes", labels, len(labels))
    return int(max(y_train.max(), y_test.max())) + 1


def assemble(source: str, x_train: Array, y_train: Array, x_test: Array, y_test: Array) -> Dataset:
    """The data set of four arrays as they were read; DataError if they do not belong together.

    Images (N, H, W) or (N, C, H, W) are uint8, scaled by 1/255 here, or floats, taken as they
    are. Labels (N,) are integers from 0, below 1,000 or the number of training images. Every
    message begins with the source, a function and a file.
    """
    most_classes = max(y_train.size, MOST_CLASSES_OF_FEW)
    try:
        train = _part(f"{source}: train", x_train, y_train, most_classes)
        test = _part(f"{source}: test", x_test, y_test, most_classes)
    except (TypeError, ValueError) as error:
        raise DataError(str(error)) from None
    shapes = [images.shape[1:] for images, _ in (train, test)]
    if shapes[0] != shapes[1]:
        raise DataError(
            f"{source}: training and test images differ in shape (C, H, W):"
            f" {shapes[0]} and {shapes[1]}"
        )
    return train, test


def _part(source: str, pixels: Array, labels: Array, most_classes: int) -> tuple[Array, Array]:
    images = _images(source, pixels)
    check_examples(source, images, labels)
    check_labels(source, labels, len(images))
    if labels.max() >= most_classes:
        raise ValueError(
            f"{source}: a label is {labels.max()}, but labels number the classes from 0 on,"
            f" and with so few images there can be {most_classes:,} at most"
        )
    return images, labels.astype(np.int64)


def _images(source: str, pixels: Array) -> Array:
    """Float32 (N, C, H, W), C-contiguous."""
    if pixels.ndim == 3:
        pixels = pixels[:, None]  # (N, H, W) -> (N, 1, H, W)
    if pixels.ndim != 4:
        raise ValueError(
            f"{source}: images must be (N, H, W), or have channels as a fourth axis,"
            f" got the shape {pixels.shape}"
        )
    if pixels.size == 0:
        raise ValueError(f"{source}: no images, the shape (N, C, H, W) is {pixels.shape}")
    if pixels.dtype == np.uint8:
        scaled: Array = np.divide(pixels, np.float32(255), dtype=np.float32, order="C")
        return scaled
    if pixels.dtype.kind != "f":
        raise ValueError(
            f"{source}: images must be uint8 from 0 to 255 or floats from 0 to 1,"
            f" got {pixels.dtype}"
        )
    # A float64 beyond float32's range becomes infinite, which the next line reports.
    with np.errstate(over="ignore"):
        images: Array = pixels.astype(np.float32, order="C")
    if not np.isfinite(images).all():
        raise ValueError(f"{source}: images must be finite in float32")
    greatest = np.abs(images).max()
    if greatest > GREATEST_FLOAT:
        raise ValueError(
            f"{source}: floats go up to {greatest:g}, expected 0 to 1;"
            " divide them by 255, or give uint8"
        )
    return images
