"""Ctrl-C that lets a training step end first."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def after_step() -> Iterator[Callable[[], None]]:
    """While the block runs, the first Ctrl-C is noted, and the function that is given raises
    KeyboardInterrupt; a second one raises it at once. Outside of the main thread Ctrl-C does
    what it always does.
    """
    asked = False

    def check() -> None:
        if asked:
            raise KeyboardInterrupt

    def note(*caught: object) -> None:
        nonlocal asked
        check()
        asked = True

    if threading.current_thread() is not threading.main_thread():
        yield check
        return
    before = signal.signal(signal.SIGINT, note)
    try:
        yield check
    finally:
        signal.signal(signal.SIGINT, before or signal.SIG_DFL)
