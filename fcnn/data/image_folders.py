"""Any folder of pictures, with a sub-folder for each class."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np

from fcnn.arguments.settings import as_path, below_one, pair, whole_number
from fcnn.data.dataset import DataError, Dataset, assemble, naming
from fcnn.data.folders import FILE_NAME
from fcnn.data.pictures import fitted, is_grey, open_picture, pillow
from fcnn.files.reading import home_expanded
from fcnn.numerics.arrays import Array
from fcnn.numerics.random_streams import DATA, generator

PARTS: Final = ("train", "test")

Pictures = list[tuple[Path, int]]  # paths, and the classes of what is to be seen


def image_folder(
    path: str | os.PathLike[str],
    *,
    size: int | tuple[int, int] | None = None,
    channels: int | None = None,
    test_fraction: float = 0.2,
    seed: int = 0,
) -> Dataset:
    """Read a folder of pictures: a sub-folder for each class, whose name is that of the class.

    The sub-folders lie in `train/` and `test/`, or in the folder itself: then a part of each
    class is drawn for testing, by the seed. Whatever begins with a dot is ignored. What is
    transparent is shown on white.

    Parameters
    ----------
    path : path
        The folder. Its pictures are of any kind that Pillow reads: `pip install pillow`, the
        extra `pictures`.
    size : int or pair, optional
        Height and width to which pictures are resized, whatever theirs are, with anti-aliasing.
        Without it all must be of one size.
    channels : int, optional
        1 for grey, 3 for RGB, 4 for RGBA. By default 1 if all pictures are grey, else 3.
    test_fraction : float
        The part of each class for testing, where there are no `train/` and `test/`.
    seed : int
        Decides which pictures those are.

    Returns
    -------
    Dataset
        Images float32 (N, C, H, W) in [0, 1], labels int64 (N,), and the names of the classes,
        in the order of the alphabet, as `labels`.

    Raises
    ------
    DataError
        If the folder is not made like that, a class has no pictures, one cannot be read, or
        sizes differ.
    ImportError
        If Pillow is missing.
    """
    folder = home_expanded(as_path("image_folder", "path", path))
    shape = None if size is None else pair("image_folder", "size", size, 1)
    if channels not in (None, 1, 3, 4):
        raise ValueError(f"image_folder: channels is {channels}, expected 1, 3 or 4")
    test_fraction = below_one("image_folder", "test_fraction", test_fraction)
    seed = whole_number("image_folder", "seed", seed, 0)
    pillow()
    names, train, test = _parted(folder, test_fraction, seed)
    if channels is None:
        channels = 1 if all(is_grey(file) for file, _ in train + test) else 3
    arrays = [array for part in (train, test) for array in _read(part, channels, shape)]
    return assemble(f"image_folder: {folder}", *arrays, labels=names)


def holds_pictures(folder: Path) -> bool:
    """Whether it has sub-folders and no IDX files, which may have other folders beside them."""
    with naming(folder):
        is_idx = any(FILE_NAME.fullmatch(path.name) for path in folder.iterdir())
        return not is_idx and bool(_folders(folder))


def _parted(folder: Path, fraction: float, seed: int) -> tuple[list[str], Pictures, Pictures]:
    """The names of the classes, and the pictures of training and test."""
    with naming(folder):
        found = [each.name for each in _folders(folder)]
        if not set(PARTS) <= set(found):
            pictures = _pictures(folder, found)
            _check_classes(folder, found, pictures)
            return found, *_drawn(pictures, fraction, seed)
        names = [each.name for each in _folders(folder / PARTS[0])]
        others = [each.name for each in _folders(folder / PARTS[1]) if each.name not in names]
    if others:
        raise DataError(f"image_folder: {folder}: test/ has {others[0]}, which train/ has not")
    train, test = (_pictures(folder / part, names) for part in PARTS)
    _check_classes(folder / PARTS[0], names, train)
    return names, train, test


def _drawn(pictures: Pictures, fraction: float, seed: int) -> tuple[Pictures, Pictures]:
    """The pictures to train with, and those to test with: of each class the same fraction."""
    rng = generator(seed, DATA)
    classes = np.array([label for _, label in pictures])
    is_test = np.zeros(len(pictures), bool)
    for label in np.unique(classes):
        own = rng.permutation(np.flatnonzero(classes == label))
        is_test[own[: round(fraction * len(own))]] = True
    if is_test.all() or not is_test.any():
        tested = int(is_test.sum())
        raise DataError(
            f"image_folder: {tested} of {len(pictures)} pictures would be for testing; "
            "give more, or train/ and test/"
        )
    parted = [[pictures[i] for i in np.flatnonzero(is_test == chosen)] for chosen in (False, True)]
    return parted[0], parted[1]


def _folders(folder: Path) -> list[Path]:
    return [path for path in sorted(folder.iterdir()) if path.is_dir() and path.name[0] != "."]


def _pictures(folder: Path, names: Sequence[str]) -> Pictures:
    """The pictures of each class that is there."""
    found = [
        (path, label)
        for label, name in enumerate(names)
        if (folder / name).is_dir()
        for path in sorted((folder / name).iterdir())
        if path.name[0] != "."
    ]
    if not found:
        raise DataError(
            f"image_folder: {folder} holds no pictures; expected a sub-folder for each class"
        )
    for path, _ in found:
        if path.is_dir():
            raise DataError(
                f"image_folder: {path} is a folder, where pictures of {path.parent.name} are "
                "expected; classes are sub-folders of the folder itself, or of train/ and test/"
            )
    return found


def _check_classes(folder: Path, names: Sequence[str], train: Pictures) -> None:
    """DataError unless there are pictures of each class."""
    known = {label for _, label in train}
    for label, name in enumerate(names):
        if label not in known:
            raise DataError(f"image_folder: {folder}: {name}/ holds no pictures to train with")


def _read(pictures: Pictures, channels: int, size: tuple[int, int] | None) -> tuple[Array, Array]:
    """The pixels (N, C, H, W), uint8, and classes (N,) of pictures, all of one size."""
    images: Array = np.empty(0)
    for n, (file, _) in enumerate(pictures):
        pixels = fitted(open_picture(file), channels, size)
        if n == 0:
            images = np.empty((len(pictures), *pixels.shape), np.uint8)
        if pixels.shape != images.shape[1:]:
            (first, _), sizes = pictures[0], (images.shape[2:], pixels.shape[1:])
            raise DataError(
                f"image_folder: pictures differ in size: {first} has {sizes[0]}, {file} {sizes[1]};"
                " ask for a size, and they are resized"
            )
        images[n] = pixels
    return images, np.array([label for _, label in pictures], np.int64)
