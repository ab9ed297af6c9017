"""All 70,000 digits of MNIST: looked for, downloaded if need be, always verified."""

from __future__ import annotations

import os
from pathlib import Path

from fcnn.data import mnist_files
from fcnn.data.dataset import Dataset, assemble
from fcnn.data.download import downloading_to, fetch
from fcnn.data.transfer import Progress


def mnist(
    directory: str | os.PathLike[str] | None = None, *, progress: Progress | None = None
) -> Dataset:
    """MNIST, complete: 60,000 training and 10,000 test images of 28x28.

    The four IDX files, gzipped or not, are looked for in `directory`, or else in the
    folder that the environment variable `FCNN_DATA_DIR` names. Either of them, where
    given, is final. Otherwise they come from the user's cache directory, and what is not
    there is downloaded into it. Size and SHA-256 of every file are verified at each call:
    DataError if files are missing (and cannot be downloaded) or damaged names them, and says
    where they were looked for and what to do.

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

    References
    ----------
    LeCun, Bottou, Bengio, Haffner: Gradient-based learning applied to document
    recognition, 1998.
    """
    folder, origin = mnist_files.place(directory)
    if origin == "cache" and mnist_files.missing_files(folder):
        with downloading_to(folder):
            for file in mnist_files.missing_files(folder):
                fetch(file, folder, progress)
    return assemble(f"mnist: {folder}", *mnist_files.read_files(folder, origin))


def download_mnist(*, progress: Progress | None = None) -> Path:
    """Download what is missing or damaged in the cache, and return the cache's folder.

    Intact files stay; damaged ones are deleted as soon as an intact copy is there.
    `FCNN_DATA_DIR` is not looked at; `progress` is as for `mnist`. DataError if the cache
    cannot be written to, or every mirror failed.
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
