"""The pace of a run: what is left of all of it, and how quick it is."""

import pytest

from fcnn.cli import progress


class Clock:
    now = 100.0

    def perf_counter(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    """A clock that is set by hand."""
    clock = Clock()
    monkeypatch.setattr(progress, "time", clock)
    return clock


def paced(clock, *, first=1, epochs=4, steps=5, one=2.0, between=7.0):
    """What is said of the pace of a run, by epoch and step, and when it really ends."""
    pace = progress.Pace(epochs, 60, 90)
    said, times = {}, {}
    for epoch in range(first, epochs + 1):
        for step in range(1, steps + 1):
            clock.now += one
            said[epoch, step], times[epoch, step] = pace.step(epoch, step, steps), clock.now
        clock.now += between
    return said, {place: clock.now - then for place, then in times.items()}


@pytest.mark.parametrize("first", [1, 3])
def test_the_time_that_is_left_is_that_of_the_whole_run(clock, first):
    said, truth = paced(clock, first=first)
    assert said[first, 1] == []  # there is nothing to tell by
    # Two seconds a step; an evaluation of 90 images counts as half of one of 60, so far.
    left = (4 - first) * 5 * 2 + 3 * 2 + (5 - first) * 1
    assert said[first, 2] == [f"0:00:{left:02} left", "30 images/s"]
    for place in list(truth)[5:]:
        minutes, seconds = divmod(round(truth[place]), 60)
        assert said[place] == [f"0:{minutes:02}:{seconds:02} left", "30 images/s"]


def test_the_pace_of_epochs_of_a_single_step(clock):
    said, truth = paced(clock, steps=1, one=2.0, between=8.0)
    assert said[1, 1] == []
    for place in list(truth)[1:]:
        # Evaluation and step cannot be told apart: the last evaluation counts as both.
        assert said[place] == [f"0:00:{round(truth[place]) + 2:02} left"]
