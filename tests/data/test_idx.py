"""idx_folder: the names that data sets in MNIST's format use, and every kind of damage."""

from __future__ import annotations

import gzip
import tracemalloc

import numpy as np
import pytest
from idx_files import MNIST_NAMES, assert_holds, idx_bytes, small_arrays, write_idx_folder

from fcnn import data
from fcnn.data.idx import read_idx


@pytest.mark.parametrize("suffix", ["", ".gz"])
@pytest.mark.parametrize("dotted", [False, True])
def test_idx_folder_reads_the_usual_names(tmp_path, suffix, dotted):
    names = [name.replace("-idx", ".idx") if dotted else name for name in MNIST_NAMES]
    write_idx_folder(tmp_path, names=names, suffix=suffix)
    (tmp_path / "readme.txt").write_text("ignored")
    dataset = data.idx_folder(tmp_path)
    assert_holds(dataset, small_arrays())
    assert data.number_of_classes(dataset) == 3


def test_a_class_that_is_in_the_test_set_alone_counts(tmp_path):
    write_idx_folder(tmp_path, small_arrays() | {"y_test": np.array([3, 0, 1], np.uint8)})
    assert data.number_of_classes(data.idx_folder(tmp_path)) == 4


def test_idx_folder_ignores_folders_with_the_names_of_files(tmp_path):
    write_idx_folder(tmp_path, names=[name.replace("-idx", ".idx") for name in MNIST_NAMES])
    for name in MNIST_NAMES:
        (tmp_path / name).mkdir()
    assert_holds(data.idx_folder(tmp_path), small_arrays())


def test_idx_folder_takes_a_file_and_its_compressed_copy_for_one(tmp_path):
    write_idx_folder(tmp_path)
    write_idx_folder(tmp_path, suffix=".gz")
    assert_holds(data.idx_folder(tmp_path), small_arrays())


def test_idx_folder_reads_gz_files_that_a_browser_decompressed(tmp_path):
    write_idx_folder(tmp_path, names=[f"{name}.gz" for name in MNIST_NAMES])
    assert_holds(data.idx_folder(tmp_path), small_arrays())


def emnist_names(split):
    parts = ("train-images", "train-labels", "test-images", "test-labels")
    return [f"emnist-{split}-{part}-idx{3 if 'images' in part else 1}-ubyte" for part in parts]


def test_idx_folder_turns_emnist_upright(tmp_path):
    write_idx_folder(tmp_path, names=emnist_names("letters"), suffix=".gz")
    arrays = small_arrays()
    arrays["x_train"] = arrays["x_train"].swapaxes(1, 2)
    arrays["x_test"] = arrays["x_test"].swapaxes(1, 2)
    assert_holds(data.idx_folder(tmp_path), arrays)


def test_idx_folder_lists_several_sets(tmp_path):
    write_idx_folder(tmp_path, names=emnist_names("letters"))
    write_idx_folder(tmp_path, names=emnist_names("digits"))
    with pytest.raises(data.DataError, match=r"several sets.*emnist-digits-\*, emnist-letters-\*"):
        data.idx_folder(tmp_path)


def test_idx_folder_refuses_two_files_for_one_role(tmp_path):
    write_idx_folder(tmp_path)
    (tmp_path / "test-images-idx3-ubyte").write_bytes(b"")
    with pytest.raises(data.DataError, match=r"both t10k-images-\S+ and test-images-\S+"):
        data.idx_folder(tmp_path)


def test_idx_folder_names_what_is_missing(tmp_path):
    with pytest.raises(data.DataError, match="train-images, train-labels, test-images, test-label"):
        data.idx_folder(tmp_path)
    write_idx_folder(tmp_path)
    (tmp_path / "t10k-labels-idx1-ubyte").unlink()
    with pytest.raises(data.DataError, match=r"missing: test-labels \("):
        data.idx_folder(tmp_path)
    with pytest.raises(data.DataError, match="nowhere cannot be read: FileNotFoundError"):
        data.idx_folder(tmp_path / "nowhere")


def test_idx_folder_takes_images_with_channels(tmp_path):
    arrays = small_arrays()
    for key in ("x_train", "x_test"):
        arrays[key] = np.repeat(arrays[key][:, None], 3, axis=1)
    (x_train, _), _ = data.idx_folder(write_idx_folder(tmp_path, arrays))
    np.testing.assert_allclose(x_train * 255, arrays["x_train"], rtol=1e-6)


@pytest.mark.parametrize(
    ("key", "array", "message"),
    [
        ("y_test", np.zeros(2, np.uint8), "test: 3 inputs, but 2 labels"),
        ("y_train", np.zeros((6, 1), np.uint8), r"train: labels have shape \(6, 1\), expected"),
        ("x_train", np.zeros(6, np.uint8), r"train: images must be \(N, H, W\), or"),
        ("x_train", np.zeros((0, 4, 5), np.uint8), r"train: no images, the shape .* \(0, 1, 4, 5"),
        ("x_test", np.zeros((3, 5, 5), np.uint8), r"differ in shape .*\(1, 4, 5\) and \(1, 5, 5"),
    ],
)
def test_idx_folder_refuses_files_that_do_not_belong_together(tmp_path, key, array, message):
    write_idx_folder(tmp_path, small_arrays() | {key: array})
    with pytest.raises(data.DataError, match=message):
        data.idx_folder(tmp_path)


LABELS = idx_bytes(np.arange(9, dtype=np.uint8))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is not an IDX file"),
        (b"<!DOCTYPE html><html></html>", "is not an IDX file"),
        (LABELS[:6], "header is cut off"),
        (LABELS[:-1], "IDX file has wrong number of items"),
        (LABELS + b"!", "IDX file has wrong number of items"),
        (b"\0\0\x08\0", "announces no axes"),
        (b"\0\0\x0d\x01\0\0\0\x01\0\0\0\0", "type 0x0d; only unsigned bytes"),
        (b"\0\0\x08\x03" + b"\xff" * 12, "announces more bytes than it can hold"),
        (gzip.compress(LABELS)[:-9], "cannot be read: EOFError"),
        (gzip.compress(LABELS)[:-8] + b"12345678", "cannot be read: BadGzipFile: CRC"),
        (gzip.compress(LABELS) + b"trailing", "cannot be read: BadGzipFile"),
    ],
)
def test_damaged_idx_files_are_named(tmp_path, content, message):
    path = tmp_path / "labels-idx1-ubyte"
    path.write_bytes(content)
    with pytest.raises(data.DataError, match=message) as caught:
        read_idx(path)
    assert str(path) in str(caught.value)


def test_idx_decompresses_no_more_than_is_announced(tmp_path):
    path = tmp_path / "bomb.gz"
    path.write_bytes(gzip.compress(LABELS + bytes(30_000_000)))
    tracemalloc.start()
    try:
        with pytest.raises(data.DataError, match="wrong number of items"):
            read_idx(path)
        assert tracemalloc.get_traced_memory()[1] < 3_000_000
    finally:
        tracemalloc.stop()
