"""The pictures of a run: written, valid, and drawn without a warning for every odd run."""

import struct
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from fcnn.pictures import run_pictures as pictures

NAMES = ["training.png", "confusion.png", "mistakes.png", "filters.png"]


def run(
    *, n=40, classes=10, channels=1, epochs=5, test=True, mistakes=7, kernels=(8, 1, 3, 3), size=8
):
    """The arguments of `save_pictures` for a made-up run."""
    rng = np.random.default_rng(0)
    labels = np.arange(n) % classes
    predicted = labels.copy()
    predicted[:mistakes] = (predicted[:mistakes] + 1) % classes
    probabilities = rng.random((n, classes)) / classes
    probabilities[np.arange(n), predicted] += 1
    confusion = np.zeros((classes, classes), np.int64)
    np.add.at(confusion, (labels, predicted), 1)
    history = [
        SimpleNamespace(
            epoch=epoch,
            train_loss=1 / epoch,
            train_accuracy=1 - 0.5 / epoch,
            test_loss=1.1 / epoch if test else None,
            test_accuracy=1 - 0.6 / epoch if test else None,
        )
        for epoch in range(1, epochs + 1)
    ]
    return {
        "history": history,
        "confusion": confusion,
        "images": rng.random((n, channels, size, size), dtype=np.float32),
        "labels": labels,
        "probabilities": probabilities / probabilities.sum(axis=1, keepdims=True),
        "kernels": None if kernels is None else rng.normal(size=kernels).astype(np.float32),
    }


def png_size(path):
    data = path.read_bytes()
    assert data.startswith(b"\x89PNG\r\n\x1a\n")
    assert data.endswith(b"IEND\xaeB`\x82")
    assert len(data) < 200_000
    return struct.unpack(">II", data[16:24])


def texts(figure):
    """Everything that a picture says."""
    parts = [figure, *figure.axes]
    return [text.get_text() for part in parts for text in part.texts if text.get_text()]


@pytest.mark.parametrize(
    "options",
    [
        pytest.param({}, id="as usual"),
        pytest.param({"mistakes": 0, "epochs": 1}, id="no mistakes, one epoch"),
        pytest.param({"mistakes": 40, "epochs": 60}, id="only mistakes, many epochs"),
        pytest.param({"classes": 2, "test": False}, id="two classes, no test"),
        pytest.param({"classes": 3, "mistakes": 1, "channels": 3, "kernels": (6, 3, 5, 5)}, id="3"),
        pytest.param({"classes": 47, "channels": 2, "kernels": (70, 2, 1, 3)}, id="47 classes"),
        pytest.param({"n": 1, "mistakes": 1, "kernels": (1, 12, 4, 2)}, id="one image"),
    ],
)
def test_pictures_are_written_and_inputs_left_alone(tmp_path, options):
    arguments = run(**options)
    arrays = {k: v.copy() for k, v in arguments.items() if isinstance(v, np.ndarray)}
    for name in arrays:
        arguments[name].flags.writeable = False

    paths = pictures.save_pictures(tmp_path / "a" / "b", **arguments)

    assert paths == [tmp_path / "a" / "b" / name for name in NAMES]
    for path in paths:
        width, height = png_size(path)
        assert 250 <= width <= 1300
        assert 150 <= height <= 1300
    for name, array in arrays.items():
        np.testing.assert_array_equal(arguments[name], array)


def test_what_does_not_exist_is_not_drawn(tmp_path):
    arguments = run(n=0, mistakes=0, epochs=0, kernels=None)
    assert pictures.save_pictures(tmp_path, **arguments) == [tmp_path / "confusion.png"]


def test_a_run_that_diverged_is_drawn(tmp_path):
    arguments = run()
    for value, record in zip((2.0, np.inf, np.nan), arguments["history"], strict=False):
        record.train_loss = record.test_loss = value
    for name in ("probabilities", "kernels"):
        arguments[name][:] = np.nan
    assert len(pictures.save_pictures(tmp_path, **arguments)) == 4


def test_same_run_same_bytes(tmp_path):
    first = pictures.save_pictures(tmp_path / "1", **run())
    second = pictures.save_pictures(tmp_path / "2", **run())
    assert [a.read_bytes() for a in first] == [b.read_bytes() for b in second]
    assert b"matplotlib" not in first[0].read_bytes().lower()


def legend(figure):
    (legend,) = figure.legends
    return [text.get_text() for text in legend.get_texts()]


def test_the_curves_of_a_run_end_with_its_test():
    figure = pictures._training(run(epochs=3)["history"], "test", None)
    assert texts(figure) == ["Test accuracy 80.00% after epoch 3"]
    assert legend(figure) == ["train (mean over the epoch)", "test (after the epoch)"]


def test_the_curves_of_a_run_with_a_validation_set_say_so_and_which_epoch_was_kept():
    figure = pictures._training(run(epochs=3)["history"], "validation", 2)
    assert texts(figure) == ["Validation accuracy 70.00% after epoch 2, which was kept"]
    assert legend(figure) == [
        "train (mean over the epoch)", "validation (after the epoch)", "kept",
    ]  # fmt: skip
    for axes in figure.axes[0].child_axes:
        assert axes.get_lines()[-1].get_xdata() == [2, 2]


@pytest.mark.parametrize("epochs", [1, 20, 400])
@pytest.mark.parametrize("best", [None, 1])
def test_nothing_overlaps_above_the_curves(epochs, best):
    figure = pictures._training(run(epochs=epochs)["history"], "validation", best)
    figure.draw_without_rendering()
    loss, accuracy = figure.axes[0].child_axes
    boxes = [
        part.get_window_extent()
        for part in (figure.texts[0], figure.legends[0], loss._left_title, accuracy._left_title)
    ]
    for i, box in enumerate(boxes):
        assert figure.bbox.fully_containsx(box.x0)
        assert figure.bbox.fully_containsx(box.x1)
        assert not any(box.overlaps(other) for other in boxes[:i])


def test_mistakes_come_most_confident_first():
    images, labels = np.zeros((4, 1, 2, 2)), np.array([0, 1, 0, 1])
    probabilities = np.array([[0.4, 0.6], [0.8, 0.2], [0.9, 0.1], [0.1, 0.9]])
    title, _, *captions = texts(pictures._mistakes(images, labels, probabilities))
    assert title == "2 mistakes among 4 test images"
    assert captions == ["true 1\npredicted 0 (80.0%)", "true 0\npredicted 1 (60.0%)"]


def test_without_mistakes_the_least_confident_come_first():
    images, labels = np.zeros((3, 1, 2, 2)), np.array([0, 1, 0])
    probabilities = np.array([[0.9, 0.1], [0.3, 0.7], [0.6, 0.4]])
    title, _, *captions = texts(pictures._mistakes(images, labels, probabilities))
    assert title == "No mistakes among 3 test images"
    assert captions == ["predicted 0 (60.0%)", "predicted 1 (70.0%)", "predicted 0 (90.0%)"]


def test_confusion_with_a_class_that_never_occurs():
    title, note, *counts = texts(pictures._confusion(np.array([[5, 1, 0], [0, 0, 0], [0, 2, 7]])))
    assert title == "12 of 15 test images right"
    assert "mistaken" in note
    assert counts == ["5", "1", "0", "2", "7"]


def test_filters_say_how_many_are_left_out():
    title, *_ = texts(pictures._filters(np.ones((100, 1, 3, 3))))
    assert title == "The first 64 of 100 first-layer kernels, 36 left out"


@pytest.mark.parametrize(
    ("channels", "expected"), [(1, [0.5] * 3), (2, [0.5] * 3), (3, [0, 0.5, 1])]
)
def test_channels_become_grey_or_colour(channels, expected):
    image = np.linspace(0, 1, channels) if channels > 1 else np.array([0.5])
    shown = pictures._displayable(image.reshape(1, channels, 1, 1))
    np.testing.assert_allclose(shown, np.reshape(expected, (1, 1, 1, 3)))


def test_images_outside_the_unit_interval_are_rescaled_together():
    shown = pictures._displayable(np.array([-1.0, 0.0, 3.0]).reshape(3, 1, 1, 1))
    np.testing.assert_allclose(shown[:, 0, 0, 0], [0, 0.25, 1])


def test_matplotlib_comes_late_and_pyplot_never(tmp_path):
    code = """
import sys
import numpy as np
from fcnn import pictures
assert pictures.available()
assert "matplotlib" not in sys.modules
eye = np.eye(2)
pictures.save_pictures(sys.argv[1], history=[], confusion=np.eye(2, dtype=int),
    images=np.zeros((2, 1, 2, 2)), labels=np.arange(2), probabilities=eye, kernels=None)
assert "matplotlib.pyplot" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True)


def test_available_says_no_without_matplotlib(monkeypatch):
    monkeypatch.setattr(pictures.importlib.util, "find_spec", lambda name: None)
    assert not pictures.available()
