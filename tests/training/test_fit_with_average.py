"""fit with an optimizer that averages: what it evaluates and gives is the average, calibrated."""

import numpy as np
import pytest

import fcnn
from fcnn import tree
from fcnn.numerics.random_streams import SAMPLE, generator

(X, LABELS), (X_TEST, LABELS_TEST) = fcnn.data.synthetic_lines(seed=0)
X, LABELS = X[:96], LABELS[:96]
MODEL = fcnn.chain(
    fcnn.conv2d(4, 3, bias=False), fcnn.batch_norm(), fcnn.relu, fcnn.global_avg_pool, fcnn.dense(3)
)
PLAIN = fcnn.sgd(0.1, momentum=0.9)
AVERAGING = fcnn.with_average(PLAIN, 0.9)


def records(optimizer=AVERAGING, model=MODEL, **changed):
    params, _ = model.init(np.random.default_rng(0), (1, 14, 14))
    settings = {"epochs": 2, "batch_size": 32, "seed": 0, "test": (X_TEST, LABELS_TEST)}
    return list(fcnn.fit(model, params, optimizer, (X, LABELS), **settings | changed))


def test_the_average_is_calibrated_and_evaluated_and_the_parameters_go_on_as_without_it():
    for record, plain in zip(records(), records(PLAIN), strict=True):
        assert tree.equal(record.params, plain.params)
        assert plain.evaluated is plain.params
        assert record.evaluated is fcnn.averaged(record.state)
        assert not tree.equal(record.evaluated, record.params)
        sample = X[generator(0, SAMPLE).permutation(len(X))]
        assert tree.equal(fcnn.calibrate(MODEL, record.evaluated, sample), record.evaluated)
        found = fcnn.evaluate(MODEL, record.evaluated, X_TEST, LABELS_TEST)
        assert (record.test_loss, record.test_accuracy) == (found.loss, found.accuracy)
        assert record.test_loss != plain.test_loss


def test_without_statistics_it_is_the_average_of_the_steps():
    model = fcnn.chain(fcnn.flatten, fcnn.dense(3))
    seen = [record.params for record in records(PLAIN, model, epochs=3, batch_size=len(X))]
    *_, record = records(model=model, epochs=3, batch_size=len(X))  # one step in each epoch
    weights = np.array([0.81, 0.9, 1.0]) / 2.71
    expected = tree.map(
        lambda *steps: sum(w * p for w, p in zip(weights, steps, strict=True)), *seen
    )
    assert tree.allclose(record.evaluated, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("threads", [1, 2])
def test_neither_threads_nor_a_checkpoint_between_epochs_change_the_average(threads, tmp_path):
    first, second = records(threads=threads)
    fcnn.save_checkpoint(tmp_path / "first.npz", first)
    start = fcnn.load_checkpoint(tmp_path / "first.npz", MODEL, AVERAGING)
    assert tree.equal(start.evaluated, first.evaluated)
    (again,) = records(start=start)
    assert tree.equal(again.evaluated, second.evaluated)
    assert again.test_loss == second.test_loss


def test_what_is_not_trained_keeps_its_bits_in_the_average_too():
    optimizer = fcnn.with_average(
        fcnn.masked(PLAIN, lambda path: not path.startswith(("[0]", "[1]"))), 0.9
    )
    params, _ = MODEL.init(np.random.default_rng(0), (1, 14, 14))
    *_, record = records(optimizer)
    assert tree.equal(record.evaluated[:2], params[:2])
    assert not tree.equal(record.evaluated[4], params[4])
