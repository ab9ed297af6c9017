"""How far a training run is, how quick, and how long the rest of it will take."""

import time
from collections.abc import Callable

import attrs

from fcnn.runs.plan import Plan


@attrs.frozen
class Progress:
    """How far a run is after a step: the steps that are done, the learning rate of the last, the
    seconds that the rest will take, and how many images are trained on in one, None if nothing
    tells yet.
    """

    steps: int
    learning_rate: float
    seconds_left: float | None
    images_per_second: float | None


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
        # From one step to the next: within an epoch, and from one epoch to the next.
        self._seconds, self._count = [0.0, 0.0], [0, 0]

    def note(self, epoch: int, step: int) -> Progress:
        """Note that a step has been taken, just now, by its number in an epoch, from 1 on."""
        plan, now, between = self._plan, self._clock(), step == 1
        if self._last is not None:
            self._seconds[between] += now - self._last
            self._count[between] += 1
        self._last = now
        done = (epoch - 1) * plan.steps_per_epoch + step
        one, first = (self._seconds[i] / max(self._count[i], 1) for i in (0, 1))
        evaluation = one * len(plan.evaluated[0]) / plan.batch_size / 3
        if self._count[1]:  # with the first step of the next epoch
            evaluation = max(first - one, 0.0)
        left = (plan.config.epochs - epoch + 1) * evaluation + (plan.steps - done) * one
        return Progress(
            done,
            plan.schedule(done - 1),
            seconds_left=left if any(self._count) else None,
            images_per_second=plan.batch_size / one if self._count[0] else None,
        )
