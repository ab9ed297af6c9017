"""What a run has to show, down to the letter."""

import json
import math

import numpy as np
import pytest
from small_runs import NOISE, begun, config_of

import fcnn
from fcnn.pictures import run_pictures
from fcnn.runs.config import RunError, read_json
from fcnn.runs.experiment import train
from fcnn.runs.folder import load_run
from fcnn.runs.plan import make_plan
from fcnn.runs.results import assess, by_class, most_confused, samples
from fcnn.runs.trained import load_trained


def run_on(data, **given):
    config = config_of(data, **{"epochs": 3} | given)
    folder = begun("run", config)
    return folder, train(make_plan(config, data), folder, threads=1)


def test_the_figures_of_a_run():
    folder, result = run_on(NOISE, validation_fraction=0.0)
    saved = json.loads((folder / "metrics.json").read_text())
    assert saved == read_json(folder / "metrics.json")
    assert saved == result.metrics | by_class(result.evaluation)
    run = load_run(folder)
    expected = fcnn.evaluate(run.model, run.params, *NOISE[1])
    assert (saved["test_loss"], saved["test_accuracy"]) == (expected.loss, expected.accuracy)
    assert saved["confusion"] == expected.confusion.tolist()
    assert saved["per_class_accuracy"] == expected.per_class_accuracy.tolist()
    assert (saved["run"], saved["model"], saved["recipe"]) == ("run", "linear", "reference")
    assert (saved["parameters"], saved["epochs"]) == (15, 3)
    for name in ("best_epoch", "validation_loss", "validation_accuracy"):
        assert saved[name] is None
    assert 0 < saved["seconds"] < 60


def test_the_loss_of_a_run_is_that_it_was_trained_with():
    folder, result = run_on(NOISE, label_smoothing=0.5)
    run = load_run(folder)
    loss = fcnn.smoothed_cross_entropy(label_smoothing=0.5)
    expected = fcnn.evaluate(run.model, run.params, *NOISE[1], loss=loss)
    assert result.metrics["test_loss"] == expected.loss


def test_classes_without_test_images_are_null_in_json():
    x, labels = NOISE[1]
    few = labels < 2
    folder, _ = run_on((NOISE[0], (x[few], labels[few])))
    assert read_json(folder / "metrics.json")["per_class_accuracy"][2] is None


def test_labels_that_the_model_does_not_know_are_refused():
    folder, _ = run_on(NOISE)
    x, labels = NOISE[1]
    text = "the data has a label 9, the model tells 3 classes apart, from 0 on"
    with pytest.raises(ValueError, match=text):
        assess(load_trained(folder), (x, np.full_like(labels, 9)), threads=1)


@pytest.mark.parametrize("content", ["", "{", "[]", "[" * 100_000])
def test_damaged_metrics_are_refused(content):
    folder, _ = run_on(NOISE)
    (folder / "metrics.json").write_text(content)
    with pytest.raises(RunError, match=r"metrics.json is not readable as JSON: ."):
        read_json(folder / "metrics.json")


def test_the_most_frequent_confusions_come_first_and_no_more_than_five():
    assert most_confused(np.array([[1496, 4, 0], [1, 7, 5], [0, 4, 9]])) == [
        (1, 2, 5), (0, 1, 4), (2, 1, 4), (1, 0, 1),
    ]  # fmt: skip
    assert most_confused(np.arange(9).reshape(3, 3)) == [
        (2, 1, 7), (2, 0, 6), (1, 2, 5), (1, 0, 3), (0, 2, 2),
    ]  # fmt: skip


def test_equal_confusions_come_in_the_order_of_their_classes():
    assert most_confused(np.ones((10, 10), int)) == [(0, k, 1) for k in (1, 2, 3, 4, 5)]


def test_samples_are_ten_from_the_first_to_the_last():
    labels = np.arange(100) % 3
    probabilities = np.full((100, 3), 0.25)
    probabilities[:, 1] = 0.5
    found = samples(labels, probabilities)
    assert [sample["image"] for sample in found] == [0, 11, 22, 33, 44, 55, 66, 77, 88, 99]
    assert found[1] == {"image": 11, "true": 2, "predicted": 1, "confidence": 0.5}
    assert [sample["image"] for sample in samples(labels[:2], probabilities[:2])] == [0, 1]


@pytest.mark.parametrize("fraction", [0.0, 0.2])
def test_the_pictures_are_drawn_of_what_the_run_has(monkeypatch, fraction):
    told = {}
    monkeypatch.setattr(run_pictures, "available", lambda: True)
    monkeypatch.setattr(run_pictures, "save_pictures", lambda folder, **given: told.update(given))
    _, result = run_on(NOISE, validation_fraction=fraction)
    assert told["best"] == result.metrics["best_epoch"]
    assert [record.epoch for record in told["history"]] == [1, 2, 3]
    for record in told["history"]:
        assert math.isfinite(record.validation_loss if fraction else record.test_loss)
        assert (record.test_loss if fraction else record.validation_loss) is None
    assert told["kernels"] is None
    assert told["run"] == "run"
    assert np.array_equal(told["confusion"], result.evaluation.confusion)
    assert told["images"] is NOISE[1][0]
    assert told["labels"] is NOISE[1][1]
    assert np.allclose(told["probabilities"].sum(1), 1)
