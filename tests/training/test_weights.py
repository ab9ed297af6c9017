"""Weights of examples: what they multiply, what they leave alone, and the same bits everywhere."""

import sys

import attrs
import numpy as np
import pytest
from worlds import in_a_world

import fcnn
from fcnn import tree
from fcnn.training.agreement import DisagreementError

RNG = np.random.default_rng
X, LABELS = RNG(0).standard_normal((75, 5)).astype(np.float32), np.arange(75) % 3
WEIGHTS = RNG(1).uniform(0.0, 3.0, 75) * (np.arange(75) % 5 > 0)
MODEL = fcnn.chain(fcnn.dense(7), fcnn.tanh, fcnn.dense(3))
PARAMS, _ = MODEL.init(RNG(0), (5,))
FROZEN = fcnn.Optimizer(init=lambda params: (), step=lambda params, grads, state: (params, state))
FORKED = pytest.mark.skipif(sys.platform != "linux", reason="processes are for Linux")


def records_of(x=X, labels=LABELS, *, model=MODEL, params=PARAMS, optimizer=None, **settings):
    settings = {"epochs": 2, "batch_size": 70, "seed": 0, "weights": WEIGHTS} | settings
    return fcnn.fit(model, params, optimizer or fcnn.sgd(0.1, 0.9), (x, labels), **settings)


def all_of(records):
    names = ("params", "state", "train_loss", "train_accuracy", "test_loss")
    return [[getattr(record, name) for name in names] for record in records]


def gradient_of(x=X, labels=LABELS, *, params=PARAMS, **settings):
    """The loss and the gradient of a step for all examples."""
    seen = []
    noting = fcnn.Optimizer(lambda params: (), lambda p, grads, s: (seen.append(grads) or p, s))
    given = {"epochs": 1, "batch_size": len(x), "threads": 1, "optimizer": noting} | settings
    (record,) = records_of(x, labels, params=params, **given)
    return record.train_loss, seen[0]


def wide(params):
    return tree.map(lambda leaf: leaf.astype(np.float64), params)


LOSSES = [
    fcnn.softmax_cross_entropy,
    fcnn.smoothed_cross_entropy(label_smoothing=0.1),
    fcnn.smoothed_cross_entropy(label_smoothing=0.1, class_weights=[1.0, 3.0, 0.5]),
]


@pytest.mark.parametrize("loss", LOSSES, ids=repr)
def test_each_loss_is_multiplied_and_their_sum_divided_as_without_weights(loss):
    outputs = fcnn.predict(MODEL, PARAMS, X)
    parts = [loss.forward(outputs[[i]], LABELS[[i]])[0] for i in range(75)]
    counts = [loss.weight(LABELS[[i]]) for i in range(75)]
    expected = np.sum(np.array(counts) * WEIGHTS * parts) / loss.weight(LABELS)
    value, _ = gradient_of(loss=loss)
    assert value == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("loss", LOSSES, ids=repr)
def test_the_gradient_is_the_derivative_of_the_weighted_loss(loss):
    x = X.astype(np.float64)

    def forward(params):
        value, grads = gradient_of(x, params=params, loss=loss)
        return np.asarray(value), grads

    def backward(grads, dy):
        return tree.map(lambda grad: grad * dy, grads)

    assert fcnn.check.function("fit", forward, backward, wide(PARAMS)).worst < 1e-6


def test_the_gradient_of_a_squared_error_is_that_of_its_weighted_sum():
    model = fcnn.dense(2)
    params = wide(model.init(RNG(0), (5,))[0])
    x, targets = X.astype(np.float64), RNG(2).standard_normal((75, 2))
    settings = {"model": model, "params": params, "loss": fcnn.mean_squared_error}
    value, grads = gradient_of(x, targets, **settings)
    difference = x @ params.w + params.b - targets
    assert value == pytest.approx(np.mean(WEIGHTS[:, None] * difference**2), rel=1e-12)
    expected = x.T @ (WEIGHTS[:, None] * difference) / 75
    assert np.allclose(grads.w, expected, rtol=1e-10, atol=1e-13)


def test_examples_of_weight_0_take_no_part():
    """The sums are those of the others, divided by the number of all."""
    used = WEIGHTS > 0
    x = np.where(used[:, None], X, np.float32(1e30))  # whose own losses are infinite
    value, grads = gradient_of(x)
    other_value, other = gradient_of(X[used], LABELS[used], weights=WEIGHTS[used])
    part = used.sum() / 75
    assert 0 < used.sum() < 75
    assert value == pytest.approx(part * other_value, rel=1e-6)
    assert tree.allclose(grads, tree.map(lambda g: part * g, other), rtol=1e-4, atol=1e-6)


def test_a_batch_of_weight_0_has_the_gradient_0_and_counts_in_the_mean():
    weights = np.zeros(75)
    weights[7] = 2.0
    steps = []
    noting = fcnn.Optimizer(lambda params: (), lambda p, grads, s: (steps.append(grads) or p, s))
    (record,) = records_of(weights=weights, batch_size=1, epochs=1, optimizer=noting, threads=1)
    outputs = fcnn.predict(MODEL, PARAMS, X[[7]])
    loss, _ = fcnn.softmax_cross_entropy.forward(outputs, LABELS[[7]])
    assert record.train_loss == pytest.approx(2 * loss / 75, rel=1e-6)
    assert len(steps) == 75
    assert sum(any(leaf.any() for leaf in tree.leaves(grads)) for grads in steps) == 1


def test_accuracies_and_what_is_held_out_count_every_example_once():
    held_out = (X[:30], LABELS[:30])
    plain, weighed = (
        next(records_of(optimizer=FROZEN, test=held_out, validation=held_out, weights=weights))
        for weights in (None, WEIGHTS)
    )
    names = ("train_accuracy", "test_loss", "test_accuracy", "validation_loss")
    assert [getattr(plain, name) for name in names] == [getattr(weighed, name) for name in names]
    assert plain.train_loss != weighed.train_loss


@pytest.mark.parametrize("loss", LOSSES, ids=repr)
@pytest.mark.parametrize("kind", [np.float64, np.float32, np.int64, np.uint8])
def test_weights_of_1_give_the_bits_of_none(loss, kind):
    plain, ones = (
        all_of(records_of(weights=weights, loss=loss, batch_size=32))
        for weights in (None, np.ones(75, kind))
    )
    assert tree.equal(plain, ones)


def test_what_weights_are_made_of_does_not_matter():
    whole = np.arange(75) % 4
    first = all_of(records_of(weights=whole))
    for same in (whole.astype(np.float32), np.repeat(whole, 2)[::2].astype(np.uint8)):
        assert tree.equal(first, all_of(records_of(weights=same)))


def test_weights_are_not_written_to_nor_looked_at_later():
    weights = WEIGHTS.copy()
    records = records_of(weights=weights)
    first = all_of(records_of())
    assert np.array_equal(weights, WEIGHTS)
    weights[:] = 0
    assert tree.equal(all_of(records), first)


def test_the_bits_do_not_depend_on_threads_or_copies():
    settings = {"test": (X[:40], LABELS[:40]), "loss": LOSSES[-1]}
    one = all_of(records_of(threads=1, **settings))
    for threads in (2, 3):
        assert tree.equal(one, all_of(records_of(threads=threads, **settings)))


@FORKED
def test_nor_on_the_processes_of_a_world_which_compare_their_weights():
    found = in_a_world(3, lambda world: all_of(records_of(world=world)))
    assert all(tree.equal(all_of(records_of(threads=1)), each) for each in found)
    for other in (None, WEIGHTS + 1):
        errors = in_a_world(
            2,
            lambda world, other=other: list(
                records_of(world=world, weights=other if world.rank else WEIGHTS)
            ),
        )
        for error in errors:
            assert isinstance(error, DisagreementError)
            assert "the weights of its examples is of hash" in str(error)


def test_a_run_with_weights_goes_on_bit_for_bit():
    whole = list(records_of(epochs=3))
    rest = list(records_of(epochs=3, start=whole[0]))
    assert tree.equal(all_of(whole)[1:], all_of(rest))


def test_weights_travel_with_their_examples_when_these_are_augmented():
    settings = {"augment": lambda rng, x: -x, "optimizer": FROZEN}
    assert next(records_of(**settings)).train_loss == next(
        records_of(-X, optimizer=FROZEN)
    ).train_loss  # fmt: skip


@pytest.mark.filterwarnings("ignore:overflow", "ignore:invalid")
def test_a_weight_that_is_too_much_for_float32_is_told_as_the_gradient_of_the_loss():
    weights = np.where(np.arange(75) == 3, 1e60, 1.0)
    with pytest.raises(fcnn.NotFiniteError, match="first not finite: the gradient of the loss, so"):
        list(records_of(weights=weights))


def test_a_loss_of_ones_own_takes_weights_if_it_says_what_each_example_adds():
    soft = fcnn.softmax_cross_entropy
    own = fcnn.Loss("own", soft.forward, soft.backward, each=soft.each)
    assert tree.equal(all_of(records_of(loss=own)), all_of(records_of()))
    with pytest.raises(ValueError, match="own: has no `each`, and so examples cannot have weights"):
        records_of(loss=attrs.evolve(own, each=None))
