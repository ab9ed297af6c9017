"""The mean squared error: its definition, its limits, and what training makes of it."""

import sys

import attrs
import numpy as np
import pytest
import strategies as some
from hypothesis import given
from hypothesis import strategies as st
from strategies import FLOAT64, copies, finite, lying_anyhow, near
from worlds import in_a_world

import fcnn
from fcnn import tree

RNG = np.random.default_rng


@st.composite
def pairs(draw, dtypes=some.DTYPES):
    """Outputs and targets of one shape and dtype, anyhow in memory."""
    shape, dtype = draw(st.lists(st.integers(1, 4), min_size=1, max_size=4)), draw(dtypes)
    rng = RNG(draw(some.SEEDS))
    return tuple(draw(lying_anyhow(some.real(rng, shape, dtype))) for _ in range(2))


@given(pairs())
def test_it_is_what_its_definition_says_and_so_is_its_gradient(drawn):
    outputs, targets = drawn
    value, cache = fcnn.mean_squared_error_forward(outputs, targets)
    pairs_of_numbers = zip(outputs.ravel().tolist(), targets.ravel().tolist(), strict=True)
    squares = [(y - t) ** 2 for y, t in pairs_of_numbers]
    assert type(value) is float
    rel = 1e-5 if outputs.dtype == np.float32 else 1e-12
    assert value == pytest.approx(sum(squares) / len(squares), rel=rel)
    gradient = fcnn.mean_squared_error_backward(cache)
    assert near(gradient, 2 * (outputs - targets) / outputs.dtype.type(outputs.size))
    assert (gradient.shape, gradient.dtype) == (outputs.shape, outputs.dtype)


@given(pairs())
def test_it_is_the_mean_of_that_of_its_examples(drawn):
    outputs, targets = drawn
    value, cache = fcnn.mean_squared_error_forward(outputs, targets)
    each = [
        fcnn.mean_squared_error_forward(outputs[n : n + 1], targets[n : n + 1])
        for n in range(len(outputs))
    ]
    assert value == pytest.approx(np.mean([own for own, _ in each]), rel=1e-12)
    gradients = np.concatenate([fcnn.mean_squared_error_backward(own) for _, own in each])
    assert near(fcnn.mean_squared_error_backward(cache), gradients / len(outputs))
    assert fcnn.mean_squared_error.weight(targets) == len(targets)


@given(pairs(FLOAT64))
def test_its_gradient_is_its_derivative(drawn):
    assert fcnn.check.loss(fcnn.mean_squared_error, *drawn).worst < 1e-6


@given(pairs())
def test_it_writes_to_nothing_and_its_cache_serves_twice(drawn):
    before = copies(drawn)
    _, cache = fcnn.mean_squared_error_forward(*drawn)
    kept = copies(cache)
    first, second = (fcnn.mean_squared_error_backward(cache) for _ in range(2))
    assert tree.equal(drawn, before)
    assert tree.equal(cache, kept)
    assert tree.equal(first, second)
    assert not np.shares_memory(first, second)


def test_squares_of_float32_do_not_overflow():
    outputs, targets = np.full((2, 3), 1e30, np.float32), np.full((2, 3), -1e30, np.float32)
    value, cache = fcnn.mean_squared_error_forward(outputs, targets)
    assert value == pytest.approx(4e60, rel=1e-6)
    assert finite(fcnn.mean_squared_error_backward(cache))


@pytest.mark.parametrize(
    ("outputs", "targets", "error", "text"),
    [
        (np.ones((5, 1)), np.ones(5), ValueError, r"targets has shape \(5,\), outputs \(5, 1\)"),
        (np.ones(5, np.float32), np.ones(5), TypeError, "outputs is float32, but targets is float"),
        (np.ones(5), np.ones(5, int), TypeError, "targets is int64, expected float32 or float64"),
        (np.ones((0, 3)), np.ones((0, 3)), ValueError, r"outputs has shape \(0, 3\), expected"),
        (np.ones(()), np.ones(()), ValueError, r"outputs has shape \(\), expected \(N, ...\)"),
        ([1.0], np.ones(1), TypeError, "outputs is a list, expected a NumPy array"),
    ],
)
def test_what_does_not_fit_is_refused(outputs, targets, error, text):
    with pytest.raises(error, match=f"^mean_squared_error: {text}"):
        fcnn.mean_squared_error_forward(outputs, targets)


def test_only_its_own_cache_is_taken():
    with pytest.raises(
        TypeError, match="mean_squared_error_backward: cache is a tuple, expected a Mean"
    ):
        fcnn.mean_squared_error_backward(())


# Training: an autoencoder, whose targets are its images.

X = RNG(0).random((100, 1, 6, 6), np.float32)
AUTOENCODER = fcnn.chain(
    fcnn.conv2d(4, 3, padding=1), fcnn.batch_norm(), fcnn.relu, fcnn.conv2d(1, 3, padding=1)
)
PARAMS, _ = AUTOENCODER.init(RNG(0), (1, 6, 6))
SETTINGS = {"epochs": 3, "batch_size": 40, "seed": 0, "loss": fcnn.mean_squared_error}


def trained(**changed):
    *_, last = fcnn.fit(AUTOENCODER, PARAMS, fcnn.sgd(0.05, 0.9), (X, X), **(SETTINGS | changed))
    return last


def bits(record):
    figures = (record.train_loss, record.test_loss, record.validation_loss)
    return figures, [leaf.tobytes() for leaf in tree.leaves((record.params, record.state))]


def test_an_autoencoder_learns_its_images_and_has_no_accuracy():
    first = trained(epochs=1, test=(X[:30], X[:30]))
    last = trained(epochs=30, test=(X[:30], X[:30]), validation=(X[:7], X[:7]))
    assert last.test_loss < first.test_loss / 5
    assert last.train_loss < first.train_loss / 5
    figures = attrs.asdict(last, recurse=False)
    assert {name for name, value in figures.items() if value is None} == {
        "train_accuracy", "test_accuracy", "validation_accuracy"
    }  # fmt: skip
    y = fcnn.predict(AUTOENCODER, last.params, X[:30])
    evaluation = fcnn.evaluate(
        AUTOENCODER, last.params, X[:30], X[:30], loss=fcnn.mean_squared_error
    )
    assert evaluation.loss == last.test_loss == pytest.approx(((y - X[:30]) ** 2).mean(), rel=1e-5)
    assert evaluation[1:] == (None, None, None)


def test_the_loss_of_an_epoch_is_the_mean_over_its_examples_as_they_were_seen():
    frozen = fcnn.Optimizer(init=lambda p: (), step=lambda p, g, s: (p, s))
    model = fcnn.chain(fcnn.conv2d(1, 3, padding=1))
    params, _ = model.init(RNG(0), (1, 6, 6))
    (record,) = fcnn.fit(model, params, frozen, (X, X), **(SETTINGS | {"epochs": 1}))
    y = fcnn.predict(model, params, X)
    assert record.train_loss == pytest.approx(((y - X) ** 2).mean(), rel=1e-6)


@pytest.mark.skipif(sys.platform != "linux", reason="processes are for Linux")
def test_the_bits_are_those_of_one_thread_for_any_number_of_processes():
    test = X[:30], X[:30]
    one = bits(trained(threads=1, test=test))
    assert bits(trained(threads=2, test=test)) == one
    found = in_a_world(3, lambda world: bits(trained(threads=1, test=test, world=world)))
    assert found == [one] * 3


@pytest.mark.parametrize("order", ["C", "F"])
def test_the_gradient_of_a_batch_does_not_depend_on_threads(order):
    x = np.asarray(X, order=order)
    one, two = (
        fcnn.value_and_grad(AUTOENCODER, fcnn.mean_squared_error, threads=threads)(
            PARAMS, x, x, RNG(1)
        )
        for threads in (1, 2)
    )
    assert one[0] == two[0]
    assert tree.equal(one[1], two[1])


@pytest.mark.parametrize("held_out", [{}, {"test": (X[:5], X[:5])}])
def test_a_checkpoint_brings_a_record_without_accuracies_back(tmp_path, held_out):
    first, last = trained(epochs=1, **held_out), trained(**held_out)
    fcnn.save_checkpoint(tmp_path / "first.npz", first)
    start = fcnn.load_checkpoint(tmp_path / "first.npz", AUTOENCODER, fcnn.sgd(0.05, 0.9))
    assert start.train_accuracy is None
    assert bits(start) == bits(first)
    assert bits(trained(start=start, **held_out)) == bits(last)


@pytest.mark.parametrize(
    ("train", "held_out", "text"),
    [
        ((X, X[:, :, :5]), {}, r"targets has shape \(20, 1, 5, 6\), outputs"),
        ((X, X.astype(np.float64)), {}, "outputs is float32, but targets is float64"),
        ((X, np.arange(100)), {}, "targets is int64, expected float32"),
        ((X, X[1:]), {}, "fit: train: 100 inputs, but 99 labels"),
        ((X, np.where(np.arange(X.size).reshape(X.shape) == 116, np.float32(np.nan), X)), {},
         r"fit: train: targets has 1 value that is not finite, the first, nan, at \[3, 0, 1, 2\]"),
        ((X, X), {"test": (X, X[..., 0])},
         r"targets has shape \(1, 1, 6\), outputs \(1, 1, 6, 6\)"),
        ((X, X), {"test": (X, np.zeros(100, int))}, "targets is int64, expected float32"),
    ],
)  # fmt: skip
def test_targets_that_do_not_fit_are_refused_in_the_first_step(train, held_out, text):
    told = []
    with pytest.raises((TypeError, ValueError), match=text):
        list(
            fcnn.fit(
                AUTOENCODER, PARAMS, fcnn.sgd(0.1), train,
                **SETTINGS, **held_out, on_batch=lambda step, steps: told.append(step), threads=1,
            )
        )  # fmt: skip
    assert told == []


def test_a_loss_of_ones_own_says_what_its_targets_are():
    """The absolute error of numbers, weighed by their size."""

    def forward(outputs, targets):
        weights = targets[:, 0]
        loss = (weights * np.abs(outputs[:, 0] - targets[:, 1])).sum() / weights.sum()
        return float(loss), (weights, np.sign(outputs[:, 0] - targets[:, 1]))

    def backward(cache):
        weights, sign = cache
        return (weights * sign / weights.sum())[:, None].astype(np.float32)

    def weight(targets):
        return float(targets[:, 0].sum())

    own = fcnn.Loss("own", forward, backward, weight, targets="values")
    x = RNG(0).standard_normal((90, 3)).astype(np.float32)
    targets = np.stack([RNG(1).uniform(0.5, 2, 90), x @ [1, -2, 3]], 1)
    model = fcnn.chain(fcnn.dense(1))
    params, _ = model.init(RNG(0), (3,))
    first, *_, last = fcnn.fit(
        model, params, fcnn.sgd(0.1), (x, targets), epochs=40, batch_size=40, seed=0, loss=own
    )
    assert last.train_loss < first.train_loss / 5
    assert last.train_accuracy is None
    outputs = fcnn.predict(model, last.params, x)
    evaluation = fcnn.evaluate(model, last.params, x, targets, loss=own)
    assert evaluation.loss == pytest.approx(forward(outputs, targets)[0])


def test_a_loss_has_classes_or_values_as_targets():
    assert fcnn.softmax_cross_entropy.targets == "classes"
    assert fcnn.mean_squared_error.targets == "values"
    with pytest.raises(ValueError, match="Loss: unknown targets 'value'; did you mean 'values'"):
        fcnn.Loss("own", print, print, targets="value")
    with pytest.raises(TypeError, match="Loss: targets is None, expected a str"):
        fcnn.Loss("own", print, print, targets=None)
