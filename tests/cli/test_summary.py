"""`fcnn summary`: the layers of a model, with their shapes and costs."""

from pathlib import Path

import numpy as np
import pytest
from commands import call

import fcnn
from fcnn.runs.model_by_name import MODELS


def test_layers_with_their_shapes_and_costs():
    text = call("summary", "--model", "mnist_cnn").stdout
    lines = [line.split() for line in text.splitlines()]
    assert lines[0][:2] == ["Input", "1x28x28;"]
    assert lines[3][-4:] == ["8x28x28", "80", "56,448", "25,088"]
    assert lines[-1] == ["Total", "103,018", "383,872", "88,872"]
    assert "3x14x14" not in text
    assert lines[3][:5] == ["[0]", "conv2d(8,", "3,", "padding=1)", "8x28x28"]
    assert max(map(len, text.splitlines())) <= 80
    assert "5,987" in call("summary", "--data", "synthetic").stdout
    deep = call("summary", "--model", "deep_cnn").stdout.splitlines()[-1]
    assert deep.split()[:3] == ["Total", "157,954", "12,410,112"]


def test_chains_in_chains_and_layers_of_ones_own():
    Path("mine.py").write_text(
        "import fcnn\n"
        "from fcnn import chain, flatten, dense, relu\n"
        "own = dense(5)\n"
        "scale = fcnn.Layer('scale', lambda rng, s: (own.init(rng, s)[0].b, s),\n"
        "                   own.forward, own.backward)\n"
        "def nested(classes):\n"
        "    return chain(flatten, chain(dense(5), relu), scale, dense(classes))\n"
    )
    text = call("summary", "--model", "mine.py:nested").stdout
    assert "[1][0]" in text
    assert "?" in next(line for line in text.splitlines() if "scale" in line)
    assert "+?" in text.splitlines()[-1]


@pytest.mark.parametrize("model", MODELS)
def test_nothing_wraps_at_80_columns(model):
    data = "synthetic" if model == "lines_cnn" else "mnist5k"
    text = call("summary", "--model", model, "--data", data).stdout
    assert max(map(len, text.splitlines())) <= 80


def test_the_model_of_a_run():
    call("train", "--data", "synthetic", "--model", "linear", "--epochs", 1, "--out", "run")
    of_run = call("summary", "run").stdout
    assert of_run == call("summary", "--data", "synthetic", "--model", "linear").stdout
    Path("run/params.npz").unlink()  # of a run that is not finished too
    assert call("summary", "run").stdout == of_run
    said = call("summary", "run", "--model", "linear", code=2).stderr
    assert said == "fcnn: RUN takes the settings of the run; leave out --model\n"
    assert "nowhere is not a run" in call("summary", "nowhere", code=2).stderr


def test_the_library_prints_the_same():
    found = fcnn.summary(fcnn.models.deep_cnn(10), (1, 28, 28))
    assert repr(found) + "\n" == call("summary", "--model", "deep_cnn").stdout
    assert sum(row.parameters for row in found.rows) == 157_954
    with pytest.raises(TypeError, match="summary: model is a function, expected a Layer"):
        fcnn.summary(fcnn.models.linear, (1, 28, 28))
    with pytest.raises(ValueError, match="dense"):
        fcnn.summary(fcnn.dense(3), (1, 4, 4))
    deep = fcnn.chain(fcnn.relu, fcnn.chain(fcnn.relu, fcnn.max_pool2d(9)))
    with pytest.raises(ValueError, match=r"exceeds.*\nin chain layer 1 \(max_.*\nin chain layer 1"):
        fcnn.summary(deep, (1, 8, 8))


def test_the_model_of_a_file():
    model = fcnn.models.lines_cnn()
    params, _ = model.init(np.random.default_rng(0), (1, 14, 14))
    fcnn.save_model("lines.npz", model, params, (1, 14, 14))
    assert call("summary", "lines.npz").stdout == f"{fcnn.summary(model, (1, 14, 14))!r}\n"
    assert "leave out --data" in call("summary", "lines.npz", "--data", "mnist5k", code=2).stderr
