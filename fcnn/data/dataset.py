"""What every loader returns, and the checks that all of them share."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, TypeAlias

import numpy as np

from fcnn.arguments.arrays import check_labels
from fcnn.arguments.examples import check_batch, check_examples
from fcnn.arguments.wording import kind_of
from fcnn.numerics.arrays import Array

Examples: TypeAlias = tuple[Array, Array]
"""Images `(N, C, H, W)` and their classes `(N,)`."""


class Dataset(tuple[Examples, Examples]):
    """`(x_train, y_train), (x_test, y_test)`: a pair, with the names of its classes.

    Images are float32 `(N, C, H, W)`, C-contiguous and in [0, 1]; labels are int64 `(N,)`, class
    indices from 0. `labels` are the classes' names, a tuple of one text for each, or None.

    Parameters
    ----------
    train, test : pairs of arrays
        Images and labels.
    labels : sequence of str, optional
        Distinct, and printable; at least as many as there are classes.
    """

    labels: tuple[str, ...] | None = None

    def __new__(
        cls, train: Examples, test: Examples, labels: Sequence[str] | None = None
    ) -> Dataset:
        self = super().__new__(cls, (train, test))
        self.labels = None if labels is None else class_names(labels)
        if labels is not None:
            number_of_classes(self)  # which are no more than the names
        return self

    def __getnewargs__(self) -> tuple[Any, ...]:
        """What a copy is made of."""
        return (*self, self.labels)


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
    """The number of classes in a data set: that of their names, or its largest label, plus one.

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
    found = int(max(y_train.max(), y_test.max())) + 1
    names = getattr(dataset, "labels", None)  # a pair of pairs does too, which has none
    if names is None:
        return found
    if found > len(names):
        raise ValueError(f"labels: there are {len(names)} names, but {found} classes")
    return len(names)


def class_names(names: Sequence[str]) -> tuple[str, ...]:
    """The names of classes; TypeError or ValueError if they cannot tell them apart in print."""
    if isinstance(names, str) or not all(isinstance(name, str) for name in names):
        raise TypeError("labels, the names of classes, must be texts")
    for name in names:
        if not name or not name.isprintable():
            raise ValueError(f"labels: {name!r} is no printable name of a class")
    if len(set(names)) < len(names):
        twice = Counter(names).most_common(1)[0][0]
        raise ValueError(f"labels: two classes are called {twice!r}")
    return tuple(names)


def assemble(
    source: str,
    x_train: Array,
    y_train: Array,
    x_test: Array,
    y_test: Array,
    *,
    labels: Sequence[str] | None = None,
) -> Dataset:
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
    try:
        return Dataset(train, test, labels)
    except (TypeError, ValueError) as error:
        raise DataError(f"{source}: {error}") from None


def _part(source: str, pixels: Array, labels: Array, most_classes: int) -> Examples:
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
    return scaled(source, pixels)


def scaled(source: str, pixels: Array) -> Array:
    """Pixels as float32 in [0, 1], C-contiguous; ValueError if they are neither bytes nor that."""
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
