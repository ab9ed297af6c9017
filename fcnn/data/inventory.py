"""What data this installation has: embedded, cached or in a folder of one's own."""

from __future__ import annotations

from pathlib import Path

import attrs

from fcnn.data import embedded, mnist_files
from fcnn.data.dataset import DataError


@attrs.frozen
class FileStatus:
    """One file: its length on disk in bytes, None if it is missing, and what is wrong with it,
    which is empty exactly if size and hash of its content hold.
    """

    path: Path
    present: bool
    size: int | None
    problem: str


@attrs.frozen
class DataStatus:
    """One data set, and how many images it has for training and test; its origin is `embedded`,
    `FCNN_DATA_DIR` or `cache`.
    """

    name: str
    origin: str
    folder: Path
    train: int
    test: int
    files: tuple[FileStatus, ...]

    @property
    def intact(self) -> bool:
        """Whether every file is there and every hash holds."""
        return all(file.present and not file.problem for file in self.files)


def status() -> list[DataStatus]:
    """Of `mnist5k`, then of `mnist` in the folder that `mnist()` would use; every file is verified.

    Examples
    --------
    >>> from fcnn.data import status
    >>> [(data.name, data.intact) for data in status()][0]
    ('mnist5k', True)
    """
    folder, origin = mnist_files.place()
    files = tuple(_mnist_status(folder, file) for file in mnist_files.FILES)
    return [_embedded_status(), DataStatus("mnist", origin, folder, 60_000, 10_000, files)]


def _embedded_status() -> DataStatus:
    folder = Path(__file__).parent
    path = folder / embedded.FILE_NAME
    try:
        size = len(embedded.packed())
        embedded.mnist5k()
        file = FileStatus(path, True, size, "")
    except OSError:
        file = FileStatus(path, False, None, "missing")
    except DataError as error:
        file = FileStatus(path, True, size, str(error))
    counts = embedded.TRAIN_COUNT, embedded.TEST_COUNT
    return DataStatus("mnist5k", "embedded", folder, *counts, (file,))


def _mnist_status(folder: Path, file: mnist_files.MnistFile) -> FileStatus:
    found = mnist_files.copies(folder, file)
    if not found:
        return FileStatus(folder / f"{file.name}.gz", False, None, "missing")
    path = found[0]
    return FileStatus(path, True, path.stat().st_size, mnist_files.examine(path, file)[1])
