"""One helper process: forked, it takes items until the caller ends or closes its link."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import Any, Final, NamedTuple, TypeAlias

import numpy as np

from fcnn.distributed.blas_threads import one_blas_thread
from fcnn.distributed.shared_memory import Memory, Slot
from fcnn.numerics.arrays import Array

Function: TypeAlias = Callable[[list[Array], Any], list[Array]]

_NUMBER: Final = 4  # bytes of the number of an item
_PARENT_DIED: Final = 1  # PR_SET_PDEATHSIG of prctl(2)


class Call(NamedTuple):
    """What helpers are told of a call: where its arrays lie, the items, NumPy's error state."""

    slots: list[Slot]
    items: Sequence[Any]
    errors: dict[str, Any]


class Helper(NamedTuple):
    """What a helper is given: the function, its end of the link to the caller, the pipe of the
    items' numbers, memory for the arrays of a call and for its own results.
    """

    function: Function
    link: Any
    numbers: int
    inputs: Memory
    results: Memory

    def serve(self) -> None:
        """Take items of call after call until the caller ends or closes the link."""
        ctypes.CDLL(None).prctl(_PARENT_DIED, signal.SIGKILL)
        call = Call([], [], {})
        with one_blas_thread():
            while True:
                call = self.link.recv() or call  # None: as before
                self.link.send(self._work(self.inputs.get(call.slots), call))
                with suppress(OSError, ValueError):
                    print(end="", flush=True)  # what the function has printed

    def _work(self, arrays: list[Array], call: Call) -> list[tuple[int, list[Slot]]]:
        done = []
        self.results.put([])
        with warnings.catch_warnings(), np.errstate(**call.errors):
            warnings.simplefilter("error")
            for i in take_numbers(self.numbers):
                try:
                    done.append((i, self.results.add(self.function(arrays, call.items[i]))))
                except Exception:  # the caller will see for itself
                    continue
        return done


def put_numbers(pipe: int, count: int) -> None:
    """Put the numbers of the items into the pipe, for whoever takes them first."""
    os.write(pipe, b"".join(i.to_bytes(_NUMBER, "little") for i in range(count)))


def take_numbers(pipe: int) -> Iterator[int]:
    """The numbers of items nobody has begun; each is read by one process alone."""
    while True:
        try:
            number = os.read(pipe, _NUMBER)
        except BlockingIOError:
            return
        yield int.from_bytes(number, "little")


def fork(helper: Helper, links_of_caller: list[Any]) -> int:
    """Start a helper; gives its process id."""
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.flush()  # what waits there would be written twice
    process = -1
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    try:
        with warnings.catch_warnings():
            # Python, and some libraries, warn of forking beside native threads. What fcnn does
            # in a helper needs none of them, and a layer that does is given up by the caller.
            warnings.simplefilter("ignore")
            process = os.fork()
        if process == 0:
            _leave_all_to_the_caller(helper, links_of_caller)
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
            helper.serve()
    finally:
        if process == 0:
            os._exit(0)  # whatever went wrong: the caller sees that the link has ended
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    return process


def _leave_all_to_the_caller(helper: Helper, links_of_caller: list[Any]) -> None:
    """In a helper: its signal handlers and its open files."""
    for number in signal.valid_signals():
        if callable(signal.getsignal(number)):
            signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the caller's to handle
    for link in links_of_caller:
        link.close()
    kept = {0, 1, 2, helper.link.fileno(), helper.numbers}
    for stream in (sys.stdout, sys.stderr):
        with suppress(AttributeError, OSError, ValueError):  # none, closed, or no file
            kept.add(stream.fileno())
    for name in os.listdir("/proc/self/fd"):
        if int(name) not in kept:
            with suppress(OSError):
                os.close(int(name))
