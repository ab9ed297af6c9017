"""The pace of a run: what is left of all of it, and how quick it is."""

import attrs
import numpy as np
import pytest
from small_runs import NOISE, config_of

from fcnn import schedules
from fcnn.runs.pace import Pace
from fcnn.runs.plan import make_plan
from fcnn.runs.recipes import REFERENCE


def paced(*, first=1, epochs=4, steps=5, one=2.0, between=7.0):
    """What is said of the pace of a run, by epoch and step, and when it really ends."""
    now = 100.0
    x = np.zeros((60 * steps, 1, 1, 1), np.float32)
    data = (x, np.zeros(len(x), int)), (x[:90], np.zeros(90, int))
    plan = make_plan(attrs.evolve(REFERENCE.settings, epochs=epochs, batch_size=60), data)
    pace = Pace(plan, clock=lambda: now)
    said, times = {}, {}
    for epoch in range(first, epochs + 1):
        for number in range(1, steps + 1):
            now += one
            found = pace.note(epoch, number)
            said[epoch, number] = found.seconds_left, found.images_per_second
            times[epoch, number] = now
        now += between
    return said, {place: now - then for place, then in times.items()}


@pytest.mark.parametrize("first", [1, 3])
def test_the_time_that_is_left_is_that_of_the_whole_run(first):
    said, truth = paced(first=first)
    assert said[first, 1] == (None, None)  # there is nothing to tell by
    # Two seconds a step; an evaluation of 90 images counts as half of one of 60, so far.
    left = (4 - first) * 5 * 2 + 3 * 2 + (5 - first) * 1
    assert said[first, 2] == (left, 30)
    for place in list(truth)[5:]:
        assert said[place] == (pytest.approx(truth[place]), 30)


def test_the_pace_of_epochs_of_a_single_step():
    said, truth = paced(steps=1, one=2.0, between=8.0)
    assert said[1, 1] == (None, None)
    for place in list(truth)[1:]:
        # Evaluation and step cannot be told apart: the last evaluation counts as both.
        assert said[place] == (pytest.approx(truth[place] + 2), None)


def test_a_step_is_told_by_its_number_in_the_run_and_has_its_own_rate():
    plan = make_plan(config_of(epochs=4, batch_size=10, schedule="cosine"), NOISE)
    found = Pace(plan).note(3, 2)  # of five an epoch
    assert found.steps == 12
    assert found.learning_rate == schedules.cosine(0.5, 20)(11)
