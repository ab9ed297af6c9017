"""Trees in files: `.npz` archives whose keys are the paths of the leaves."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

import attrs
import numpy as np

from fcnn.arguments.settings import as_path
from fcnn.files.npz import NUMBERS, Header, StoredArray, opened_archive
from fcnn.files.reading import regular_file
from fcnn.files.writing import whole_file
from fcnn.numerics.arrays import Array, freeze
from fcnn.tree.comparison import check_numbers
from fcnn.tree.description import form
from fcnn.tree.mapping import leaves_with_path, map_with_path
from fcnn.tree.structure import Tree, flatten, unflatten

if TYPE_CHECKING:
    from pathlib import Path


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
    with opened("tree.load", as_path("tree.load", "path", path)) as file:
        return file.arranged(like)


@attrs.frozen
class TreeFile:
    """An open `.npz` file, whose arrays are read when they are asked for.

    Attributes
    ----------
    function
        What errors call the function that reads it.
    path
        Where it lies.
    arrays
        Its arrays, by the paths of the leaves.
    """

    function: str
    path: Path
    arrays: Mapping[str, StoredArray]

    def header(self, place: str, kinds: str = NUMBERS) -> Header:
        """Shape and dtype of an array; ValueError if the file is damaged there."""
        with _readable(self.function, self.path):
            return self.arrays[place].header(kinds)

    def read(self, place: str, kinds: str = NUMBERS) -> Array:
        """An array; ValueError if the file is damaged there."""
        with _readable(self.function, self.path):
            return self.arrays[place].read(kinds)

    def widened(self, like: Tree, prefix: str = "") -> Tree:
        """A tree like another, in float64 where the arrays of the file are, which are called by the
        paths of the tree behind a prefix.
        """

        def as_stored(place: str, leaf: Array) -> Array:
            stored = f"{prefix}{place}"
            wide = stored in self.arrays and self.header(stored).dtype == np.float64
            return leaf.astype(np.float64) if wide else leaf

        return map_with_path(as_stored, like)

    def arranged(self, like: Tree) -> Tree:
        """The arrays as a tree like another; ValueError if they do not fit.

        No array is read before all names, shapes and dtypes are those that are expected: a small
        file may hold arrays that fill the memory.
        """
        leaves, structure = flatten(like)
        expected = dict(zip(structure.paths(), map(np.asarray, leaves), strict=True))
        held = {place: self.header(place) for place in expected if place in self.arrays}
        wrong = [f"{place or '.'}: missing in the file" for place in expected if place not in held]
        wrong += [f"{place or '.'}: not expected" for place in self.arrays if place not in held]
        for place, header in held.items():
            if form(header) != form(expected[place]):
                wrong.append(f"{place or '.'}: {form(header)}, expected {form(expected[place])}")
        if wrong:
            lines = "\n  ".join(wrong)
            raise ValueError(f"{self.function}: {self.path} does not fit:\n  {lines}")
        return unflatten(structure, [freeze(self.read(place)) for place in expected])


@contextmanager
def opened(function: str, path: Path) -> Iterator[TreeFile]:
    """An `.npz` file; ValueError for any other file."""
    with ExitStack() as stack:
        with _readable(function, path):
            stream = stack.enter_context(regular_file(path))
            arrays = stack.enter_context(opened_archive(stream))
        yield TreeFile(function, path, arrays)


@contextmanager
def _readable(function: str, path: Path) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise
    except Exception as error:  # zipfile and zlib raise a dozen kinds for damaged files
        raise ValueError(f"{function}: {path} is not a readable .npz file: {error}") from error
