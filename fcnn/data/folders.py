"""Any folder of four IDX files: Fashion-MNIST, KMNIST, EMNIST, one's own."""

from __future__ import annotations

import os
import re
from pathlib import Path

from fcnn.arguments.settings import as_path
from fcnn.data.dataset import DataError, Dataset, assemble, naming
from fcnn.data.idx import read_idx
from fcnn.files.reading import home_expanded

ROLES = ("train-images", "train-labels", "test-images", "test-labels")

FILE_NAME = re.compile(
    r"(?P<set>.*?)(?P<part>train|t10k|test)-(?P<kind>images|labels)[-.]idx\d-ubyte(\.gz)?"
)


def idx_folder(directory: str | os.PathLike[str]) -> Dataset:
    """Read the four IDX files in a folder, each gzipped or not.

    MNIST, Fashion-MNIST and KMNIST name them `train-images-idx3-ubyte`,
    `train-labels-idx1-ubyte`, `t10k-images-idx3-ubyte` and `t10k-labels-idx1-ubyte` (also
    seen with a dot: `train-images.idx3-ubyte`); EMNIST `emnist-letters-train-images-idx3-ubyte`,
    `emnist-letters-test-images-idx3-ubyte` and so on. All values must be unsigned bytes.
    Other files in the folder are ignored.

    EMNIST stores its images transposed. Files whose names begin with `emnist` are
    transposed back, so that the images stand upright, like MNIST's.

    DataError if the folder does not hold one complete set, and no other; if a file is damaged;
    or if the files do not belong together.

    Returns
    -------
    Dataset
        Images float32 (N, C, H, W) in [0, 1], where C is 1 unless the files themselves
        are (N, C, H, W); labels int64 (N,).
    """
    folder = home_expanded(as_path("idx_folder", "directory", directory))
    name, files = _only_complete_set(folder)
    arrays = [read_idx(files[role]) for role in ROLES]
    if name.lower().startswith("emnist"):  # (N, ..., W, H) -> (N, ..., H, W)
        arrays = [each.swapaxes(-2, -1) if each.ndim > 2 else each for each in arrays]
    return assemble(f"idx_folder: {folder}", *arrays)


def _file_sets(folder: Path) -> dict[str, dict[str, Path]]:
    """The IDX files of a folder by set and role, `{"emnist-letters-": {"test-images": path}}`."""
    with naming(folder):
        paths = sorted(folder.iterdir())
    sets: dict[str, dict[str, Path]] = {}
    for path in paths:
        match = FILE_NAME.fullmatch(path.name)
        if match is None or not os.path.isfile(path):
            continue
        part = "train" if match["part"] == "train" else "test"
        files = sets.setdefault(match["set"], {})
        known = files.setdefault(f"{part}-{match['kind']}", path)
        names = {each.name.removesuffix(".gz").replace(".idx", "-idx") for each in (known, path)}
        if len(names) > 1:
            raise DataError(f"idx_folder: {folder} holds both {known.name} and {path.name}")
    return sets


def _only_complete_set(folder: Path) -> tuple[str, dict[str, Path]]:
    sets = _file_sets(folder)
    complete = [name for name, files in sets.items() if len(files) == len(ROLES)]
    if len(complete) == 1:
        return complete[0], sets[complete[0]]
    if complete:
        raise DataError(
            f"idx_folder: {folder} holds several sets of IDX files: "
            + ", ".join(name + "*" for name in complete)
            + "; put the four files of one set into a folder of their own"
        )
    lacking = [
        name + role
        for name, files in (sets or {"": {}}).items()
        for role in ROLES
        if role not in files
    ]
    raise DataError(
        f"idx_folder: {folder} holds no complete set of IDX files; missing: {', '.join(lacking)}"
        " (such as train-images-idx3-ubyte or t10k-labels-idx1-ubyte.gz)"
    )
