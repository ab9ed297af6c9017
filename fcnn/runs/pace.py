"""How quick a training run is, and how long the rest of it will take."""

import time
from collections.abc import Callable

from fcnn.runs.plan import Plan, Step


class Pace:
    """The pace of all epochs of a run.

    What comes between two epochs, evaluation above all, counts with the seconds it took so
    far. Until then an image that is evaluated counts as a third of one that is trained on.
    Epochs before the first step that is noted here, those of a run that is resumed, do not
    count.
    """

    def __init__(self, plan: Plan, clock: Callable[[], float] = time.perf_counter) -> None:
        self._plan, self._clock = plan, clock
        self._last: float | None = None
        self._within, self._between = _Mean(), _Mean()

    def note(self, step: Step) -> None:
        """Note that a step has been taken, just now."""
        now = self._clock()
        if self._last is not None:
            (self._between if step.in_epoch == 1 else self._within).add(now - self._last)
        self._last = now

    def seconds_left(self, step: Step) -> float | None:
        """How long the rest of the run will take after a step; None if nothing tells yet."""
        if not (self._within.count or self._between.count):
            return None
        one = self._within.value
        evaluation = one * len(self._plan.evaluated[0]) / self._plan.batch_size / 3
        if self._between.count:  # with the first step of the next epoch
            evaluation = max(self._between.value - one, 0.0)
        evaluations = self._plan.config.epochs - step.epoch + 1
        return evaluations * evaluation + (self._plan.steps - step.in_run) * one

    @property
    def images_per_second(self) -> float | None:
        """How many images are trained on in a second; None if nothing tells yet."""
        return self._plan.batch_size / self._within.value if self._within.count else None


class _Mean:
    def __init__(self) -> None:
        self.total, self.count = 0.0, 0

    def add(self, value: float) -> None:
        self.total, self.count = self.total + value, self.count + 1

    @property
    def value(self) -> float:
        return self.total / max(self.count, 1)
