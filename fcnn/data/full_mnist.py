"""All 70,000 digits of MNIST: looked for, downloaded if need be, always verified."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fcnn.data import mnist_files
from fcnn.data.dataset import DataError, Dataset, assemble
from fcnn.data.transfer import CHUNK, MirrorError, Progress, receive
from fcnn.files.locks import LockedError, only_process_in
from fcnn.files.writing import remove_left_overs, whole_file

MIRRORS = (
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://azureopendatastorage.blob.core.windows.net/mnist/",
    "https://raw.githubusercontent.com/fgnt/mnist/master/",
)
LOCK_LIMIT = 3600.0  # seconds for another process to finish its downloads

_one_thread = threading.Lock()


def mnist(
    directory: str | os.PathLike[str] | None = None, *, progress: Progress | None = None
) -> Dataset:
    """MNIST, complete: 60,000 training and 10,000 test images of 28x28.

    The four IDX files, gzipped or not, are looked for in `directory`, or else in the
    folder that the environment variable `FCNN_DATA_DIR` names. Either of them, where
    given, is final. Otherwise they come from the user's cache directory, and what is not
    there is downloaded into it. Size and SHA-256 of every file are verified at each call.
    DataError names files that are damaged, or missing and not to be had from any mirror, and
    says where they were looked for and what to do.

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
        with _downloading_to(folder):
            for file in mnist_files.missing_files(folder):
                _fetch(file, folder, progress)
    return assemble(f"mnist: {folder}", *mnist_files.read_files(folder, origin))


def download_mnist(*, progress: Progress | None = None) -> Path:
    """Download what is missing or damaged in the cache, and return the cache's folder.

    Intact files stay; damaged ones are deleted as soon as an intact copy is there.
    `FCNN_DATA_DIR` is not looked at; `progress` is as for `mnist`. DataError if the cache
    cannot be written to, or every mirror failed.
    """
    folder = mnist_files.cache_folder()
    with _downloading_to(folder):
        for file in mnist_files.FILES:
            found = mnist_files.copies(folder, file)
            damaged = [path for path in found if mnist_files.examine(path, file)[1]]
            target = _fetch(file, folder, progress) if len(found) == len(damaged) else None
            for path in damaged:
                if path != target:
                    path.unlink()
    return folder


@contextmanager
def _downloading_to(folder: Path) -> Iterator[None]:
    """Hold a folder, which is made if need be, for the downloads of this thread alone: others
    wait, and find the files. What downloads that were killed in the middle have left is deleted.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _one_thread, only_process_in(folder, LOCK_LIMIT):
            remove_left_overs(folder)
            yield
    except LockedError as error:
        raise DataError(f"mnist: {error}, for more than an hour") from None
    except OSError as error:
        raise DataError(
            f"mnist: cannot write to the folder {folder} ({error}). Either make it writable,"
            f" or set {mnist_files.ENVIRONMENT_VARIABLE} to a folder that holds the four files"
        ) from error


def _fetch(file: mnist_files.MnistFile, folder: Path, progress: Progress | None) -> Path:
    """Download a file into a folder from the first mirror that has it, and return its path;
    nothing unverified gets that name. DataError gives the reason why each mirror failed.
    """
    target = folder / f"{file.name}.gz"
    most = file.size + CHUNK  # compressed or not, no honest answer is longer
    failures = []
    with whole_file(target) as stream:
        for mirror in MIRRORS:
            stream.seek(0)
            stream.truncate()
            try:
                receive(f"{mirror}{target.name}", stream, most, progress)
                stream.flush()
                problem = mnist_files.examine(Path(stream.name), file)[1]
            except MirrorError as error:
                problem = str(error)
            if not problem:
                return target
            failures.append(f"  {mirror}{target.name}: {problem}")
        raise DataError(
            f"mnist: {file.name} could not be downloaded. Looked for an intact copy in\n"
            f"  {folder}: none\n" + "\n".join(failures) + "\n"
            "Either download the four files by hand into a folder and set"
            f" {mnist_files.ENVIRONMENT_VARIABLE} to it,\n"
            "or use the 6,000 digits that come with fcnn: --data mnist5k"
        )
