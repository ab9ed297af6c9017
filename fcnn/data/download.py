"""Fetching one file of MNIST from the mirrors; nothing unverified gets its final name."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TypeAlias

from fcnn.data.dataset import DataError
from fcnn.data.mnist_files import ENVIRONMENT_VARIABLE, MnistFile, examine

MIRRORS = (
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://azureopendatastorage.blob.core.windows.net/mnist/",
    "https://raw.githubusercontent.com/fgnt/mnist/master/",
)
SILENCE_LIMIT = 15.0  # seconds without a byte
FILE_LIMIT = 900.0  # seconds for one file, since a byte now and then is never silence
CHUNK = 65_536

Progress: TypeAlias = Callable[[str, int, int | None], None]
"""Called with a file's name, the bytes received so far, and their total if it is known.

The count starts again at 0 whenever the next mirror is tried.
"""


def fetch(file: MnistFile, folder: Path, progress: Progress | None = None) -> Path:
    """Download a file into a folder from the first mirror that has it, and return its path.

    Raises
    ------
    DataError
        If the folder cannot be written to, or every mirror failed; then the text gives
        the reason for each, and what to do.
    """
    target = folder / f"{file.name}.gz"
    failures = []
    with writing_to(folder), _temporary_file(target) as temporary:
        for mirror in MIRRORS:
            problem = _try_mirror(f"{mirror}{target.name}", file, temporary, progress)
            if not problem:
                os.replace(temporary, target)
                return target
            failures.append(f"  {mirror}{target.name}: {problem}")
    raise DataError(
        f"mnist: {file.name} could not be downloaded. Looked for an intact copy in\n"
        f"  {folder}: none\n" + "\n".join(failures) + "\n"
        "Either download the four files by hand into a folder and set"
        f" {ENVIRONMENT_VARIABLE} to it,\n"
        "or use the 6,000 digits that come with fcnn: --data mnist5k"
    )


@contextmanager
def writing_to(folder: Path) -> Iterator[None]:
    """Turn errors of the file system into a DataError that names the folder."""
    try:
        yield
    except OSError as error:
        raise DataError(
            f"mnist: cannot write to the folder {folder} ({error}). Either make it writable,"
            f" or set {ENVIRONMENT_VARIABLE} to a folder that holds the four files"
        ) from error


@contextmanager
def _temporary_file(target: Path) -> Iterator[Path]:
    """An empty file beside the target, gone afterwards unless it was renamed."""
    import tempfile

    target.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(".part", f"{target.name}.", target.parent)
    os.close(handle)
    try:
        yield Path(name)
    finally:
        Path(name).unlink(missing_ok=True)


def _try_mirror(url: str, file: MnistFile, temporary: Path, progress: Progress | None) -> str:
    """Download and verify; return what went wrong, or nothing."""
    from http.client import HTTPException

    try:
        with temporary.open("wb") as stream:
            _receive(url, stream, file, progress)
            stream.flush()
            os.fsync(stream.fileno())
    except (OSError, HTTPException, ValueError) as error:
        return f"{getattr(error, 'reason', error)}" or type(error).__name__
    return examine(temporary, file)[1]


def _receive(url: str, stream: IO[bytes], file: MnistFile, progress: Progress | None) -> None:
    from urllib.error import HTTPError
    from urllib.request import Request, urlopen

    most = file.size + CHUNK  # compressed or not, no honest answer is longer
    started = time.monotonic()
    try:
        answer = urlopen(Request(url, headers={"User-Agent": "fcnn"}), timeout=SILENCE_LIMIT)
    except HTTPError as error:
        error.close()
        raise OSError(f"HTTP {error.code} {error.reason}") from error
    with answer:
        total, done = answer.length, 0
        while chunk := answer.read1(CHUNK):
            stream.write(chunk)
            done += len(chunk)
            if progress is not None:
                progress(f"{file.name}.gz", done, total)
            if done > most:
                raise OSError(f"it sends more than {most:,} bytes")
            if time.monotonic() - started > FILE_LIMIT:
                raise OSError(f"not finished after {FILE_LIMIT:g} seconds")
    if total is not None and done < total:
        raise OSError(f"the connection ended after {done:,} of {total:,} bytes")
