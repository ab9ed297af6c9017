"""The embedded digits, the synthetic lines, data by name, and what importing costs."""

from __future__ import annotations

import copy
import pickle
import re
import subprocess
import sys

import numpy as np
import pytest

from fcnn import data
from fcnn.data import embedded


def assert_is_dataset(dataset):
    for images, labels in dataset:
        assert images.dtype == np.float32
        assert images.ndim == 4
        assert images.flags.c_contiguous
        assert labels.dtype == np.int64
        assert labels.shape == (len(images),)


# Embedded digits


def test_embedded_digits_are_complete_and_scaled():
    dataset = data.mnist5k()
    assert_is_dataset(dataset)
    (x_train, y_train), (x_test, y_test) = dataset
    assert x_train.shape == (5000, 1, 28, 28)
    assert x_test.shape == (1000, 1, 28, 28)
    assert (x_train.min(), x_train.max()) == (0, 1)
    assert y_train[:10].tolist() == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]
    assert y_test[:10].tolist() == [7, 2, 1, 0, 4, 1, 4, 9, 5, 9]
    assert data.number_of_classes(dataset) == 10


def test_embedded_digits_stay_small():
    assert len(embedded.packed()) < 1_100_000


def test_damaged_embedded_digits_are_refused(monkeypatch):
    damaged = bytearray(embedded.packed())
    damaged[400_000] ^= 1
    monkeypatch.setattr(embedded, "packed", lambda: bytes(damaged))
    with pytest.raises(data.DataError, match=r"mnist5k\.npz in the installed fcnn"):
        data.mnist5k()
    assert not data.status()[0].intact


def test_embedded_digits_must_be_the_digits(monkeypatch):
    monkeypatch.setattr(embedded, "SHA256", "0" * 64)
    with pytest.raises(data.DataError, match="SHA-256 is wrong; install fcnn again"):
        data.mnist5k()


# Synthetic lines


def test_synthetic_lines_are_as_described():
    dataset = data.synthetic_lines(seed=3)
    assert_is_dataset(dataset)
    lines = np.zeros((3, 14, 14))
    lines[0, :, 7] = lines[1, 7, :] = 1
    lines[2, range(14), range(14)] = 1
    for (images, labels), count in zip(dataset, (600, 150), strict=True):
        assert images.shape == (count, 1, 14, 14)
        np.testing.assert_array_equal(labels, np.arange(count) % 3)
        noise = images[:, 0] - lines[labels]
        assert noise.mean() == pytest.approx(0, abs=0.003)
        assert noise.std() == pytest.approx(0.1, rel=0.02)
        assert images.min() < -0.2  # not clipped
        assert images.max() > 1.2
    assert data.number_of_classes(dataset) == 3


def test_synthetic_lines_depend_on_the_seed_alone():
    (first, _), (first_test, _) = data.synthetic_lines(seed=1)
    (again, _), _ = data.synthetic_lines(seed=1)
    (other, _), _ = data.synthetic_lines(seed=2)
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
    assert not np.array_equal(first[:150], first_test)


def test_synthetic_lines_refuse_seeds_that_are_none():
    with pytest.raises(TypeError):
        data.synthetic_lines(seed=None)
    with pytest.raises(ValueError, match="synthetic_lines: seed is -1, expected at least 0"):
        data.synthetic_lines(seed=-1)


# Names


@pytest.fixture
def in_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_load_knows_names_folders_and_files(in_folder):
    assert data.load("mnist5k")[0][0].shape == (5000, 1, 28, 28)
    (first, _), _ = data.load("synthetic", seed=4)
    np.testing.assert_array_equal(first, data.synthetic_lines(4)[0][0])
    (x_train, y_train), (x_test, y_test) = dataset = data.synthetic_lines()
    np.savez("lines.npz", x_train=x_train, y_train=y_train, x_test=x_test, y_test=y_test)
    (in_folder / "lines.npz").rename("lines.NPZ")
    for name in ("lines.NPZ", in_folder / "lines.NPZ"):
        np.testing.assert_array_equal(data.load(name)[0][0], dataset[0][0])
    (in_folder / "fashion").mkdir()
    parts = ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1")
    for part in parts:
        shape = b"\0\0\0\1" * int(part[-1])
        content = b"\0\0\x08" + bytes([int(part[-1])]) + shape + b"\7"
        (in_folder / "fashion" / f"{part}-ubyte").write_bytes(content)
    assert data.load("fashion")[0][1].tolist() == [7]


def test_load_prefers_a_name_to_a_folder(in_folder):
    (in_folder / "mnist5k").mkdir()
    assert len(data.load("mnist5k")[0][0]) == 5000
    with pytest.raises(data.DataError, match="no complete set"):
        data.load("./mnist5k")


def test_load_suggests_the_nearest_name(in_folder):
    with pytest.raises(ValueError, match=r"unknown data 'mnsit'; did you mean 'mnist'\? Known: m"):
        data.load("mnsit")
    with pytest.raises(ValueError, match=r"unknown data 'quux'\. Known: mnist5k, mnist, synthetic"):
        data.load("quux")


@pytest.mark.parametrize("path", ["gone.npz", "some/folder", "./mnsit"])
def test_load_says_which_path_does_not_exist(in_folder, path):
    with pytest.raises(data.DataError, match=f"load: {re.escape(path)} does not exist"):
        data.load(path)


def test_load_refuses_other_files(in_folder):
    (in_folder / "digits.csv").write_text("1,2")
    with pytest.raises(data.DataError, match=r"digits\.csv is neither a folder nor an \.npz file"):
        data.load("digits.csv")


def test_importing_the_data_package_stays_light():
    heavy = ["mnist", "platformdirs", "urllib.request", "http.client", "rich", "typer"]
    program = f"import sys, fcnn.data; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (done.stdout.strip(), done.stderr) == ("[]", "")


# Data sets with names


def test_a_data_set_is_a_pair_with_names_and_copies_keep_them():
    train = np.zeros((2, 1, 1, 1), np.float32), np.array([0, 1])
    test = train[0][1:], train[1][1:]
    named = data.Dataset(train, test, ["cat", "dog", "cow"])
    assert (named[0], named[1], len(named)) == (train, test, 2)
    assert named.labels == ("cat", "dog", "cow")
    assert data.number_of_classes(named) == 3
    for other in (copy.copy(named), copy.deepcopy(named), pickle.loads(pickle.dumps(named))):
        assert other.labels == named.labels
    assert data.mnist5k().labels is None
    with pytest.raises(ValueError, match="there are 1 names, but 2 classes"):
        data.Dataset(train, test, ["cat"])
    with pytest.raises(TypeError, match="must be texts"):
        data.Dataset(train, test, [0, 1])
