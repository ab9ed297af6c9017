"""The pictures of a run: written, valid, and drawn without a warning for every odd run."""

import os
import struct
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import fcnn
from fcnn.pictures import (
    activations,
    confusion_matrix,
    filters,
    mistakes,
    run_pictures,
    training_curves,
)
from fcnn.pictures.mistaken_images import as_rgb
from fcnn.pictures.run_pictures import available, save_pictures, save_predictions
from fcnn.pictures.seen import predictions

NAMES = ["training.png", "confusion.png", "mistakes.png", "filters.png"]


def history(epochs, *held_out):
    """Made-up records of a run; its accuracies in validation are below those of its test."""
    records = []
    for epoch in range(1, epochs + 1):
        record = SimpleNamespace(epoch=epoch, train_loss=1 / epoch, train_accuracy=1 - 0.5 / epoch)
        for part, share in (("test", 0.6), ("validation", 0.8)):
            there = part in held_out
            setattr(record, f"{part}_loss", 1.1 / epoch if there else None)
            setattr(record, f"{part}_accuracy", 1 - share / epoch if there else None)
        records.append(record)
    return records


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
    return {
        "history": history(epochs, "test") if test else history(epochs),
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

    paths = save_pictures(tmp_path / "a" / "b", **arguments)

    assert paths == [tmp_path / "a" / "b" / name for name in NAMES]
    for path in paths:
        width, height = png_size(path)
        assert 250 <= width <= 1300
        assert 150 <= height <= 1300
    for name, array in arrays.items():
        np.testing.assert_array_equal(arguments[name], array)


def test_what_does_not_exist_is_not_drawn(tmp_path):
    arguments = run(n=0, mistakes=0, epochs=0, kernels=None)
    assert save_pictures(tmp_path, **arguments) == [tmp_path / "confusion.png"]


def test_a_run_that_diverged_is_drawn(tmp_path):
    arguments = run()
    for value, record in zip((2.0, np.inf, np.nan), arguments["history"], strict=False):
        record.train_loss = record.test_loss = value
    for name in ("probabilities", "kernels"):
        arguments[name][:] = np.nan
    assert len(save_pictures(tmp_path, **arguments)) == 4


def test_same_run_same_bytes(tmp_path):
    first = save_pictures(tmp_path / "1", **run())
    second = save_pictures(tmp_path / "2", **run())
    assert [a.read_bytes() for a in first] == [b.read_bytes() for b in second]
    assert b"matplotlib" not in first[0].read_bytes().lower()


def legend(figure):
    (legend,) = figure.legends
    return [text.get_text() for text in legend.get_texts()]


def test_the_curves_of_a_run_end_with_its_test():
    figure = training_curves(history(3, "test"))
    assert texts(figure) == ["Test accuracy 80.00% after epoch 3"]
    assert legend(figure) == ["train (mean over the epoch)", "test (after the epoch)"]


def test_the_curves_of_a_run_with_a_validation_set_say_so_and_which_epoch_was_kept():
    figure = training_curves(history(3, "validation"), best=2)
    assert texts(figure) == ["Validation accuracy 60.00% after epoch 2, which was kept"]
    assert legend(figure) == [
        "train (mean over the epoch)", "validation (after the epoch)", "kept",
    ]  # fmt: skip
    for axes in figure.axes[0].child_axes:
        assert axes.get_lines()[-1].get_xdata() == [2, 2]


def test_validation_and_test_have_curves_of_their_own():
    figure = training_curves(history(2, "validation", "test"))
    assert texts(figure) == ["Test accuracy 70.00% after epoch 2"]
    _, accuracy = figure.axes[0].child_axes
    curves = {line.get_label().split()[0]: line for line in accuracy.get_lines()}
    assert curves["validation"].get_ydata() == pytest.approx([0.2, 0.6])
    assert curves["test"].get_ydata() == pytest.approx([0.4, 0.7])
    assert len({line.get_color() for line in curves.values()}) == 3


def test_without_classes_the_loss_speaks():
    records = history(3, "test")
    for record in records:
        record.train_accuracy = record.test_accuracy = None
    assert texts(training_curves(records)) == ["Training loss 0.3333 in epoch 3"]


def test_without_held_out_images_the_training_speaks():
    figure = training_curves(history(2))
    assert texts(figure) == ["Training accuracy 75.00% in epoch 2"]
    assert legend(figure) == ["train (mean over the epoch)"]


@pytest.mark.parametrize("epochs", [1, 20, 400])
@pytest.mark.parametrize("best", [None, 1])
@pytest.mark.parametrize("held_out", [["validation"], ["validation", "test"]], ids="+".join)
def test_nothing_overlaps_above_the_curves(epochs, best, held_out):
    figure = training_curves(history(epochs, *held_out), best=best)
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
    title, _, *captions = texts(mistakes(images, labels, probabilities))
    assert title == "2 mistakes among 4 test images"
    assert captions == ["true 1\npredicted 0 (80.0%)", "true 0\npredicted 1 (60.0%)"]


def test_without_mistakes_the_least_confident_come_first():
    images, labels = np.zeros((3, 1, 2, 2)), np.array([0, 1, 0])
    probabilities = np.array([[0.9, 0.1], [0.3, 0.7], [0.6, 0.4]])
    title, _, *captions = texts(mistakes(images, labels, probabilities))
    assert title == "No mistakes among 3 test images"
    assert captions == ["predicted 0 (60.0%)", "predicted 1 (70.0%)", "predicted 0 (90.0%)"]


def test_confusion_with_a_class_that_never_occurs():
    title, note, *counts = texts(confusion_matrix(np.array([[5, 1, 0], [0, 0, 0], [0, 2, 7]])))
    assert title == "12 of 15 test images right"
    assert "mistaken" in note
    assert counts == ["5", "1", "0", "2", "7"]


def test_filters_say_how_many_are_left_out():
    title, *_ = texts(filters(np.ones((100, 1, 3, 3))))
    assert title == "The first 64 of 100 first-layer kernels, 36 left out"


@pytest.mark.parametrize(
    ("channels", "expected"), [(1, [0.5] * 3), (2, [0.5] * 3), (3, [0, 0.5, 1])]
)
def test_channels_become_grey_or_colour(channels, expected):
    image = np.linspace(0, 1, channels) if channels > 1 else np.array([0.5])
    shown = as_rgb(image.reshape(1, channels, 1, 1))
    np.testing.assert_allclose(shown, np.reshape(expected, (1, 1, 1, 3)))


def test_images_outside_the_unit_interval_are_rescaled_together():
    shown = as_rgb(np.array([-1.0, 0.0, 3.0]).reshape(3, 1, 1, 1))
    np.testing.assert_allclose(shown[:, 0, 0, 0], [0, 0.25, 1])


def test_anyone_s_settings_leave_the_pictures_alone(tmp_path):
    import matplotlib as mpl

    first = save_pictures(tmp_path / "1", **run())
    with mpl.rc_context({"font.size": 20, "axes.spines.top": True, "image.cmap": "hot"}):
        second = save_pictures(tmp_path / "2", **run())
    assert [a.read_bytes() for a in first] == [b.read_bytes() for b in second]


def test_matplotlib_comes_late_and_pyplot_never(tmp_path):
    code = """
import sys
import numpy as np
from fcnn.pictures.run_pictures import available, save_pictures
assert available()
assert "matplotlib" not in sys.modules
eye = np.eye(2)
save_pictures(sys.argv[1], history=[], confusion=np.eye(2, dtype=int),
    images=np.zeros((2, 1, 2, 2)), labels=np.arange(2), probabilities=eye, kernels=None)
assert "matplotlib.pyplot" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True)


def test_available_says_no_without_matplotlib(monkeypatch):
    monkeypatch.setattr(run_pictures.importlib.util, "find_spec", lambda name: None)
    assert not available()


def test_a_matplotlib_that_cannot_be_imported_is_an_import_error_that_says_why(tmp_path):
    code = """
import sys
import numpy as np
from fcnn.pictures.run_pictures import save_pictures
try:
    save_pictures(sys.argv[1], history=[], confusion=np.eye(2, dtype=int),
        images=np.zeros((2, 1, 2, 2)), labels=np.arange(2), probabilities=np.eye(2), kernels=None)
except ImportError as error:
    print(error)
"""
    told = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "run")],
        env=os.environ | {"MPLBACKEND": "bogus"}, check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip
    assert told.startswith("matplotlib cannot be imported: Key backend: 'bogus' is not a valid")
    assert not (tmp_path / "run").exists()


def test_a_picture_that_cannot_be_written_leaves_the_old_one(tmp_path, monkeypatch):
    (tmp_path / "confusion.png").write_bytes(b"old")

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match=r"cannot write .*confusion.png: No space left"):
        save_pictures(tmp_path, **run(epochs=0))
    assert [path.name for path in tmp_path.iterdir()] == ["confusion.png"]
    assert (tmp_path / "confusion.png").read_bytes() == b"old"


def test_the_axis_of_accuracies_shows_what_matters_at_the_end():
    records = history(30, "test")
    for record, late in zip(records, np.linspace(0.98, 0.99, 30), strict=True):
        record.train_accuracy = record.test_accuracy = late if record.epoch > 5 else 0.1
    _, accuracy = training_curves(records).axes[0].child_axes
    low, high = accuracy.get_ylim()
    assert 0.97 < low < 0.983
    assert 0.99 < high < 1
    for record in records:
        record.train_accuracy = record.test_accuracy = 1.0
    _, accuracy = training_curves(records).axes[0].child_axes
    low, high = accuracy.get_ylim()
    assert high - low >= 0.005
    assert low < 1 <= high < 1.001


def test_the_curves_of_a_run_are_those_of_its_records():
    records = history(3, "validation")
    run = SimpleNamespace(history=records, best_epoch=2, folder=Path("runs/lines-1"))
    title, name = texts(training_curves(run))
    assert title == "Validation accuracy 60.00% after epoch 2, which was kept"
    assert name == "lines-1"


def test_pictures_name_their_run():
    arguments = run()
    images, labels, probabilities = (arguments[k] for k in ("images", "labels", "probabilities"))
    for figure in (
        training_curves(history(3), run="mine-3"),
        confusion_matrix(arguments["confusion"], run="mine-3"),
        mistakes(images, labels, probabilities, run="mine-3"),
        filters(arguments["kernels"], run="mine-3"),
        predictions(["0.png"], images[:1], [{"5": 0.75}], run="mine-3"),
    ):
        figure.draw_without_rendering()
        (name,) = [text for text in figure.texts if text.get_text() == "mine-3"]
        box, title = name.get_window_extent(), figure.texts[0].get_window_extent()
        assert figure.bbox.fully_containsx(box.x1)
        assert not box.overlaps(title)


def test_mistakes_that_are_left_out_are_counted():
    images, labels = np.zeros((51, 1, 2, 2)), np.zeros(51, int)
    title, note, *captions = texts(mistakes(images, labels, np.tile([0.0, 1.0], (51, 1))))
    assert title == "51 mistakes among 51 test images"
    assert note.startswith("24 of 51, the most confident first: ")
    assert len(captions) == 24


def test_large_counts_are_written_as_elsewhere():
    assert texts(confusion_matrix(np.diag([1500, 20])))[2:] == ["1,500", "20"]


def test_activations_go_layer_by_layer():
    model = fcnn.chain(
        fcnn.chain(fcnn.conv2d(12), fcnn.relu),
        fcnn.residual(fcnn.relu),
        fcnn.flatten,
        fcnn.dense(3),
    )
    params, _ = model.init(np.random.default_rng(0), (2, 6, 4))
    image = np.random.default_rng(0).random((2, 6, 4), np.float32)
    figure = activations(model, params, image, run="mine")
    *_, name = [text.get_text() for text in figure.texts]
    assert name == "mine"
    assert [text.get_text() for text in figure.axes[0].texts if text.get_text()] == [
        "the image   2x6x4",
        "[0][0] conv2d(12, 3)   12x4x2, the first 10 channels",
        "[0][1] relu   12x4x2, the first 10 channels",
        "[1] residual(relu)   12x4x2, the first 10 channels",
        "[2] flatten   96",
        "[3] dense(3)   3",
        "0", "1", "2",
    ]  # fmt: skip
    *_, logits = figure.axes[0].images
    y = fcnn.predict(model, params, image[None])[0]
    low, high = y.min(initial=0), y.max(initial=0)
    np.testing.assert_allclose(logits.get_array()[0], (y - low) / (high - low), rtol=1e-4)
    broken = fcnn.tree.map(lambda leaf: np.full_like(leaf, np.nan), params)
    activations(model, broken, image).draw_without_rendering()


def test_activations_want_one_image():
    model = fcnn.models.linear(3)
    params, _ = model.init(np.random.default_rng(0), (1, 4, 4))
    with pytest.raises(ValueError, match="activations: image"):
        activations(model, params, np.zeros((1, 1, 4, 4), np.float32))
    with pytest.raises(TypeError, match="activations: model"):
        activations(fcnn.relu_forward, params, np.zeros((1, 4, 4), np.float32))


def test_the_room_is_there_without_matplotlib(tmp_path):
    code = """
import sys
sys.modules["matplotlib"] = None
import fcnn
print(*dir(fcnn.pictures))
try:
    fcnn.pictures.filters
except ImportError as error:
    print(error)
"""
    told = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    names, why = told.stdout.splitlines()
    assert names == "activations confusion_matrix filters mistakes training_curves"
    assert why.startswith("fcnn.pictures.filters needs matplotlib")
    assert why.endswith("pip install 'fcnn[pictures]'")


NAMED = ["cat", "a name that is longer than any room", "$pider_1$", "dog"]


def test_classes_are_called_by_their_names(tmp_path):
    arguments = run(classes=4, mistakes=6)
    assert len(save_pictures(tmp_path, **arguments, names=NAMED)) == 4
    figure = confusion_matrix(arguments["confusion"], NAMED)
    (axes, _) = figure.axes
    shown = ["cat", "a name that is lo…", r"\$pider_1\$", "dog"]
    for axis in (axes.xaxis, axes.yaxis):
        assert [label.get_text() for label in axis.get_ticklabels()] == shown
    figure.draw_without_rendering()
    assert figure.bbox.fully_contains(*axes.get_tightbbox().min)
    images, labels = np.zeros((2, 1, 2, 2)), np.array([0, 1])
    probabilities = np.array([[0.25, 0.75, 0, 0], [0.75, 0.25, 0, 0]])
    _, _, *captions = texts(mistakes(images, labels, probabilities, NAMED))
    assert captions == ["true cat\npredicted a name that…\n(75.0%)",
                        "true a name that…\npredicted cat\n(75.0%)"]  # fmt: skip


@pytest.mark.parametrize("n", [1, 4, 60])
def test_what_the_network_saw_stands_beside_its_answers(tmp_path, n):
    images = [np.full((3, 4, 6), k / n, np.float32) for k in range(n)]
    files = [f"folder/picture{k}.png" for k in range(n)]
    answers = [{"$5": 0.75, "6": 0.125, "7": 0.0625}] * n
    figure = predictions(files, images, answers)
    _, note, *said = texts(figure)
    assert said[:4] == ["picture0.png", r"\$5  75.0%", "6  12.5%", "7  6.2%"]
    assert len(said) == 4 * min(n, 48)
    assert ("the first 48" in note) == (n == 60)
    path = save_predictions(
        tmp_path / "predictions.png", files=files, images=images, probabilities=answers
    )
    assert path.read_bytes().startswith(b"\x89PNG")
