"""What fit evaluates beside training: with which loss, when, and how long it takes."""

import time

import numpy as np
import pytest

import fcnn

LABELS = np.array([0, 1, 2, 0])
X = np.ones((4, 3), np.float32)


def layer(forward):
    """One of one's own whose gradient is its output's."""
    return fcnn.Layer("mine", lambda rng, shape: ((), shape), forward, lambda cache, dy: ((), dy))


IDENTITY = layer(lambda params, x, rng=None: (x, ()))


def test_the_test_set_is_evaluated_with_the_given_loss():
    twice = fcnn.Loss(
        "twice",
        lambda p, labels: (2 * fcnn.cross_entropy_forward(p, labels)[0], (p, labels)),
        lambda cache: np.zeros_like(cache[0]),
    )
    p = np.full((4, 3), 0.25, np.float32)
    (record,) = fcnn.fit(
        IDENTITY, (), fcnn.sgd(0.1), (p, LABELS),
        epochs=1, batch_size=4, seed=0, loss=twice, test=(p, LABELS),
    )  # fmt: skip
    assert record.train_loss == pytest.approx(4 * np.log(2), rel=1e-6)
    assert record.test_loss == pytest.approx(4 * np.log(2), rel=1e-6)
    assert fcnn.evaluate(IDENTITY, (), p, LABELS, loss=twice).loss == record.test_loss


def test_the_test_set_is_checked_before_the_first_epoch():
    train = (X, LABELS)
    for test, text in [((X, LABELS[:2]), "4 inputs, but 2 labels"), ((X[:0], LABELS[:0]), "N=0")]:
        with pytest.raises(ValueError, match=f"fit: .*{text}"):
            fcnn.fit(IDENTITY, (), fcnn.sgd(0.1), train, epochs=1, batch_size=4, seed=0, test=test)


def test_seconds_are_those_of_each_epoch_with_its_evaluation():
    def slow(params, x, rng=None):
        time.sleep(0.02)
        return x, ()

    begun = time.perf_counter()
    records = list(
        fcnn.fit(
            layer(slow), (), fcnn.sgd(0.1), (X, LABELS),
            epochs=3, batch_size=4, seed=0, test=(X, LABELS),
        )
    )  # fmt: skip
    elapsed = time.perf_counter() - begun
    assert min(record.seconds for record in records) > 0.03
    assert sum(record.seconds for record in records) <= elapsed
