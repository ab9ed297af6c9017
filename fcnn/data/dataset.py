"""What every loader returns, and the checks that all of them share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, TypeAlias

import numpy as np

from fcnn.arguments.arrays import check_labels
from fcnn.arguments.examples import check_examples
from fcnn.arguments.wording import kind_of
from fcnn.numerics.arrays import Array

Dataset: TypeAlias = tuple[tuple[Array, Array], tuple[Array, Array]]
"""`(x_train, y_train), (x_test, y_test)`.

Images are float32 `(N, C, H, W)`, C-contiguous and in [0, 1]; labels are int64 `(N,)`.
"""

# The memory that a network takes grows with its classes: one wrong label must not fill it.
MOST_CLASSES_OF_FEW: Final = 1000


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
        check_examples("number_of_classes", labels, labels)
        check_labels("number_of_classes", labels, len(labels))
    return int(max(y_train.max(), y_test.max())) + 1


def images_from_bytes(pixels: Array) -> Array:
    """Pixels 0 to 255 of any memory order as float32 in [0, 1], C-contiguous."""
    scaled: Array = np.divide(pixels, np.float32(255), dtype=np.float32, order="C")
    return scaled


def assemble(source: str, x_train: Array, y_train: Array, x_test: Array, y_test: Array) -> Dataset:
    """Put a data set together, after checking that its four arrays belong together.

    Parameters
    ----------
    source : str
        Function and file, with which every message begins.
    x_train, x_test : float32 (N, C, H, W)
        Images, already scaled.
    y_train, y_test : integers (N,)
        Labels as they were read.

    Raises
    ------
    DataError
        If a part is empty, images and labels differ in number, training and test images
        differ in shape, or the labels are not integers from 0 in one dimension, below 1,000
        or the number of training images.
    """
    most = max(y_train.size, MOST_CLASSES_OF_FEW)
    train = _checked_part(f"{source}: train", x_train, y_train, most)
    test = _checked_part(f"{source}: test", x_test, y_test, most)
    if x_train.shape[1:] != x_test.shape[1:]:
        raise DataError(
            f"{source}: training and test images differ in shape (C, H, W):"
            f" {x_train.shape[1:]} and {x_test.shape[1:]}"
        )
    return train, test


def _checked_part(
    source: str, images: Array, labels: Array, most_classes: int
) -> tuple[Array, Array]:
    if images.size == 0:
        raise DataError(f"{source}: no images, the shape (N, C, H, W) is {images.shape}")
    if labels.ndim != 1 or labels.dtype.kind not in "iu":
        raise DataError(
            f"{source}: labels must be integers of shape (N,), got {labels.dtype} {labels.shape}"
        )
    if len(images) != len(labels):
        raise DataError(f"{source}: {len(images)} images, but {len(labels)} labels")
    classes = labels.astype(np.int64)
    if classes.min() < 0:
        raise DataError(f"{source}: labels must be at least 0, found {classes.min()}")
    if classes.max() >= most_classes:
        raise DataError(
            f"{source}: a label is {classes.max()}, but labels number the classes from 0 on,"
            f" and with so few images there can be {most_classes:,} at most"
        )
    return images, classes
