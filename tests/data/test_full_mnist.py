"""Full MNIST: where it is looked for, what is verified, what `status` says.

Stand-ins of a few hundred bytes take the place of its files; only the last tests need
MNIST itself, in FCNN_DATA_DIR.
"""

from __future__ import annotations

import gzip
import hashlib
import importlib.util
import os
from pathlib import Path

import numpy as np
import pytest
from small_mnist import CONTENTS, IMAGES, assert_is_stand_in, fill, replace_mnist

from fcnn import data
from fcnn.data import embedded, mnist_files

REAL_FOLDER = os.environ.get("FCNN_DATA_DIR")
TOOL = Path(__file__).parents[2] / "tools" / "make_mnist5k.py"


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    return replace_mnist(tmp_path, monkeypatch)


def no_network(*_, **__):
    raise AssertionError("nothing may be downloaded here")


# Where it is looked for


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_a_folder_is_read_gzipped_or_not(tmp_path, suffix):
    assert_is_stand_in(data.mnist(fill(tmp_path / "own", suffix)))


def test_folders_with_the_names_of_files_are_ignored(tmp_path):
    folder = fill(tmp_path / "own", ".gz")
    (folder / IMAGES).mkdir()
    assert_is_stand_in(data.mnist(folder))


def test_the_environment_names_a_folder(tmp_path, monkeypatch, cache):
    monkeypatch.setenv("FCNN_DATA_DIR", str(fill(tmp_path / "own")))
    assert_is_stand_in(data.mnist())
    assert not cache.exists()


def test_an_argument_comes_before_the_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("FCNN_DATA_DIR", str(tmp_path / "nowhere"))
    assert_is_stand_in(data.mnist(fill(tmp_path / "own")))


@pytest.mark.parametrize("given", ["directory", "FCNN_DATA_DIR"])
def test_a_given_folder_is_final(tmp_path, monkeypatch, cache, given):
    monkeypatch.setattr("urllib.request.OpenerDirector.open", no_network)
    fill(cache)
    folder = fill(tmp_path / "own")
    (folder / "t10k-labels-idx1-ubyte").unlink()
    (folder / IMAGES).unlink()
    if given == "FCNN_DATA_DIR":
        monkeypatch.setenv("FCNN_DATA_DIR", str(folder))
    expected = rf"own, .*{given}, lacks {IMAGES}, t10k-labels-idx1-ubyte \(each may be gzipped\)"
    with pytest.raises(data.DataError, match=expected):
        data.mnist(folder if given == "directory" else None)


def test_a_given_folder_must_exist(tmp_path):
    with pytest.raises(data.DataError, match="nowhere, given as the directory, does not exist"):
        data.mnist(tmp_path / "nowhere")


def test_a_full_cache_needs_no_network(cache, monkeypatch):
    monkeypatch.setattr("urllib.request.OpenerDirector.open", no_network)
    fill(cache, ".gz")
    assert_is_stand_in(data.mnist())


# What is verified


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (CONTENTS[IMAGES][:-1] + b"!", "its SHA-256 is wrong: expected [0-9a-f]{64}, found"),
        (CONTENTS[IMAGES][:-1], "its size is wrong: expected 136 bytes, found 135"),
        (CONTENTS[IMAGES] + b"!", "its size is wrong: expected 136 bytes, found more"),
        (b"", "its size is wrong: expected 136 bytes, found 0"),
        (gzip.compress(CONTENTS[IMAGES])[:-5], r"it cannot be read \(EOFError"),
        (gzip.compress(CONTENTS[IMAGES])[:15] + b"!", "it cannot be read"),
    ],
)
def test_a_damaged_file_is_named_and_kept_out(cache, content, message):
    fill(cache)
    (cache / IMAGES).write_bytes(content)
    with pytest.raises(data.DataError, match=message) as caught:
        data.mnist()
    assert str(cache / IMAGES) in str(caught.value)
    assert "fcnn data download" in str(caught.value)
    [_, found] = data.status()
    assert [bool(file.problem) for file in found.files] == [True, False, False, False]
    assert not found.intact


def test_a_damaged_file_in_a_given_folder_is_named(tmp_path):
    folder = fill(tmp_path / "own")
    (folder / IMAGES).write_bytes(CONTENTS[IMAGES][::-1])
    with pytest.raises(data.DataError, match=rf"{IMAGES} is damaged: its SHA-256"):
        data.mnist(folder)


def test_intact_bytes_that_the_parser_refuses_are_named(tmp_path, monkeypatch):
    """Only a wrong table can get this far; the parser's error must still be wrapped."""
    folder = fill(tmp_path / "own")
    junk = b"junk"
    (folder / IMAGES).write_bytes(junk)
    entry = mnist_files.MnistFile(IMAGES, len(junk), hashlib.sha256(junk).hexdigest())
    monkeypatch.setattr(mnist_files, "FILES", (entry, *mnist_files.FILES[1:]))
    with pytest.raises(data.DataError, match=f"{IMAGES} cannot be read: IdxDecodeError"):
        data.mnist(folder)


def test_status_of_an_empty_and_a_full_cache(cache, tmp_path, monkeypatch):
    [digits, missing] = data.status()
    assert (digits.name, digits.origin, digits.intact) == ("mnist5k", "embedded", True)
    assert digits.files[0].size == len(embedded.packed())
    assert (missing.origin, missing.folder, missing.intact) == ("cache", cache, False)
    assert [(file.present, file.size, file.problem) for file in missing.files] == [
        (False, None, "missing")
    ] * 4
    fill(cache)
    [_, cached] = data.status()
    assert cached.intact
    assert [file.size for file in cached.files] == [len(text) for text in CONTENTS.values()]
    monkeypatch.setenv("FCNN_DATA_DIR", str(tmp_path))
    assert data.status()[1].origin == "FCNN_DATA_DIR"
    assert data.status()[1].folder == tmp_path


# MNIST itself

needs_mnist = pytest.mark.skipif(
    REAL_FOLDER is None, reason="needs all of MNIST: set FCNN_DATA_DIR to a folder that has it"
)


@pytest.fixture
def real_mnist(cache, monkeypatch):
    monkeypatch.undo()
    return REAL_FOLDER


@needs_mnist
def test_mnist_begins_with_the_embedded_digits(real_mnist):
    full, digits = data.mnist(real_mnist), data.mnist5k()
    assert (len(full[0][0]), len(full[1][0])) == (60_000, 10_000)
    for (images, labels), (first_images, first_labels) in zip(full, digits, strict=True):
        np.testing.assert_array_equal(images[: len(first_images)], first_images)
        np.testing.assert_array_equal(labels[: len(first_labels)], first_labels)


@needs_mnist
def test_the_tool_makes_the_embedded_digits(real_mnist):
    spec = importlib.util.spec_from_file_location("make_mnist5k", TOOL)
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    arrays = tool.first_digits(Path(real_mnist))
    assert embedded.digest(arrays.values()) == embedded.SHA256
    few = {key: array[:50] for key, array in arrays.items()}
    assert tool.pack(few) == tool.pack(few)
