"""Damaged files on the command line: one line, and an exit code that says what is wrong."""

import itertools
import json
from pathlib import Path

import mutations
import numpy as np
import pytest
from effort import times
from idx_files import MNIST_NAMES, small_arrays, write_idx_folder
from told import data_set, told_by_idx, told_by_npz
from verdicts import COUNTS, exit_code_of, limited


@pytest.fixture
def no_pictures(monkeypatch):
    monkeypatch.setattr("fcnn.pictures.run_pictures.available", lambda: False)


@pytest.mark.heavy
@limited
def test_evaluate_on_the_command_line(tmp_path, run, trap):
    """With damaged configs, parameters and data by turns."""
    rng = np.random.default_rng(7)
    whole = json.loads((run / "config.json").read_bytes())
    params = told_by_npz((run / "params.npz").read_bytes())
    makers = {
        run / "config.json": lambda: mutations.json_file(whole, rng),
        run / "params.npz": lambda: mutations.npz_file(params, rng, trap),
        tmp_path / "digits.npz": lambda: mutations.npz_file(small_arrays(), rng, trap),
    }
    count, codes = times(COUNTS["evaluate"]), {0: 0, 2: 0, 3: 0}
    for path, _ in zip(itertools.cycle(makers), range(count), strict=False):
        kept, content = path.read_bytes(), makers[path]()
        path.write_bytes(content)
        codes[exit_code_of("evaluate", run, "--threads", 1)] += 1
        path.write_bytes(kept)
    assert sum(codes.values()) == count
    assert min(codes.values()) > times(20), codes


@pytest.mark.heavy
@limited
def test_train_on_the_command_line(tmp_path, no_pictures, trap, monkeypatch):
    rng = np.random.default_rng(8)
    monkeypatch.chdir(tmp_path)
    arrays = small_arrays()
    folder = tmp_path / "folder"
    folder.mkdir()
    write_idx_folder(folder, arrays, suffix=".gz")
    archive = tmp_path / "digits.npz"
    count, codes = times(COUNTS["train"]), {0: 0, 2: 0, 3: 0}
    for i in range(count):
        if i % 2:
            key, name = mutations.one_of(rng, list(zip(arrays, MNIST_NAMES, strict=True)))
            path, content = folder / f"{name}.gz", mutations.gzip_file(arrays[key], rng)
            told = data_set(**(arrays | {key: told_by_idx(content)}), plain=True)
            kept = path.read_bytes()
        else:
            path, content = archive, mutations.npz_file(arrays, rng, trap)
            found = told_by_npz(content, arrays)
            told, kept = found and data_set(**found), b""
        path.write_bytes(content)
        source = folder if i % 2 else archive
        code = exit_code_of("train", "--data", source, "--model", "linear", "--epochs", 1, "--out",
                    f"out{i}", "--threads", 1)  # fmt: skip
        if code == 0:
            assert told is not None
        else:
            assert not Path(f"out{i}").exists()
        codes[code] += 1
        path.write_bytes(kept)
    assert sum(codes.values()) == count
    assert codes[0] > times(50), codes
    assert codes[3] > times(150), codes
