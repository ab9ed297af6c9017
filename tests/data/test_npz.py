"""npz_file: Keras's layout, channels in either place, and every kind of damage."""

from __future__ import annotations

import io
import zipfile

import numpy as np
import pytest
from idx_files import small_arrays

from fcnn import data


@pytest.fixture
def arrays():
    return small_arrays()


@pytest.fixture
def load(tmp_path):
    """A function that saves arrays and loads them with npz_file."""

    def save_and_load(arrays, save=np.savez):
        path = tmp_path / "digits.npz"
        save(path, **arrays)
        return data.npz_file(path)

    return save_and_load


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_bytes_without_channels_as_keras_stores_them(arrays, load, save):
    (x_train, y_train), (x_test, y_test) = load(arrays, save)
    assert (x_train.shape, x_test.shape) == ((6, 1, 4, 5), (3, 1, 4, 5))
    assert (x_train.dtype, y_train.dtype) == (np.float32, np.int64)
    assert x_train.flags.c_contiguous
    np.testing.assert_allclose(x_train[:, 0] * 255, arrays["x_train"], rtol=1e-6)
    np.testing.assert_array_equal(y_train, arrays["y_train"])
    np.testing.assert_array_equal(y_test, arrays["y_test"])


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_floats_are_taken_as_they_are(arrays, load, dtype):
    for key in ("x_train", "x_test"):
        arrays[key] = np.asfortranarray(arrays[key] / 64, dtype)
    (x_train, _), _ = load(arrays)
    assert x_train.dtype == np.float32
    assert x_train.flags.c_contiguous
    np.testing.assert_array_equal(x_train[:, 0], arrays["x_train"])


@pytest.mark.parametrize(
    ("stored", "loaded"),
    [
        ((3, 8, 8), (3, 8, 8)),
        ((8, 8, 3), (3, 8, 8)),
        ((8, 9, 1), (1, 8, 9)),
        ((8, 9, 4), (4, 8, 9)),
        ((4, 8, 9), (4, 8, 9)),
        ((8, 8, 8), (8, 8, 8)),
        ((2, 8, 8), (2, 8, 8)),
    ],
)
def test_channels_last_are_moved(arrays, load, stored, loaded):
    pixels = np.linspace(0, 1, int(np.prod(stored)), dtype=np.float32).reshape(stored)
    arrays["x_train"], arrays["x_test"] = np.stack([pixels] * 6), np.stack([pixels] * 3)
    (x_train, _), _ = load(arrays)
    assert x_train.flags.c_contiguous
    expected = pixels if stored == loaded else pixels.transpose(2, 0, 1)
    assert expected.shape == loaded
    np.testing.assert_array_equal(x_train[0], expected)


@pytest.mark.parametrize("shape", [(1, 8, 3), (3, 8, 3), (4, 8, 4), (1, 8, 4), (3, 8, 1)])
def test_channels_that_may_be_either_axis_are_refused(arrays, load, shape):
    arrays["x_train"], arrays["x_test"] = np.zeros((6, *shape)), np.zeros((3, *shape))
    with pytest.raises(data.DataError, match=r"\(6, .*may be \(N, C, H, W\) or \(N, H, W, C\)"):
        load(arrays)


def test_classes_have_the_names_that_are_stored(arrays, load):
    assert load(arrays).labels is None
    names = ["cat", "dog", "Eichhörnchen", "none of these"]
    found = load(arrays | {"labels": np.array(names)})
    assert found.labels == tuple(names)
    assert data.number_of_classes(found) == 4
    (x_train, y_train), _ = found
    assert (len(x_train), y_train.tolist()) == (6, [0, 1, 2, 0, 1, 2])


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (np.array(["cat", "dog"]), "there are 2 names, but 3 classes"),
        (np.array(["cat", "dog", "cat"]), "two classes are called 'cat'"),
        (np.array(["cat", "", "dog"]), "'' is no printable name"),
        (np.array(["cat", "\x1b[2J", "dog"]), "is no printable name"),
        (np.array([["cat", "dog", "cow"]]), r"the shape \(1, 3\), expected names"),
        (np.array(["cat", "dog", None]), "it holds object values"),
        (np.arange(3), "it holds int64 values"),
    ],
)
def test_names_that_do_not_name_the_classes(arrays, load, labels, message):
    with pytest.raises(data.DataError, match=message) as caught:
        load(arrays | {"labels": labels})
    assert "digits.npz" in str(caught.value)


def test_floats_up_to_255_are_refused_rather_than_trained_on(arrays, load):
    arrays["x_test"] = arrays["x_test"].astype(np.float32)
    arrays["x_test"][0, 0, 0] = 255
    with pytest.raises(data.DataError, match="test: floats go up to 255, expected 0 to 1"):
        load(arrays)


def test_a_column_of_labels_is_flattened(arrays, load):
    arrays["y_train"] = arrays["y_train"].astype(np.int32)[:, None]
    (_, y_train), _ = load(arrays)
    assert y_train.tolist() == [0, 1, 2, 0, 1, 2]


@pytest.mark.parametrize(
    ("key", "array", "message"),
    [
        ("y_train", np.zeros(6, np.float32), "train: labels are float32, expected int"),
        ("y_train", np.eye(6, 3, dtype=np.int64), r"labels have shape \(6, 3\), expected \(6,\)"),
        ("y_train", np.zeros(5, np.int64), "train: 6 inputs, but 5 labels"),
        ("y_test", np.array([0, -1, 2]), "test: label -1 is below 0"),
        ("y_test", np.array([0, 2**63, 2], np.uint64), "test: a label is 9223372036854775808"),
        ("x_train", np.zeros((6, 4, 5), np.int64), "train: images must be uint8 .*got int64"),
        ("x_train", np.zeros((6, 20)), r"train: images must be .*got the shape \(6, 20\)"),
        ("x_train", np.zeros((0, 4, 5)), "train: no images"),
        ("x_test", np.full((3, 4, 5), np.nan), "test: images must be finite"),
        ("x_test", np.full((3, 4, 5), 1e39), "test: images must be finite"),
        ("x_test", np.zeros((3, 4, 6)), r"differ in shape .*\(1, 4, 5\) and \(1, 4, 6\)"),
        (
            "x_test",
            np.array([None, 1]),
            r"x_test in \S+ cannot be read: .*it holds object",
        ),
    ],
)
def test_arrays_that_are_not_a_data_set(arrays, load, key, array, message):
    with pytest.raises(data.DataError, match=message) as caught:
        load(arrays | {key: array})
    assert "digits.npz" in str(caught.value)


def test_missing_keys_are_listed(arrays, load):
    del arrays["y_train"], arrays["x_test"]
    with pytest.raises(data.DataError, match="lacks y_train, x_test; it holds x_train, y_test"):
        load(arrays)


@pytest.mark.parametrize("content", [b"", b"<html></html>", b"PK\x03\x04 and no more"])
def test_files_that_are_no_archives(tmp_path, content):
    path = tmp_path / "digits.npz"
    path.write_bytes(content)
    with pytest.raises(data.DataError, match=r"digits\.npz cannot be read: BadZipFile"):
        data.npz_file(path)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(data.DataError, match=r"gone\.npz cannot be read: FileNotFoundError"):
        data.npz_file(tmp_path / "gone.npz")


def test_headers_that_lie(tmp_path, arrays):
    path = tmp_path / "digits.npz"
    for old, new in ((b"(6, 4, 5)", b"(9, 4, 5)"), (b"(6, 4, 5)", b"(2, 4, 5)")):
        with zipfile.ZipFile(path, "w") as archive:
            for key, array in arrays.items():
                content = io.BytesIO()
                np.save(content, array)
                archive.writestr(f"{key}.npy", content.getvalue().replace(old, new))
        with pytest.raises(
            data.DataError, match=r"x_train in \S+digits\.npz cannot be read: .*its header ann"
        ):
            data.npz_file(path)


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_damage_anywhere_is_found_or_harmless(tmp_path, arrays, save):
    """Cut or flip bytes all over a file: a DataError, or the same data, never anything else."""
    intact = io.BytesIO()
    save(intact, **arrays)
    content = intact.getvalue()
    path = tmp_path / "digits.npz"
    path.write_bytes(content)
    expected = data.npz_file(path)
    outcomes = []
    for place in range(0, len(content), 9):
        flipped = bytearray(content)
        flipped[place] ^= 0x5A
        for damaged in (content[:place], bytes(flipped)):
            path.write_bytes(damaged)
            outcomes.append(outcome(path, expected))
    assert set(outcomes) <= {"named", "the same"}
    assert outcomes.count("named") > 0.8 * len(outcomes)


def outcome(path, expected):
    try:
        found = data.npz_file(path)
    except data.DataError as error:
        return "named" if path.name in str(error) else f"not named: {error}"
    pairs = [
        np.array_equal(one, other)
        for part, expected_part in zip(found, expected, strict=True)
        for one, other in zip(part, expected_part, strict=True)
    ]
    return "the same" if all(pairs) else "other data"
