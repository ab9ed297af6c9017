"""The four files of MNIST: their sizes and hashes, and where they may lie.

Sizes and hashes are those of the decompressed bytes, since every mirror compresses in
its own way.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import attrs

from fcnn.arguments.settings import as_path
from fcnn.data.dataset import DataError
from fcnn.data.idx import opened, parse_idx
from fcnn.files.reading import home_expanded, read_up_to
from fcnn.numerics.arrays import Array

ENVIRONMENT_VARIABLE = "FCNN_DATA_DIR"


@attrs.frozen
class MnistFile:
    """What one file must be: its name without `.gz`, its bytes once decompressed."""

    name: str
    size: int
    sha256: str


# In the order x_train, y_train, x_test, y_test.
FILES = (
    MnistFile(
        "train-images-idx3-ubyte",
        47_040_016,
        "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    ),
    MnistFile(
        "train-labels-idx1-ubyte",
        60_008,
        "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    ),
    MnistFile(
        "t10k-images-idx3-ubyte",
        7_840_016,
        "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    ),
    MnistFile(
        "t10k-labels-idx1-ubyte",
        10_008,
        "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
    ),
)


# Who chose the folder in which MNIST is looked for; only the cache is ever written to.
ORIGINS = {
    "directory": ("given as the directory", "give no directory"),
    ENVIRONMENT_VARIABLE: (f"named by {ENVIRONMENT_VARIABLE}", f"unset {ENVIRONMENT_VARIABLE}"),
    "cache": ("the cache", ""),
}


def place(directory: str | os.PathLike[str] | None = None) -> tuple[Path, str]:
    """The folder in which MNIST is looked for, and its origin: an argument before the
    environment before the cache.
    """
    if directory is not None:
        return home_expanded(as_path("mnist", "directory", directory)), "directory"
    if chosen := os.environ.get(ENVIRONMENT_VARIABLE):
        return home_expanded(chosen), ENVIRONMENT_VARIABLE
    return cache_folder(), "cache"


def cache_folder() -> Path:
    """The folder for downloads, inside the user's cache directory."""
    import platformdirs

    return Path(platformdirs.user_cache_dir("fcnn", appauthor=False)) / "mnist"


def missing_files(folder: Path) -> list[MnistFile]:
    """The files of which a folder has no copy, damaged or not."""
    return [file for file in FILES if not copies(folder, file)]


def read_files(folder: Path, origin: str) -> list[Array]:
    """The verified arrays x_train, y_train, x_test and y_test as they are stored: bytes."""
    chosen, otherwise = ORIGINS[origin]
    remedy = "Delete it and run `fcnn data download`"
    if otherwise:
        remedy = f"Put intact files there, or {otherwise} to use the cache and the mirrors"
    if missing := missing_files(folder):
        exists = "lacks" if os.path.isdir(folder) else "does not exist; it should hold"
        names = ", ".join(file.name for file in missing)
        raise DataError(
            f"mnist: the folder {folder}, {chosen}, {exists} {names} (each may be gzipped)."
            f" {remedy}"
        )
    arrays = []
    for file in FILES:
        path = copies(folder, file)[0]
        content, problem = examine(path, file)
        if problem:
            raise DataError(f"mnist: {path} is damaged: {problem}. {remedy}")
        arrays.append(parse_idx(content, path))
    return arrays


def copies(folder: Path, file: MnistFile) -> list[Path]:
    """The paths in a folder at which a file lies, under any of its usual names."""
    dotted = file.name.replace("-idx", ".idx")
    names = (file.name, f"{file.name}.gz", dotted, f"{dotted}.gz")
    # Some distributions hold folders of these names as well.
    return [folder / name for name in names if os.path.isfile(folder / name)]


def examine(path: Path, file: MnistFile) -> tuple[bytearray, str]:
    """The decompressed bytes at a path, and what is wrong with them (empty if nothing).

    At most one byte more than the expected size is ever decompressed.
    """
    try:
        with opened(path) as stream:
            content = read_up_to(stream, file.size + 1)
    except Exception as error:
        # Damaged bytes surface as whatever the decompressor stumbled over.
        return bytearray(), f"it cannot be read ({type(error).__name__}: {error})"
    if len(content) != file.size:
        found = "more" if len(content) > file.size else f"{len(content):,}"
        return content, f"its size is wrong: expected {file.size:,} bytes, found {found}"
    digest = hashlib.sha256(content).hexdigest()
    if digest != file.sha256:
        return content, f"its SHA-256 is wrong: expected {file.sha256}, found {digest}"
    return content, ""
