"""Progress on standard error: a bar on a terminal, gone when it is done; elsewhere, as in a pipe,
a line now and then.
"""

import sys
import time
from collections.abc import Callable
from typing import Any, Final

COLOUR: Final = "cyan"
_SECONDS_OF_BAR: Final = 0.1  # from one drawing to the next
_SECONDS_OF_LINES: Final = 10.0


class Bar:
    """The progress of one thing after the other; silent if it is not to be shown.

    In a pipe what takes less than ten seconds has no line.
    """

    def __init__(self, shown: bool, clock: Callable[[], float] = time.monotonic) -> None:
        self._shown, self._clock = shown, clock
        self._progress: Any = None
        self._label = ""
        self._drawn = clock()

    def update(self, label: str, done: int, total: int | None, note: str = "") -> None:
        """Draw that much of what the label names; a new label begins a new bar.

        A note stands where otherwise the time that is left would: that of this bar alone.
        """
        if not self._shown:
            return
        if not sys.stderr.isatty():
            self._write_line(label, done, total, note)
            return
        if label != self._label:
            self.close()
            self._open(label, total, noted=note != "")
        self._progress.update(self._progress.task_ids[0], completed=done, total=total, note=note)
        if done == total or self._clock() - self._drawn > _SECONDS_OF_BAR:
            self._progress.refresh()
            self._drawn = self._clock()

    def _write_line(self, label: str, done: int, total: int | None, note: str) -> None:
        if self._clock() - self._drawn < _SECONDS_OF_LINES:
            return
        share = f"{done / total:.0%}" if total else f"{done:,}"
        print(", ".join(filter(None, [f"{label}: {share}", note])), file=sys.stderr, flush=True)
        self._drawn = self._clock()

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
            BarColumn(complete_style=COLOUR, finished_style=COLOUR, pulse_style=COLOUR),
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

    def __exit__(self, *error: object) -> None:
        self.close()
