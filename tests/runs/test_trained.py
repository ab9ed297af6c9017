"""Trained networks, of runs and in files: one is read as the other."""

from pathlib import Path

import numpy as np
import pytest
from small_runs import NOISE, begun, config_of

import fcnn
from fcnn import tree
from fcnn.runs.config import RunError
from fcnn.runs.experiment import train
from fcnn.runs.model_by_name import ModelError
from fcnn.runs.plan import make_plan
from fcnn.runs.trained import load_trained


def test_a_run_and_a_file_of_its_network():
    config = config_of(epochs=1)
    folder = begun("run", config)
    train(make_plan(config, NOISE), folder, threads=1)
    of_run = load_trained(folder)
    saved = of_run.saved
    fcnn.save_model("model.npz", saved.model, saved.params, saved.in_shape)
    of_file = load_trained("model.npz")
    assert (of_run.place, of_file.place) == (folder, Path("model.npz"))
    assert (of_run.name, of_file.name) == ("linear", "chain(flatten, dense(3))")
    assert of_run.class_names == of_file.class_names == ("0", "1", "2")
    assert tree.equal(of_file.saved.params, saved.params)
    x, labels = NOISE[1]
    assert np.array_equal(of_run.outputs(x), of_file.outputs(x))
    assert of_run.evaluation(x, labels).loss == of_file.evaluation(x, labels).loss


def test_what_is_neither_is_refused():
    Path("notes.txt").write_text("notes")
    np.savez("other.npz", x=np.ones(3))
    with pytest.raises(RunError, match="nowhere is not a run"):
        load_trained("nowhere")
    with pytest.raises(ValueError, match=r"^load_model: notes.txt is not a readable .npz file"):
        load_trained("notes.txt")
    with pytest.raises(ValueError, match=r"^load_model: other.npz is no file of save_model"):
        load_trained("other.npz")


def test_a_file_that_ends_in_softmax_gives_its_probabilities_and_their_loss():
    logits = fcnn.chain(fcnn.flatten, fcnn.dense(3))
    params, _ = logits.init(np.random.default_rng(0), (1, 2, 2))
    fcnn.save_model("logits.npz", logits, params, (1, 2, 2))
    both = fcnn.chain(logits, fcnn.softmax)
    fcnn.save_model("probabilities.npz", both, (params, ()), (1, 2, 2))
    of_logits, of_both = load_trained("logits.npz"), load_trained("probabilities.npz")
    x, labels = NOISE[1]
    assert np.array_equal(of_both.probabilities(x), of_logits.probabilities(x))
    assert np.array_equal(of_both.probabilities(x), of_both.outputs(x))
    loss = of_logits.evaluation(x, labels).loss
    assert of_both.evaluation(x, labels).loss == pytest.approx(loss, rel=1e-6)


def test_outputs_that_are_not_finite_are_told():
    model = fcnn.chain(fcnn.flatten, fcnn.dense(3))
    params, _ = model.init(np.random.default_rng(0), (1, 2, 2))
    fcnn.save_model("model.npz", model, params, (1, 2, 2))
    with np.load("model.npz") as file:
        np.savez("damaged.npz", **{**file, "[1].w": np.full((4, 3), np.nan, np.float32)})
    trained = load_trained("damaged.npz")
    with pytest.raises(ModelError, match=r"damaged\.npz: the network gives outputs"):
        trained.probabilities(NOISE[1][0])
