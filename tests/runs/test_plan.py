"""From settings and data, a plan: what is held out, how long it takes, and what it is made of."""

import attrs
import numpy as np
import pytest

import fcnn
from fcnn import schedules, tree
from fcnn.numerics import random_streams as streams
from fcnn.runs.plan import make_plan
from fcnn.runs.recipes import SMALL
from fcnn.runs.settings import SCHEDULES

X = np.arange(100, dtype=np.float32).reshape(100, 1, 1, 1)
DATA = (X, np.arange(100) % 3), (-X[:7], np.arange(7) % 3)
PLAIN = attrs.evolve(
    SMALL.settings, model="linear", batch_size=10, epochs=4, augmentation={}, weight_decay=5e-3
)


def plan_of(data=DATA, **changed):
    return make_plan(attrs.evolve(PLAIN, **changed), data)


def test_without_a_validation_fraction_all_is_trained_on_and_the_test_set_evaluated():
    plan = plan_of()
    assert plan.train is DATA[0]
    assert plan.validation is None
    assert plan.evaluated is plan.test is DATA[1]


@pytest.mark.parametrize("seed", [0, 3])
def test_what_is_held_out_is_drawn_from_the_training_set_by_the_seed_and_not_trained_on(seed):
    plan = plan_of(validation_fraction=0.3, seed=seed)
    (kept, kept_labels), (held, held_labels) = plan.train, plan.validation
    assert plan.evaluated is plan.validation
    assert plan.test is DATA[1]
    order = streams.generator(seed, streams.SPLIT).permutation(100)
    assert held.ravel().tolist() == sorted(order[:30])
    assert kept.ravel().tolist() == sorted(order[30:])
    assert np.array_equal(kept_labels, kept.ravel() % 3)
    assert np.array_equal(held_labels, held.ravel() % 3)


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize(("fraction", "steps"), [(0.0, 10), (0.35, 7)])
def test_the_schedule_is_as_long_as_the_steps_on_what_is_trained_on(schedule, fraction, steps):
    plan = plan_of(schedule=schedule, validation_fraction=fraction)
    assert (plan.steps_per_epoch, plan.steps) == (steps, 4 * steps)
    whole = {
        "constant": schedules.constant(0.1),
        "cosine": schedules.cosine(0.1, 4 * steps),
        "one_cycle": schedules.one_cycle(0.1, 4 * steps),
    }[schedule]
    rates = [plan.schedule(step) for step in range(plan.steps)]
    assert rates == [whole(step) for step in range(plan.steps)]
    # The optimizer goes by it too: without momentum, a step is the rate.
    plain = {"optimizer": "sgd", "momentum": 0.0, "weight_decay": 0.0}
    plan = plan_of(schedule=schedule, validation_fraction=fraction, **plain)
    params, ones = np.zeros(1), np.ones(1)
    state = plan.optimizer.init(params)
    for rate in rates:
        moved, state = plan.optimizer.step(params, ones, state)
        assert moved - params == pytest.approx(-rate, abs=1e-15)
        params = moved


def test_a_batch_is_no_larger_than_what_is_trained_on():
    plan = plan_of(batch_size=90, validation_fraction=0.3)
    assert (plan.batch_size, plan.steps_per_epoch) == (70, 1)


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"optimizer": "sgd"}, lambda rate: fcnn.sgd(rate, 0.9, weight_decay=5e-3)),
        ({"optimizer": "nesterov"},
         lambda rate: fcnn.sgd(rate, 0.9, nesterov=True, weight_decay=5e-3)),
        ({"optimizer": "adam", "weight_decay": 0.0}, fcnn.adam),
        ({"optimizer": "adamw"}, lambda rate: fcnn.adamw(rate, weight_decay=5e-3)),
    ],
)  # fmt: skip
def test_the_optimizer_is_that_of_the_settings(changed, expected):
    found, expected = plan_of(**changed).optimizer, expected(schedules.one_cycle(0.1, 40))
    params = {"w": np.ones((2, 3)), "b": np.ones(3)}
    ends = []
    for optimizer in (found, expected):
        at, state = params, optimizer.init(params)
        for _ in range(3):
            at, state = optimizer.step(at, params, state)
        ends.append(at)
    assert tree.equal(*ends)


@pytest.mark.parametrize(
    ("freeze", "frozen"),
    [
        (["[1]"], ["[1].w", "[1].b"]),
        (["[1].w", "[10]"], ["[1].w", "[10].w"]),
        (["*.b", "[0].*"], ["[0].w", "[1].b"]),
        (["[1"], ["[1].w", "[1].b", "[10].w"]),
        (["[0-9]", "1", ".w", "[?]"], []),
    ],
)
def test_what_begins_as_a_pattern_is_frozen(freeze, frozen):
    ones = np.ones((2, 2))
    params = [()] * 11
    params[0] = fcnn.DenseParams(w=ones, b=None)
    params[1] = fcnn.DenseParams(w=ones, b=ones)
    params[10] = fcnn.DenseParams(w=ones, b=None)
    optimizer = plan_of(freeze=freeze).optimizer
    after, _ = optimizer.step(params, params, optimizer.init(params))
    assert [path for path, leaf in tree.leaves_with_path(after) if leaf[0, 0] == 1] == frozen


def test_loss_and_augmentation_are_those_of_the_settings():
    plain = plan_of(label_smoothing=0.0)
    assert plain.loss is fcnn.softmax_cross_entropy
    assert plain.augment is None
    plan = plan_of(label_smoothing=0.25, augmentation={"shift": 1.0})
    assert repr(plan.loss) == repr(fcnn.smoothed_cross_entropy(label_smoothing=0.25))
    x = np.random.default_rng(0).random((3, 1, 4, 4), np.float32)
    moved = fcnn.augmentation.affine(shift=1.0)(np.random.default_rng(1), x)
    assert np.array_equal(plan.augment(np.random.default_rng(1), x), moved)


def test_an_image_is_moved_then_bent_then_covered_whatever_the_order_of_the_names():
    parts = [
        fcnn.augmentation.affine(scale=0.25, shift=1.0),
        fcnn.augmentation.elastic(2.0),
        fcnn.augmentation.random_erasing(0.75),
    ]
    x = np.random.default_rng(0).random((20, 1, 8, 8), np.float32)
    expected = fcnn.augmentation.compose(*parts)(np.random.default_rng(1), x)
    plan = plan_of(augmentation={"erasing": 0.75, "shift": 1.0, "elastic": 2.0, "scale": 0.25})
    assert np.array_equal(plan.augment(np.random.default_rng(1), x), expected)
    bent = plan_of(augmentation={"elastic": 2.0}).augment(np.random.default_rng(1), x)
    assert np.array_equal(bent, parts[1](np.random.default_rng(1), x))


def test_an_average_is_of_all_parameters_those_that_are_frozen_too():
    plan = plan_of(optimizer="sgd", average_decay=0.75, freeze=["[0]"], weight_decay=0.0)
    params, ones = (np.zeros(1), np.ones(1)), (np.ones(1), np.ones(1))
    state, seen = plan.optimizer.init(params), []
    for _ in range(2):
        params, state = plan.optimizer.step(params, ones, state)
        seen.append(params[1])
    frozen, trained = fcnn.averaged(state)
    assert frozen == 0
    assert trained == pytest.approx((0.75 * seen[0] + seen[1]) / 1.75)


@pytest.mark.parametrize(
    ("changed", "text"),
    [
        ({"patience": 3}, "patience needs a validation set"),
        ({"validation_fraction": 0.999}, "of 100 training images 100 would be held out"),
        ({"validation_fraction": 1e-9}, "of 100 training images 0 would be held out"),
        ({"optimizer": "adam"}, "adam has no weight decay; adamw has"),
        ({"augmentation": {"rotatio": 3}}, "unknown augmentation 'rotatio'; did you mean"),
        ({"augmentation": {"elastic": -1, "shift": 1}}, "elastic: alpha is -1.0, expected"),
        ({"augmentation": {"erasing": 1.5}}, "random_erasing: probability is 1.5, expected"),
        ({"augmentation": {"scale": 2}}, "affine: scale is 2.0, expected below 1"),
        ({"epochs": 10**30}, "one_cycle: steps is "),
    ],
)
def test_settings_that_make_no_sense_together_are_refused(changed, text):
    with pytest.raises(ValueError, match=text):
        plan_of(**changed)
