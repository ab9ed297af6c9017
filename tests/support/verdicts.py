"""The verdict on damaged and lying files, more than 20,000 of them with `--full`.

What is loaded is exactly what the bytes of the file say, or it is refused with an error of the
documented kind. A file that is whole must be loaded. Memory is limited meanwhile, and nothing
that a file holds is executed.
"""

import tempfile
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from effort import times
from typer.testing import CliRunner

from fcnn import data, tree
from fcnn.cli import app

COUNTS = {
    "idx": 4000, "gzip": 4000, "mnist": 2000, "npz": 5000, "tree": 2500, "checkpoint": 1000,
    "config": 3000, "model": 2500, "evaluate": 400, "train": 400,
}  # fmt: skip
# What is whole, and is refused all the same.
REFUSALS = ("twice", "longer than the file", "never uses", "not an array in NumPy's format",
            "its header is too long")  # fmt: skip
LIMIT = 30 << 20
limited = pytest.mark.usefixtures("limited_memory")


class Verdicts:
    """Counts what became of the files; a wrong verdict keeps the file and fails the test."""

    def __init__(self, reader):
        self.reader = reader
        self.count = times(COUNTS[reader])
        self.loaded = self.refused = 0

    def judge(self, content, load, expected, refused_by, *, may_refuse=()):
        """One file. `expected()` is what its bytes say, None if they say nothing."""
        try:
            found = load()
        except refused_by as error:
            self.refused += 1
            text = str(error)
            assert text, self.kept(content)
            assert "MemoryError" not in text, self.kept(content)
            told = expected()
            if told is not None and not any(words in text for words in may_refuse):
                raise AssertionError(f"whole, but refused: {self.kept(content)}") from error
        except Exception as error:
            raise AssertionError(f"{type(error)}: {self.kept(content)}") from error
        else:
            self.loaded += 1
            told = expected()
            assert told is not None, f"damaged, but loaded: {self.kept(content)}"
            assert same(found, told), f"other data: {self.kept(content)}"

    def kept(self, content):
        path = Path(tempfile.gettempdir(), f"fcnn-fuzz-{self.reader}")
        path.write_bytes(content)
        return f"{self.reader}, file {self.loaded + self.refused}, in {path}"

    def close(self, *, at_least):
        assert self.loaded + self.refused == self.count
        assert self.loaded >= times(at_least), (self.loaded, self.refused)
        assert self.refused >= self.count / 2, (self.loaded, self.refused)


def same(found, told):
    """Bit for bit: two trees of arrays, numbers and texts."""
    leaves, structure = tree.flatten(found)
    others, other = tree.flatten(told)
    return structure == other and all(map(same_leaf, leaves, others))


def same_leaf(found, told):
    if not isinstance(told, np.ndarray):
        return type(found) is type(told) and repr(found) == repr(told)
    return (found.dtype, found.shape, found.tobytes()) == (told.dtype, told.shape, told.tobytes())


def peak(function, *arguments):
    """How much memory a call that must fail took at most."""
    tracemalloc.start()
    try:
        with pytest.raises((data.DataError, ValueError)):
            function(*arguments)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def exit_code_of(*arguments):
    """The exit code of a command that says one thing, and no more than that, where it fails."""
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    if result.exit_code:
        assert isinstance(result.exception, SystemExit), result.exception
        assert result.stderr.startswith("fcnn: ")
        assert result.stderr.count("fcnn: ") == 1
        assert "MemoryError" not in result.stderr
    assert "Traceback" not in result.output
    assert "Warning" not in result.output
    return result.exit_code
