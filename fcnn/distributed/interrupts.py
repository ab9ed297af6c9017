"""Ctrl-C waits while something must not be left half done.

Python raises KeyboardInterrupt between any two steps of the main thread, at the first step of
an `__exit__` or a `finally` too. What is counted up in one place and down in another, started
and ended, locked and unlocked, cannot be kept right by these alone. While the shards of a call
are computed, SIGINT is therefore only noted, and let through where the functions of layers run
and where their results are waited for: few places, and nothing is half done there.
"""

from __future__ import annotations

import _thread
import os
import threading
import time

# The same functions in the module `signal` take ten times as long, for the sake of enums.
from _signal import getsignal, signal  # type: ignore[import-not-found]
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from signal import SIGINT
from types import FrameType
from typing import Any, Final, ParamSpec, TypeVar

P = ParamSpec("P")
Result = TypeVar("Result")

_SAME_INTERRUPT: Final = 1.0  # seconds within which a second one is taken for the first


class interrupts_deferred:  # noqa: N801, it is used like a function
    """While the block runs, an interrupt is noted; when it ends, the interrupt comes.

    What SIGINT does then is what it did before: by default KeyboardInterrupt is raised. In
    other threads than the main one there are no interrupts, and nothing happens.
    """

    _handler: Any = None
    _noted = False
    _allowed = False
    count = 0  # of the interrupts that have come

    def __enter__(self) -> interrupts_deferred:
        handler = getsignal(SIGINT)
        if callable(handler):
            try:
                signal(SIGINT, self._on_signal)
            except ValueError:  # only the main thread may set one
                return self
            self._handler = handler
        return self

    def __exit__(self, *error: object) -> None:
        if self._handler is not None:
            found = signal(SIGINT, self._handler)
            if found != self._on_signal:
                signal(SIGINT, found)  # somebody has set another one meanwhile
            self._raise_noted()

    def allowed_in(
        self, function: Callable[P, Result], *args: P.args, **kwargs: P.kwargs
    ) -> Result:
        """Call a function, which interrupts may end.

        What is raised while an object is deleted is lost there. So an interrupt stays noted until
        it has come out of the function.
        """
        self._allowed = True  # an assignment is one step: nothing comes between
        try:
            self._raise_noted()
            return function(*args, **kwargs)
        except BaseException:
            self._noted = False
            raise
        finally:
            self._allowed = False

    def _raise_noted(self) -> None:
        """Let through the interrupt that has come, if one has."""
        if self._noted:
            self._noted = False
            self._handler(SIGINT, None)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self.count += 1
        self._noted = True
        if self._allowed:
            self._handler(number, frame)
            self._noted = False  # it raises nothing


class StopWish:
    """Ctrl-C while several processes work together: noted, for they see it at different moments
    and must stop at the same one.

    Attributes
    ----------
    made
        Whether somebody wishes to stop.
    """

    made = False

    @contextmanager
    def noted(self) -> Iterator[None]:
        """While the block runs, an interrupt is noted. A second one does what it did before; but
        a launcher may hand on what a terminal has sent to all, so not at once.
        """
        handler = getsignal(SIGINT)
        if not callable(handler) or threading.current_thread() is not threading.main_thread():
            yield
            return
        first = 0.0

        def note(number: int, frame: FrameType | None) -> None:
            nonlocal first
            if self.made and first and time.monotonic() - first > _SAME_INTERRUPT:
                handler(number, frame)
            self.made, first = True, first or time.monotonic()

        signal(SIGINT, note)
        try:
            yield
        finally:
            signal(SIGINT, handler)


def call_while_deleting(function: Callable[P, object], *args: P.args, **kwargs: P.kwargs) -> None:
    """Call a function while an object is deleted. Exceptions are lost there: an interrupt comes
    from another thread, as soon as that has its turn.
    """
    try:
        with interrupts_deferred():
            function(*args, **kwargs)
    except KeyboardInterrupt:
        with suppress(RuntimeError):  # no more threads: Python is about to end
            _thread.start_new_thread(os.kill, (os.getpid(), SIGINT))
