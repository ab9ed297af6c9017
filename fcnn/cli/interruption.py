"""Ctrl-C that lets a training step end first."""

import signal
import threading
from types import FrameType
from typing import Any


class AfterStep:
    """While the block runs, the first Ctrl-C is noted, and `check` raises KeyboardInterrupt;
    a second one raises it at once. Outside of the main thread Ctrl-C does what it always does.
    """

    def __init__(self) -> None:
        self._asked = False
        self._before: Any = None

    def check(self) -> None:
        """Raise KeyboardInterrupt if Ctrl-C was pressed."""
        if self._asked:
            raise KeyboardInterrupt

    def __enter__(self) -> "AfterStep":
        if threading.current_thread() is threading.main_thread():
            self._before = signal.signal(signal.SIGINT, self._note)
        return self

    def __exit__(self, *error: object) -> None:
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self._asked:
            raise KeyboardInterrupt
        self._asked = True
