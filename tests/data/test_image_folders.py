"""image_folder: a sub-folder of pictures for each class."""

import numpy as np
import pytest
from PIL import Image

from fcnn import data


def save(folder, name, colour, mode="RGB", size=(6, 4)):
    folder.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, colour).save(folder / name)


@pytest.fixture
def folder(tmp_path):
    """Five red cats and ten blue dogs."""
    for i in range(10):
        if i < 5:
            save(tmp_path / "pets" / "cat", f"{i}.png", (250 + i, 0, 0))
        save(tmp_path / "pets" / "dog", f"{i}.png", (0, 0, 240 + i))
    return tmp_path / "pets"


def test_each_class_is_split_by_the_seed(folder):
    found = data.image_folder(folder)
    (x_train, y_train), (x_test, y_test) = found
    assert found.labels == ("cat", "dog")
    assert (x_train.shape, x_test.shape) == ((12, 3, 4, 6), (3, 3, 4, 6))
    assert (x_train.dtype, y_train.dtype) == (np.float32, np.int64)
    assert (np.bincount(y_train).tolist(), np.bincount(y_test).tolist()) == ([4, 8], [1, 2])
    assert (x_train[:, 0, 0, 0] > 0.9).tolist() == (y_train == 0).tolist()
    every = np.concatenate([x_train, x_test])[:, :, 0, 0].sum(1)
    assert len(set(every.tolist())) == 15  # each picture once
    again = data.image_folder(folder)
    assert np.array_equal(again[1][0], x_test)
    drawn = {data.image_folder(folder, seed=seed)[1][0].tobytes() for seed in range(5)}
    assert len(drawn) > 1
    assert len(data.image_folder(folder, test_fraction=0.4)[1][0]) == 6


def test_train_and_test_are_taken_as_they_are(tmp_path):
    for part, count in (("train", 3), ("test", 2)):
        for i in range(count):
            save(tmp_path / part / "a", f"{i}.png", (i, 0, 0))
            save(tmp_path / part / "b", f"{i}.png", (i, 255, 0))
    save(tmp_path / ".cache", "0.png", 0, "L")
    save(tmp_path / "train" / "a" / ".hidden", "0.png", 0, "L")
    found = data.image_folder(tmp_path)
    assert found.labels == ("a", "b")
    assert [labels.tolist() for _, labels in found] == [[0, 0, 0, 1, 1, 1], [0, 0, 1, 1]]
    save(tmp_path / "test" / "c", "0.png", 0, "L")
    with pytest.raises(data.DataError, match=r"test/ has c, which train/ has not"):
        data.image_folder(tmp_path)


def test_a_class_without_pictures_is_told(folder, tmp_path):
    (folder / "__MACOSX").mkdir()
    with pytest.raises(data.DataError, match="__MACOSX/ holds no pictures to train with"):
        data.image_folder(folder)
    for part in ("train", "test"):
        save(tmp_path / "parted" / part / "a", "0.png", 0)
    save(tmp_path / "parted" / "test" / "b", "0.png", 0)
    (tmp_path / "parted" / "train" / "b").mkdir()
    with pytest.raises(data.DataError, match="train: b/ holds no pictures to train with"):
        data.image_folder(tmp_path / "parted")


@pytest.mark.parametrize("parts", [["train"], ["train", "val"], ["TRAIN", "TEST"], ["all"]])
def test_folders_where_pictures_should_lie_are_told(parts, tmp_path):
    for part in parts:
        save(tmp_path / part / "a", "0.png", 0)
    message = rf"{min(parts)}.a is a folder, where pictures of {min(parts)} are expected; classes"
    with pytest.raises(data.DataError, match=message):
        data.image_folder(tmp_path)


def test_sizes_that_differ_need_one_that_is_asked_for(folder):
    save(folder / "cat", "large.png", (255, 0, 0), size=(12, 8))
    with pytest.raises(data.DataError, match=r"differ in size: .*0.png has \(4, 6\), .*large.png"):
        data.image_folder(folder)
    (x_train, _), (x_test, _) = data.image_folder(folder, size=(3, 5))
    assert x_train.shape[1:] == x_test.shape[1:] == (3, 3, 5)
    assert data.load(folder, size=2)[0][0].shape[1:] == (3, 2, 2)


def test_channels_are_those_of_the_pictures_or_those_that_are_asked_for(tmp_path):
    for i in range(5):
        save(tmp_path / "grey", f"{i}.png", 100 + i, "L")
        save(tmp_path / "clear", f"{i}.png", (0, 0), "LA")
    (x, labels), _ = data.image_folder(tmp_path)
    assert x.shape[1] == 1
    assert (x[labels == 0] == 1).all()  # shown on white
    assert data.image_folder(tmp_path, channels=4)[0][0][0, :, 0, 0].tolist() == [0, 0, 0, 0]
    save(tmp_path / "grey", "red.jpg", (255, 0, 0))
    assert data.image_folder(tmp_path)[0][0].shape[1] == 3


def test_pictures_lie_as_they_are_meant_to_be_seen(tmp_path):
    turned = Image.new("L", (6, 4))
    turned.putpixel((0, 0), 255)
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by a quarter, clockwise
    for name in ("0.png", "1.png"):
        (tmp_path / "a").mkdir(exist_ok=True)
        turned.save(tmp_path / "a" / name, exif=exif)
    (x, _), _ = data.image_folder(tmp_path, test_fraction=0.5)
    assert x.shape == (1, 1, 6, 4)
    assert x[0, 0, 0].tolist() == [0, 0, 0, 1]


def test_folders_are_told_apart_by_what_is_in_them(folder, tmp_path):
    assert data.load(folder, seed=3).labels == ("cat", "dog")
    drawn = data.image_folder(folder, seed=3)
    assert np.array_equal(data.load(str(folder), seed=3)[1][0], drawn[1][0])
    (folder / "train-images-idx3-ubyte").write_bytes(b"")
    with pytest.raises(data.DataError, match=r"idx_folder: .* holds no complete set"):
        data.load(folder)


def test_damaged_files_and_wrong_folders_are_told(folder, tmp_path):
    (folder / "cat" / "notes.txt").write_text("no picture")
    with pytest.raises(data.DataError, match=r"notes\.txt cannot be read: UnidentifiedImageError"):
        data.image_folder(folder)
    (tmp_path / "none" / "cat").mkdir(parents=True)
    for place in (tmp_path / "none", tmp_path / "none" / "cat"):
        with pytest.raises(data.DataError, match=r"holds no pictures; expected a sub-folder for"):
            data.image_folder(place)
    with pytest.raises(data.DataError, match=r"nowhere cannot be read: FileNotFoundError"):
        data.image_folder("nowhere")
    save(tmp_path / "none" / "cat", "0.png", 0, "L")
    with pytest.raises(data.DataError, match="0 of 1 pictures would be for testing"):
        data.image_folder(tmp_path / "none")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"size": 0}, "size is 0, expected at least 1"),
        ({"channels": 2}, "channels is 2, expected 1, 3 or 4"),
        ({"test_fraction": 1}, "test_fraction is 1.0, expected at least 0 and below 1"),
        ({"seed": -1}, "seed is -1, expected at least 0"),
    ],
)
def test_wrong_settings_are_told(folder, given, message):
    with pytest.raises(ValueError, match=f"image_folder: {message}"):
        data.image_folder(folder, **given)


def test_without_pillow_there_is_a_word_on_what_to_install(folder, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "PIL", None)
    for call in (lambda: data.image_folder(folder), lambda: data.as_mnist("five.png")):
        with pytest.raises(ImportError, match=r"pictures need Pillow, .* pip install pillow"):
            call()
