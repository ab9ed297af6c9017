"""Progress bars: on standard error, only on a terminal, and gone when they are done."""

import sys
import time
from datetime import timedelta
from types import TracebackType
from typing import Any, Final

_SECONDS: Final = 0.1  # from one drawing to the next


class Bar:
    """A progress bar for one thing after the other; silent where nobody sees it."""

    def __init__(self, shown: bool) -> None:
        self._shown = shown and sys.stderr.isatty()
        self._progress: Any = None
        self._label = ""
        self._drawn = 0.0

    def update(self, label: str, done: int, total: int | None, note: str = "") -> None:
        """Draw that much of what the label names; a new label begins a new bar.

        A note stands where otherwise the time that is left would: that of this bar alone.
        """
        if not self._shown:
            return
        if label != self._label:
            self.close()
            self._open(label, total, noted=note != "")
        self._progress.update(self._progress.task_ids[0], completed=done, total=total, note=note)
        if done == total or time.monotonic() - self._drawn > _SECONDS:
            self._progress.refresh()
            self._drawn = time.monotonic()

    def close(self) -> None:
        """Take the bar away."""
        if self._progress is not None:
            self._progress.stop()
            self._progress, self._label = None, ""

    def _open(self, label: str, total: int | None, *, noted: bool) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TaskProgressColumn, TimeRemainingColumn

        self._label = label
        # Results go to standard output as they are: nothing of theirs is redirected.
        self._progress = Progress(
            "{task.description}",
            BarColumn(),
            TaskProgressColumn(),
            "{task.fields[note]}" if noted else TimeRemainingColumn(),
            console=Console(stderr=True),
            transient=True,
            auto_refresh=False,  # by a thread, beside which no helper process may be forked
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._progress.add_task(label, total=total, note="")
        self._progress.start()

    def __enter__(self) -> "Bar":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


class Pace:
    """How quick a training run is, and how long the rest of all its epochs will take.

    What comes between two epochs, evaluation above all, counts with the seconds it took so
    far. Until then an image that is evaluated counts as a third of one that is trained on.
    Epochs before the first step that is noted here, those of a run that is resumed, do not
    count.
    """

    def __init__(self, epochs: int, batch_size: int, evaluated: int) -> None:
        self._epochs, self._batch_size, self._evaluated = epochs, batch_size, evaluated
        self._last: float | None = None
        self._within, self._between = _Mean(), _Mean()

    def step(self, epoch: int, step: int, steps: int) -> list[str]:
        """Note that a step has been taken, just now; gives what can be said of the pace."""
        now = time.perf_counter()
        if self._last is not None:
            (self._between if step == 1 else self._within).add(now - self._last)
        self._last = now
        said = []
        if self._within.count or self._between.count:
            seconds = round(self._seconds_left(epoch, step, steps))
            said.append(f"{timedelta(seconds=seconds)} left")
        if self._within.count:
            said.append(f"{self._batch_size / self._within.value:,.0f} images/s")
        return said

    def _seconds_left(self, epoch: int, step: int, steps: int) -> float:
        one = self._within.value
        evaluation = one * self._evaluated / self._batch_size / 3
        if self._between.count:  # with the first step of the next epoch
            evaluation = max(self._between.value - one, 0.0)
        epochs_left = self._epochs - epoch
        return (epochs_left + 1) * evaluation + (epochs_left * steps + steps - step) * one


class _Mean:
    def __init__(self) -> None:
        self.total, self.count = 0.0, 0

    def add(self, value: float) -> None:
        self.total, self.count = self.total + value, self.count + 1

    @property
    def value(self) -> float:
        return self.total / max(self.count, 1)
