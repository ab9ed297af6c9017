"""Progress bars: on standard error, only on a terminal, and gone when they are done."""

import sys
import time
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

    def __exit__(self, *error: object) -> None:
        self.close()
