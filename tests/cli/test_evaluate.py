"""`fcnn evaluate`: a saved run again."""

import json

from commands import call

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
