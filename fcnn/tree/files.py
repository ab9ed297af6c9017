"""Trees in files: `.npz` archives whose keys are the paths of the leaves."""

import os

import numpy as np

from fcnn.arguments.settings import as_path
from fcnn.files.npz import opened_archive
from fcnn.files.reading import regular_file
from fcnn.files.writing import whole_file
from fcnn.numerics.arrays import Array, freeze
from fcnn.tree.comparison import check_numbers
from fcnn.tree.description import form
from fcnn.tree.mapping import leaves_with_path
from fcnn.tree.structure import Tree, flatten, unflatten


def save(path: str | os.PathLike[str], tree: Tree) -> None:
    """Write a tree of arrays to an `.npz` file, with the paths of the leaves as its keys.

    The file appears whole or not at all: it is written beside its place and renamed.
    Raises TypeError for a leaf that is neither a number nor an array of numbers.
    """
    target = as_path("tree.save", "path", path)
    check_numbers("tree.save", tree)
    arrays = {place: np.asarray(leaf) for place, leaf in leaves_with_path(tree)}
    with whole_file(target) as file:
        np.savez(file, **arrays)  # type: ignore[arg-type]


def load(path: str | os.PathLike[str], like: Tree) -> Tree:
    """Read a tree that `save` wrote, of the structure, shapes and dtypes of `like`.

    Nothing is unpickled. Raises ValueError if the file is damaged, or if its paths, shapes
    or dtypes differ from those of `like`, and names them. Leaves are read-only.
    """
    source = as_path("tree.load", "path", path)
    return arrange("tree.load", source, read(source), like)


def arrange(
    function: str, path: str | os.PathLike[str], found: dict[str, Array], like: Tree
) -> Tree:
    """The arrays of a file as a tree like another; ValueError if they do not fit."""
    leaves, structure = flatten(like)
    expected = dict(zip(structure.paths(), map(np.asarray, leaves), strict=True))
    wrong = [f"{place or '.'}: missing in the file" for place in expected if place not in found]
    wrong += [f"{place or '.'}: not expected" for place in found if place not in expected]
    for place, array in expected.items():
        if place in found and form(found[place]) != form(array):
            wrong.append(f"{place or '.'}: {form(found[place])}, expected {form(array)}")
    if wrong:
        raise ValueError(f"{function}: {path} does not fit:\n  " + "\n  ".join(wrong))
    return unflatten(structure, [freeze(found[place]) for place in expected])


def read(path: str | os.PathLike[str]) -> dict[str, Array]:
    """The arrays of an `.npz` file by their names; ValueError for any other file."""
    try:
        with regular_file(path) as file, opened_archive(file) as archive:
            return {key: read_array() for key, read_array in archive.items()}
    except FileNotFoundError:
        raise
    except Exception as error:  # zipfile and zlib raise a dozen kinds for damaged files
        raise ValueError(f"tree.load: {path} is not a readable .npz file: {error}") from error
