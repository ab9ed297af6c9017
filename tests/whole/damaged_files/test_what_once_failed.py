"""Files on which a reader once failed: refused clearly, in little memory."""

import json
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from idx_files import MNIST_NAMES, write_idx_folder
from verdicts import LIMIT

import fcnn
from fcnn import data, tree

CORPUS = Path(__file__).parent / "corpus"


def replay(path, tmp_path, run):
    """A file of the corpus, through the reader that its name begins with."""
    reader, content = path.name.split("-")[0], path.read_bytes()
    if reader == "idx":
        folder = write_idx_folder(tmp_path)
        (folder / MNIST_NAMES[0]).write_bytes(content)
        return data.load(folder)
    if reader == "npz":
        (tmp_path / "digits.npz").write_bytes(content)
        return data.load(tmp_path / "digits.npz")
    if reader == "tree":
        (tmp_path / "params.npz").write_bytes(content)
        return tree.load(tmp_path / "params.npz", {"w": np.ones((3, 2), np.float32)})
    if reader == "config":
        whole = json.loads((run / "config.json").read_bytes())
        (run / "config.json").write_bytes(content.replace(b"DATA", whole["data"].encode()))
        return fcnn.load_run(run)
    assert reader == "checkpoint", path.name
    (tmp_path / "checkpoint.npz").write_bytes(content)
    return fcnn.load_checkpoint(tmp_path / "checkpoint.npz", fcnn.models.linear(3), fcnn.sgd(0.1))


def test_the_corpus_is_there():
    assert len(list(CORPUS.iterdir())) >= 19
    assert sum(path.stat().st_size for path in CORPUS.iterdir()) < 100_000


@pytest.mark.parametrize("path", sorted(CORPUS.iterdir()), ids=lambda path: path.name)
def test_what_once_failed_is_refused(tmp_path, run, path):
    """Clearly, in little memory, and without a word beside the error (warnings are errors)."""
    tracemalloc.start()
    try:
        with pytest.raises((data.DataError, ValueError)) as caught:
            replay(path, tmp_path, run)
        assert tracemalloc.get_traced_memory()[1] < LIMIT
    finally:
        tracemalloc.stop()
    assert 20 < len(str(caught.value)) < 1000
    assert "MemoryError" not in str(caught.value)
