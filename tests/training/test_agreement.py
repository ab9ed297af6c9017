"""Processes that train together and do not have the same are told so, before they drift apart."""

import sys

import numpy as np
import pytest
from worlds import in_a_world

import fcnn
from fcnn import tree
from fcnn.training.agreement import DisagreementError, check_same

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processes are for Linux")
MODEL = fcnn.chain(fcnn.flatten, fcnn.dense(3))
X, LABELS = np.random.default_rng(0).random((65, 1, 4, 4), np.float32), np.arange(65) % 3


def fitted(world, x=X, labels=LABELS, model=MODEL, seed=0, **settings):
    params, _ = model.init(np.random.default_rng(seed), (1, 4, 4))
    settings = {"epochs": 2, "batch_size": 64, "seed": 0, "test": (x, labels), **settings}
    records = fcnn.fit(model, params, fcnn.sgd(0.1), (x, labels), world=world, **settings)
    return [(record.params, record.train_loss, record.test_loss) for record in records]


def test_the_same_arguments_give_the_same_records():
    one, *others = in_a_world(3, fitted)
    assert all(tree.equal(one, other) for other in others)
    assert tree.equal(one, fitted(None, threads=1))


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        (lambda rank: {"x": X + np.float32(rank)}, "the training set is of hash"),
        (lambda rank: {"labels": (LABELS + rank) % 3}, "the training set is of hash"),
        (lambda rank: {"test": (X[rank:], LABELS[rank:])}, "the test set is of hash"),
        (lambda rank: {"seed": rank}, "the parameters and the state of the optimizer is of hash"),
        (lambda rank: {"batch_size": 64 - rank}, "batch_size is 64 in process 0, 63 in process 1"),
        (lambda rank: {"epochs": 2 + rank}, "epochs is 2 in process 0, 3 in process 1"),
        (lambda rank: {} if rank else {"test": None}, "the test set is not given in process 0, of"),
        (lambda rank: {"test": None} if rank else {}, ", not given in process 1"),
        (lambda rank: {"validation": (X, LABELS)} if rank else {}, "the validation set is not giv"),
        (
            lambda rank: {"loss": fcnn.smoothed_cross_entropy(label_smoothing=rank / 4)},
            "the loss is smoothed",
        ),
        (
            lambda rank: {"augment": fcnn.augmentation.affine(shift=1.0 + rank)},
            "the augmentation is affine",
        ),
        (lambda rank: {"model": fcnn.chain(*[fcnn.flatten] * (1 + rank), fcnn.dense(3))}, "model"),
    ],
)
def test_arguments_that_differ_are_told_before_anything_is_done(settings, told):
    for error in in_a_world(2, lambda world: fitted(world, **settings(world.rank))):
        assert isinstance(error, DisagreementError)
        assert told in str(error)


def test_versions_that_differ_are_told():
    def compare(world):
        sys.modules["fcnn.training.agreement"].__version__ = f"0.{world.rank}"
        check_same("fit", world, {})

    for error in in_a_world(2, compare):
        assert "the version of fcnn is 0.0 in process 0, 0.1 in process 1" in str(error)


def test_parameters_that_differ_after_an_epoch_are_told():
    def drifting(world):
        def step(params, grads, state):
            return tree.map(lambda p: p + np.float32(world.rank), params), state

        params, _ = MODEL.init(np.random.default_rng(0), (1, 4, 4))
        optimizer = fcnn.Optimizer(lambda params: (), step)
        train = X, LABELS
        list(
            fcnn.fit(MODEL, params, optimizer, train, epochs=3, batch_size=64, seed=0, world=world)
        )

    for error in in_a_world(2, drifting):
        assert isinstance(error, DisagreementError)
        assert "parameters in epoch 1 is of hash" in str(error)


def test_functions_of_ones_own_are_the_same_wherever_they_lie():
    def train(world):
        def augment(rng, x):
            return x

        return fitted(world, augment=augment)

    one, other = in_a_world(2, train)
    assert tree.equal(one, other)


def test_another_optimizer_is_told_by_name():
    def train(world):
        params, _ = MODEL.init(np.random.default_rng(0), (1, 4, 4))
        optimizer = fcnn.sgd(0.1 * (1 + world.rank))
        return list(fcnn.fit(MODEL, params, optimizer, (X, LABELS), epochs=1, batch_size=64,
                             seed=0, world=world))  # fmt: skip

    for error in in_a_world(2, train):
        assert "the optimizer is sgd(0.1) in process 0, sgd(0.2) in process 1" in str(error)


@pytest.mark.parametrize("what", ["model", "loss", "rng"])
def test_a_loop_of_ones_own_compares_what_computes_the_gradient(what):
    def call(world):
        other = what if world.rank else None
        model = fcnn.chain(fcnn.flatten, fcnn.dropout(0.3 if other == "model" else 0.2),
                           fcnn.dense(3))  # fmt: skip
        loss = fcnn.smoothed_cross_entropy(label_smoothing=0.2 if other == "loss" else 0.1)
        params, _ = model.init(np.random.default_rng(0), (1, 4, 4))
        f = fcnn.value_and_grad(model, loss, world=world)
        return f(params, X, LABELS, np.random.default_rng(1 if other == "rng" else 0))

    for error in in_a_world(2, call):
        told = "the state of rng" if what == "rng" else f"the {what}"
        assert f"value_and_grad: processes differ: {told} is " in str(error)


def test_a_loop_of_ones_own_compares_what_its_first_call_is_given():
    def call(world):
        params, _ = MODEL.init(np.random.default_rng(0), (1, 4, 4))
        f = fcnn.value_and_grad(MODEL, fcnn.softmax_cross_entropy, world=world)
        return f(params, X + np.float32(world.rank), LABELS)

    for error in in_a_world(2, call):
        assert "value_and_grad: processes differ: the batch is of hash" in str(error)


@pytest.mark.parametrize(
    ("batch_size", "expected"),
    [
        (64, [1, 2, 3, 4]),  # the wish rides with the gradients of the next step
        (26, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 1]),  # of one shard: it waits for the end of the epoch
    ],
)
def test_a_wish_to_stop_is_granted_after_the_same_step_in_all(batch_size, expected):
    """KeyboardInterrupt out of on_batch, in one process, waits for the others."""

    def interrupted(world):
        steps = []

        def note(step, count):
            steps.append(step)
            if world.rank == 1 and step == 3:
                raise KeyboardInterrupt

        x, labels = np.tile(X, (4, 1, 1, 1)), np.tile(LABELS, 4)
        try:
            fitted(world, x, labels, batch_size=batch_size, on_batch=note)
        except KeyboardInterrupt:
            return steps

    assert in_a_world(2, interrupted) == [expected] * 2
