"""Any folder of four IDX files: Fashion-MNIST, KMNIST, EMNIST, one's own."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TypeAlias

from fcnn.arguments.settings import as_path
from fcnn.data.dataset import DataError, Dataset, assemble, images_from_bytes, naming
from fcnn.data.idx import read_idx
from fcnn.files.reading import home_expanded
from fcnn.numerics.arrays import Array

ROLES = ("train-images", "train-labels", "test-images", "test-labels")

FILE_NAME = re.compile(
    r"(?P<set>.*?)(?P<part>train|t10k|test)-(?P<kind>images|labels)[-.]idx\d-ubyte(\.gz)?"
)

FileSet: TypeAlias = dict[str, Path]


def idx_folder(directory: str | os.PathLike[str]) -> Dataset:
    """Read the four IDX files in a folder, each gzipped or not.

    MNIST, Fashion-MNIST and KMNIST name them `train-images-idx3-ubyte`,
    `train-labels-idx1-ubyte`, `t10k-images-idx3-ubyte` and `t10k-labels-idx1-ubyte` (also
    seen with a dot: `train-images.idx3-ubyte`); EMNIST `emnist-letters-train-images-idx3-ubyte`,
    `emnist-letters-test-images-idx3-ubyte` and so on. All values must be unsigned bytes.
    Other files in the folder are ignored.

    EMNIST stores its images transposed. Files whose names begin with `emnist` are
    transposed back, so that the images stand upright, like MNIST's.

    Parameters
    ----------
    directory : path
        The folder. It must hold one complete set of files.

    Returns
    -------
    Dataset
        Images float32 (N, C, H, W) in [0, 1], where C is 1 unless the files themselves
        are (N, C, H, W); labels int64 (N,).

    Raises
    ------
    DataError
        If there is no complete set, or several; if a file is damaged; or if the files
        do not belong together.
    """
    folder = home_expanded(as_path("idx_folder", "directory", directory))
    name, files = _only_complete_set(folder, _file_sets(folder))
    transposed = name.lower().startswith("emnist")
    return assemble(
        f"idx_folder: {folder}",
        _images(files["train-images"], transposed),
        read_idx(files["train-labels"]),
        _images(files["test-images"], transposed),
        read_idx(files["test-labels"]),
    )


def _images(path: Path, transposed: bool) -> Array:
    pixels = read_idx(path)
    if pixels.ndim == 3:
        pixels = pixels[:, None]  # (N, H, W) -> (N, 1, H, W)
    if pixels.ndim != 4:
        raise DataError(
            f"{path}: images must be (N, H, W) or (N, C, H, W), got the shape {pixels.shape}"
        )
    if transposed:
        pixels = pixels.swapaxes(2, 3)  # (N, C, W, H) -> (N, C, H, W)
    return images_from_bytes(pixels)


def _file_sets(folder: Path) -> dict[str, FileSet]:
    """The IDX files of a folder by set and role, `{"emnist-letters-": {"test-images": path}}`."""
    with naming(folder):
        paths = sorted(folder.iterdir())
    sets: dict[str, FileSet] = {}
    for path in paths:
        match = FILE_NAME.fullmatch(path.name)
        if match is None or not os.path.isfile(path):
            continue
        part = "train" if match["part"] == "train" else "test"
        files = sets.setdefault(match["set"], {})
        known = files.setdefault(f"{part}-{match['kind']}", path)
        if _bare_name(known) != _bare_name(path):
            raise DataError(f"idx_folder: {folder} holds both {known.name} and {path.name}")
    return sets


def _bare_name(path: Path) -> str:
    """A file's name without the differences that do not matter."""
    return path.name.removesuffix(".gz").replace(".idx", "-idx")


def _only_complete_set(folder: Path, sets: dict[str, FileSet]) -> tuple[str, FileSet]:
    complete = [name for name, files in sets.items() if len(files) == len(ROLES)]
    if len(complete) == 1:
        return complete[0], sets[complete[0]]
    if complete:
        raise DataError(
            f"idx_folder: {folder} holds several sets of IDX files: "
            + ", ".join(name + "*" for name in complete)
            + "; put the four files of one set into a folder of their own"
        )
    incomplete = sets or {"": {}}
    lacking = [
        name + role for name in incomplete for role in ROLES if role not in sets.get(name, {})
    ]
    raise DataError(
        f"idx_folder: {folder} holds no complete set of IDX files; missing: {', '.join(lacking)}"
        " (such as train-images-idx3-ubyte or t10k-labels-idx1-ubyte.gz)"
    )
