"""Data by name, as the command line's `--data` gives it."""

from __future__ import annotations

import os

from fcnn.arguments.settings import as_path
from fcnn.arguments.wording import unknown
from fcnn.data.dataset import DataError, Dataset
from fcnn.data.embedded import mnist5k
from fcnn.data.folders import idx_folder
from fcnn.data.full_mnist import mnist
from fcnn.data.image_folders import holds_pictures, image_folder
from fcnn.data.npz import npz_file
from fcnn.data.synthetic import synthetic_lines
from fcnn.data.transfer import Progress
from fcnn.files.reading import home_expanded

DATA_NAMES = ("mnist5k", "mnist", "synthetic")


def load(
    name: str | os.PathLike[str],
    *,
    seed: int = 0,
    progress: Progress | None = None,
    size: int | tuple[int, int] | None = None,
) -> Dataset:
    """Load data by name: `mnist5k`, `mnist`, `synthetic`, a folder or an `.npz` file.

    ValueError if the name is neither known nor looks like a path, DataError if what it names
    does not exist, or is damaged.

    Parameters
    ----------
    name : str or path
        One of the three names; or a folder for `idx_folder`, or, if it has sub-folders, for
        `image_folder`; or a file for `npz_file`.
        The names come first: a folder that is called `mnist` is `./mnist`.
    seed : int
        For `synthetic` and `image_folder`; nothing else depends on it.
    progress : callable, optional
        For the downloads of `mnist`.
    size : int or pair, optional
        For `image_folder`, whose pictures are resized; nothing else depends on it.

    Examples
    --------
    >>> from fcnn.data import load
    >>> (x_train, _), _ = load("synthetic", seed=1)
    >>> x_train.shape
    (600, 1, 14, 14)
    """
    if name != "":  # which is no name of data either
        as_path("load", "name", name)
    text = os.fspath(name)
    if text == "mnist5k":
        return mnist5k()
    if text == "mnist":
        return mnist(progress=progress)
    if text == "synthetic":
        return synthetic_lines(seed)
    return _load_path(text, seed, size)


def _load_path(text: str, seed: int, size: int | tuple[int, int] | None) -> Dataset:
    path = home_expanded(text)
    is_npz = path.suffix.lower() == ".npz"
    # The functions of os.path say no, where the methods of paths raise: names that are too
    # long, folders that may not be searched.
    if text.strip() and os.path.isdir(path):
        if holds_pictures(path):
            return image_folder(path, size=size, seed=seed)
        return idx_folder(path)
    if is_npz and os.path.isfile(path):
        return npz_file(path)
    if os.path.lexists(path) and text.strip():
        raise DataError(f"load: {path} is neither a folder nor an .npz file")
    if is_npz or any(separator in text for separator in (os.sep, os.altsep) if separator):
        raise DataError(f"load: {text} does not exist")
    raise ValueError(
        f"load: {unknown('data', text, DATA_NAMES)}, "
        "a folder of IDX files or pictures, or an .npz file"
    )
