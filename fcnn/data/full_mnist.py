"""All 70,000 digits of MNIST: looked for, downloaded if need be, always verified."""

from __future__ import annotations

import os
from pathlib import Path

from fcnn.data import mnist_files
from fcnn.data.dataset import DataError, Dataset, assemble, images_from_bytes
from fcnn.data.download import Progress, downloading_to, fetch
from fcnn.data.idx import parse_idx
from fcnn.numerics.arrays import Array


def mnist(
    directory: str | os.PathLike[str] | None = None, *, progress: Progress | None = None
) -> Dataset:
    """MNIST, complete: 60,000 training and 10,000 test images of 28x28.

    The four IDX files, gzipped or not, are looked for in `directory`, or else in the
    folder that the environment variable `FCNN_DATA_DIR` names. Either of them, where
    given, is final. Otherwise they come from the user's cache directory, and what is not
    there is downloaded into it. Size and SHA-256 of every file are verified at each call.

    Parameters
    ----------
    directory : path, optional
        A folder that holds the four files; nothing is downloaded.
    progress : callable, optional
        Called as `progress(file_name, bytes_done, bytes_total)` while downloading;
        `bytes_total` is None where the server does not tell.

    Returns
    -------
    Dataset
        Images float32 (N, 1, 28, 28) in [0, 1], labels int64 (N,).

    Raises
    ------
    DataError
        If files are missing (and cannot be downloaded) or damaged. The text names them,
        and says where they were looked for and what to do.

    References
    ----------
    LeCun, Bottou, Bengio, Haffner: Gradient-based learning applied to document
    recognition, 1998.
    """
    place = mnist_files.place(directory)
    if place.origin == "cache" and missing_files(place.folder):
        with downloading_to(place.folder):
            for file in missing_files(place.folder):
                fetch(file, place.folder, progress)
    x_train, y_train, x_test, y_test = read_files(place)
    return assemble(
        f"mnist: {place.folder}",
        images_from_bytes(x_train[:, None]),  # (N, H, W) -> (N, 1, H, W)
        y_train,
        images_from_bytes(x_test[:, None]),
        y_test,
    )


def download_mnist(*, progress: Progress | None = None) -> Path:
    """Download what is missing or damaged in the cache, and return the cache's folder.

    Intact files stay; damaged ones are deleted as soon as an intact copy is there.
    `FCNN_DATA_DIR` is not looked at.

    Parameters
    ----------
    progress : callable, optional
        As for `mnist`.

    Raises
    ------
    DataError
        If the cache cannot be written to, or every mirror failed.
    """
    folder = mnist_files.cache_folder()
    with downloading_to(folder):
        for file in mnist_files.FILES:
            found = mnist_files.copies(folder, file)
            damaged = [path for path in found if mnist_files.examine(path, file)[1]]
            target = fetch(file, folder, progress) if len(found) == len(damaged) else None
            for path in damaged:
                if path != target:
                    path.unlink()
    return folder


def missing_files(folder: Path) -> list[mnist_files.MnistFile]:
    """The files of which a folder has no copy, damaged or not."""
    return [file for file in mnist_files.FILES if not mnist_files.copies(folder, file)]


def read_files(place: mnist_files.Place) -> list[Array]:
    """The verified arrays x_train, y_train, x_test and y_test as they are stored: bytes."""
    missing = [file.name for file in missing_files(place.folder)]
    if missing:
        exists = "lacks" if os.path.isdir(place.folder) else "does not exist; it should hold"
        raise DataError(
            f"mnist: the folder {place.folder}, {_chosen(place)}, {exists} {', '.join(missing)}"
            f" (each may be gzipped). {_remedy(place)}"
        )
    arrays = []
    for file in mnist_files.FILES:
        path = mnist_files.copies(place.folder, file)[0]
        content, problem = mnist_files.examine(path, file)
        if problem:
            raise DataError(f"mnist: {path} is damaged: {problem}. {_remedy(place)}")
        arrays.append(parse_idx(content, path))
    return arrays


def _chosen(place: mnist_files.Place) -> str:
    return {
        "directory": "given as the directory",
        mnist_files.ENVIRONMENT_VARIABLE: f"named by {mnist_files.ENVIRONMENT_VARIABLE}",
        "cache": "the cache",
    }[place.origin]


def _remedy(place: mnist_files.Place) -> str:
    if place.origin == "cache":
        return "Delete it and run `fcnn data download`"
    otherwise = {
        "directory": "give no directory",
        mnist_files.ENVIRONMENT_VARIABLE: f"unset {mnist_files.ENVIRONMENT_VARIABLE}",
    }[place.origin]
    return f"Put intact files there, or {otherwise} to use the cache and the mirrors"
