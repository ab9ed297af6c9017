import math

import numpy as np
import pytest

import fcnn
from fcnn import schedules

EVERY = [
    schedules.constant(0.1),
    schedules.step_decay(0.1, 7),
    schedules.cosine(0.1, 50, 0.001),
    schedules.warm_up(schedules.cosine(0.1, 50), 10),
    schedules.warm_up(lambda step: np.float64(0.1), 10),
    schedules.one_cycle(0.1, 50),
    schedules.one_cycle(np.float64(0.1), 50, rise=0, shape="linear"),
    schedules.one_cycle(0.1, 50, rise=1),
    schedules.one_cycle(0.1, 10, rise=0.1),
    schedules.one_cycle(0.1, 1),
]


@pytest.mark.parametrize("schedule", EVERY)
def test_a_schedule_gives_python_floats_at_any_step_and_remembers_nothing(schedule):
    rates = [schedule(step) for step in range(200)]
    assert all(type(rate) is float and 0 <= rate <= 0.1 for rate in rates)
    assert [schedule(step) for step in reversed(range(200))] == rates[::-1]
    assert schedule(np.int64(3)) == rates[3]


def test_step_decay_drops_by_the_factor():
    rate = schedules.step_decay(0.8, every=3, factor=0.5)
    assert [rate(step) for step in range(7)] == [0.8, 0.8, 0.8, 0.4, 0.4, 0.4, 0.2]


def test_cosine_goes_from_the_rate_to_the_final_one_and_stays_there():
    rate = schedules.cosine(1.0, 40, final=0.2)
    assert [rate(0), rate(20), rate(40), rate(41), rate(1000)] == pytest.approx(
        [1.0, 0.6, 0.2, 0.2, 0.2]
    )
    assert rate(10) == pytest.approx(0.2 + 0.8 * (1 + math.sqrt(0.5)) / 2)


def test_warm_up_multiplies_and_does_not_shift():
    within = schedules.cosine(1.0, 40)
    rate = schedules.warm_up(within, 10, start=0.2)
    assert rate(0) == pytest.approx(0.2)
    assert rate(5) == pytest.approx(0.6 * within(5))
    assert [rate(step) for step in range(10, 60)] == [within(step) for step in range(10, 60)]
    none = schedules.warm_up(within, 0)
    assert [none(step) for step in range(50)] == [within(step) for step in range(50)]


def test_one_cycle_rises_to_its_peak_and_ends_at_its_final_rate():
    rate = schedules.one_cycle(0.2, 100, rise=0.25, start=0.1, final=0.01)
    rates = [rate(step) for step in range(100)]
    assert rates[0] == pytest.approx(0.02)
    assert rates.index(max(rates)) == 24
    assert max(rates) == pytest.approx(0.2)
    assert rates[:25] == sorted(rates[:25])
    assert rates[24:] == sorted(rates[24:], reverse=True)
    assert rate(99) == rate(100) == rate(1000) == pytest.approx(0.002)
    straight = schedules.one_cycle(0.2, 100, rise=0.25, start=0.1, final=0.01, shape="linear")
    assert np.allclose(np.diff([straight(step) for step in range(25)]), 0.18 / 24)
    assert np.allclose(np.diff([straight(step) for step in range(24, 100)]), -0.198 / 75)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: schedules.constant(-1),
            r"constant: rate is -1\.0, expected finite",
        ),
        (lambda: schedules.constant(math.nan), "constant: rate is nan"),
        (lambda: schedules.step_decay(0.1, 0), "step_decay: every is 0, expected at least 1"),
        (lambda: schedules.step_decay(0.1, 3, -2), "step_decay: factor is -2"),
        (lambda: schedules.cosine(math.inf, 3), "cosine: rate is inf"),
        (lambda: schedules.cosine(0.1, 0), "cosine: steps is 0"),
        (lambda: schedules.cosine(0.1, 3, -1), "cosine: final is -1"),
        (lambda: schedules.warm_up(EVERY[0], -1), "warm_up: steps is -1"),
        (lambda: schedules.warm_up(EVERY[0], 1, math.nan), "warm_up: start is nan"),
        (lambda: schedules.one_cycle(-1, 3), "one_cycle: peak is -1"),
        (lambda: schedules.one_cycle(1, 3, rise=1.5), "one_cycle: rise is 1.5, expected a frac"),
        (lambda: schedules.one_cycle(1, 3, final=-1), "one_cycle: final is -1"),
        (lambda: schedules.one_cycle(1, 3, shape="round"), "one_cycle: shape is 'round'"),
    ],
)
def test_senseless_settings_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_what_is_no_schedule_or_no_number_of_steps_is_refused():
    with pytest.raises(TypeError, match=r"warm_up: schedule is a float, expected a function"):
        schedules.warm_up(0.1, 10)
    with pytest.raises(TypeError, match=r"cosine: steps is 10\.0, expected an int"):
        schedules.cosine(0.1, 10.0)


def test_an_optimizer_follows_a_schedule():
    schedule = schedules.warm_up(schedules.step_decay(0.5, 2), 2, start=0.5)
    optimizer = fcnn.sgd(schedule)
    params, grads = (np.zeros(1),), (np.ones(1),)
    state, seen = optimizer.init(params), []
    for _ in range(4):
        before = params
        params, state = optimizer.step(params, grads, state)
        seen.append(float(before[0][0] - params[0][0]))
    assert np.allclose(seen, [0.25, 0.375, 0.05, 0.05])
