"""Fetching one file of MNIST from the mirrors; nothing unverified gets its final name."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fcnn.data.dataset import DataError
from fcnn.data.mnist_files import ENVIRONMENT_VARIABLE, MnistFile, examine
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


@contextmanager
def downloading_to(folder: Path) -> Iterator[None]:
    """Hold a folder, which is made if need be, for the downloads of this thread alone.

    Others wait, and find the files. What processes that were killed in the middle have left
    is deleted. DataError if the folder cannot be written to, or another process never finishes.
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
            f" or set {ENVIRONMENT_VARIABLE} to a folder that holds the four files"
        ) from error


def fetch(file: MnistFile, folder: Path, progress: Progress | None = None) -> Path:
    """Download a file into a folder from the first mirror that has it, and return its path.

    DataError if every mirror failed; the text gives the reason for each, and what to do.
    OSError if the folder cannot be written to.
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
                problem = examine(Path(stream.name), file)[1]
            except MirrorError as error:
                problem = str(error)
            if not problem:
                return target
            failures.append(f"  {mirror}{target.name}: {problem}")
        raise DataError(
            f"mnist: {file.name} could not be downloaded. Looked for an intact copy in\n"
            f"  {folder}: none\n" + "\n".join(failures) + "\n"
            "Either download the four files by hand into a folder and set"
            f" {ENVIRONMENT_VARIABLE} to it,\n"
            "or use the 6,000 digits that come with fcnn: --data mnist5k"
        )
