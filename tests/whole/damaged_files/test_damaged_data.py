"""Damaged and lying data files: the data is exactly what their bytes say, or they are refused."""

import contextlib
import gzip

import mutations
import numpy as np
import pytest
from idx_files import MNIST_NAMES, small_arrays, write_idx_folder
from small_mnist import CONTENTS, fill, replace_mnist
from told import data_set, told_by_idx, told_by_npz
from verdicts import COUNTS, REFUSALS, Verdicts, limited

from fcnn import data


def test_there_are_more_than_20_000_files():
    assert sum(COUNTS.values()) >= 20_000


@pytest.mark.parametrize(("reader", "suffix"), [("idx", ""), ("gzip", ".gz")])
@pytest.mark.heavy
@limited
def test_idx_folders(tmp_path, reader, suffix):
    """Bytes have no checksum in a plain IDX file: there, what they say now is what counts."""
    rng = np.random.default_rng([1, len(suffix)])
    arrays = small_arrays()
    folder = write_idx_folder(tmp_path, arrays, suffix=suffix)
    verdicts = Verdicts(reader)
    mutate = mutations.gzip_file if suffix else mutations.idx_file
    for _ in range(verdicts.count):
        key, name = mutations.one_of(rng, list(zip(arrays, MNIST_NAMES, strict=True)))
        path = folder / f"{name}{suffix}"
        whole = path.read_bytes()
        content = mutate(arrays[key], rng)
        path.write_bytes(content)
        changed = arrays | {key: told_by_idx(content)}
        verdicts.judge(
            content,
            lambda: data.load(folder),
            lambda changed=changed: data_set(**changed, plain=True),
            data.DataError,
        )
        path.write_bytes(whole)
    verdicts.close(at_least=300)


@pytest.mark.heavy
@limited
def test_mnist(tmp_path, monkeypatch):
    """A file of MNIST is what it was, or damaged."""
    rng = np.random.default_rng(2)
    replace_mnist(tmp_path, monkeypatch)
    folder = fill(tmp_path / "own", ".gz")
    monkeypatch.setenv("FCNN_DATA_DIR", str(folder))
    whole = data.load("mnist")
    verdicts = Verdicts("mnist")
    for _ in range(verdicts.count):
        name = mutations.one_of(rng, list(CONTENTS))
        path = folder / f"{name}.gz"
        content = mutations.gzip_file(told_by_idx(CONTENTS[name]), rng)
        path.write_bytes(content)
        plain = content
        if content[:2] == b"\x1f\x8b":
            with contextlib.suppress(Exception):
                plain = gzip.decompress(content)
        verdicts.judge(
            content,
            lambda: data.load("mnist"),
            lambda plain=plain, name=name: whole if plain == CONTENTS[name] else None,
            data.DataError,
        )
        path.write_bytes(gzip.compress(CONTENTS[name]))
    verdicts.close(at_least=300)


@pytest.mark.heavy
@limited
def test_npz_files(tmp_path, trap):
    rng = np.random.default_rng(3)
    path = tmp_path / "digits.npz"
    arrays = small_arrays()
    verdicts = Verdicts("npz")
    for _ in range(verdicts.count):
        content = mutations.npz_file(arrays, rng, trap)
        path.write_bytes(content)

        def expected(content=content):
            found = told_by_npz(content, arrays)
            return found and data_set(**found)

        verdicts.judge(
            content, lambda: data.load(path), expected, data.DataError, may_refuse=REFUSALS
        )
    verdicts.close(at_least=500)
