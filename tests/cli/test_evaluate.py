"""`fcnn evaluate`: a trained network again."""

import json
from pathlib import Path

import numpy as np
from commands import call
from PIL import Image

import fcnn

LINEAR = ["--data", "synthetic", "--recipe", "reference", "--model", "linear", "--epochs", 2]


def test_the_evaluation_is_repeated_with_ten_samples():
    metrics = json.loads(call("train", *LINEAR, "--seed", 3, "--json").stdout)
    text = call("evaluate", metrics["run"]).stdout
    assert f"Final Test Accuracy: {metrics['test_accuracy']:.2%}" in text
    assert f"Final Test Loss: {metrics['test_loss']:.4f}" in text
    assert len(text.split("Sample predictions\n")[1].splitlines()) == 11
    result = json.loads(call("evaluate", metrics["run"], "--json").stdout)
    assert result["test_loss"] == metrics["test_loss"]  # on data with the noise of seed 3
    assert len(result["samples"]) == 10
    assert result["samples"][0].keys() == {"image", "true", "predicted", "confidence"}
    assert result.keys() == {"run", "model", "data", "parameters", "test_loss", "test_accuracy",
                             "per_class_accuracy", "confusion", "samples", "seconds"}  # fmt: skip


def test_other_data_is_evaluated_on_if_the_model_knows_its_labels():
    run = json.loads(call("train", *LINEAR, "--json").stdout)["run"]
    result = json.loads(call("evaluate", run, "--data", "synthetic", "--json").stdout)
    loaded = fcnn.load_run(run)
    _, test = fcnn.data.synthetic_lines(0)
    assert result["test_loss"] == fcnn.evaluate(loaded.model, loaded.params, *test).loss
    assert "has a label 9" in call("evaluate", run, "--data", "mnist5k", code=2).stderr


def test_a_file_of_a_model_is_evaluated_on_the_data_that_is_given():
    metrics = json.loads(call("train", *LINEAR, "--json").stdout)
    run = fcnn.load_run(metrics["run"])
    fcnn.save_model("lines.npz", run.model, run.params, (1, 14, 14))
    found = json.loads(call("evaluate", "lines.npz", "--data", "synthetic", "--json").stdout)
    assert found["test_loss"] == metrics["test_loss"]
    assert found.keys() == {"run", "model", "data", "parameters", "test_loss", "test_accuracy",
                            "per_class_accuracy", "confusion", "samples", "seconds"}  # fmt: skip
    assert (found["run"], found["model"]) == ("lines.npz", "chain(flatten, dense(3))")
    text = call("evaluate", "lines.npz", "--data", "synthetic").stdout
    assert f"Final Test Accuracy: {metrics['test_accuracy']:.2%}" in text
    told = call("evaluate", "lines.npz", code=2).stderr
    assert told == "fcnn: lines.npz is a file of save_model, which names no data: give --data\n"
    assert "a label 9, the model tells 3" in call(
        "evaluate", "lines.npz", "--data", "mnist5k", code=2
    ).stderr  # fmt: skip


def test_a_file_brings_its_labels_and_its_dtype():
    run = json.loads(call("train", *LINEAR, "--json").stdout)["run"]
    loaded = fcnn.load_run(run)
    wide = fcnn.tree.map(lambda p: p.astype(np.float64), loaded.params)
    names = ["across", "down", "both"]
    fcnn.save_model("lines.npz", loaded.model, wide, (1, 14, 14), labels=names)
    (x, y), test = fcnn.data.synthetic_lines(0)
    np.savez("own.npz", x_train=x, y_train=y, x_test=test[0], y_test=2 - test[1],
             labels=names[::-1])  # fmt: skip
    found = json.loads(call("evaluate", "lines.npz", "--data", "own.npz", "--json").stdout)
    assert found["labels"] == names
    expected = fcnn.evaluate(loaded.model, wide, test[0].astype(np.float64), test[1])
    assert found["test_loss"] == expected.loss


def test_pictures_are_resized_to_what_a_file_expects():
    for name in ("a", "b"):
        Path("pictures", name).mkdir(parents=True)
        for i in range(5):
            Image.new("L", (9, 7), i).save(f"pictures/{name}/{i}.png")
    model = fcnn.models.linear(2)
    params, _ = model.init(np.random.default_rng(0), (1, 4, 5))
    fcnn.save_model("tiny.npz", model, params, (1, 4, 5))
    assert "Final Test" in call("evaluate", "tiny.npz", "--data", "pictures").stdout


def test_outputs_that_are_no_classes_are_refused():
    fcnn.save_model("relu.npz", fcnn.relu, (), (1, 14, 14))
    told = call("evaluate", "relu.npz", "--data", "synthetic", code=2).stderr
    assert told == (
        "fcnn: relu.npz: the model gives outputs (1, 14, 14), expected a number for each class\n"
    )


def test_outputs_without_a_name_have_their_number():
    model = fcnn.chain(fcnn.flatten, fcnn.dense(5))
    params, _ = model.init(np.random.default_rng(0), (1, 14, 14))
    bias = np.array([0, 0, 0, 0, 99], np.float32)
    params = ((), fcnn.DenseParams(params[1].w, bias))
    fcnn.save_model("five.npz", model, params, (1, 14, 14), labels=["a", "b", "c"])
    lines = call("evaluate", "five.npz", "--data", "synthetic").stdout.splitlines()
    assert ["a", "4", "50"] in [line.split() for line in lines]
    assert ["0", "a", "4", "100.0%", "wrong"] in [line.split() for line in lines]
