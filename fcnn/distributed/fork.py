"""A forked process that does one thing and leaves all else to the process it comes from."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import warnings
from collections.abc import Callable
from contextlib import suppress
from typing import Final

_PARENT_DIED: Final = 1  # PR_SET_PDEATHSIG of prctl(2)


def fork(work: Callable[[], object], *files: int) -> int:
    """Start a process that works until it is done or this one ends, with these open files;
    gives its id.
    """
    kept = {0, 1, 2, *files}
    for stream in filter(None, (sys.stdout, sys.stderr)):
        stream.flush()  # what waits there would be written twice
        with suppress(AttributeError, OSError):  # no file
            kept.add(stream.fileno())
    process = -1
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    try:
        with warnings.catch_warnings():
            # Python, and some libraries, warn of forking beside native threads. What fcnn does
            # in a helper needs none of them, and a layer that does is given up by the caller.
            warnings.simplefilter("ignore")
            process = os.fork()
        if process == 0:
            _leave_signals_and_files_but(kept)
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
            work()
    finally:
        if process == 0:
            os._exit(0)  # whatever went wrong: the caller sees that its files are closed
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    return process


def _leave_signals_and_files_but(kept: set[int]) -> None:
    for number in signal.valid_signals():
        if callable(signal.getsignal(number)):
            signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the caller's to handle
    ctypes.CDLL(None).prctl(_PARENT_DIED, signal.SIGKILL)
    found = {int(name) for name in os.listdir("/proc/self/fd")}
    # Their numbers stay taken: an object that still has one may close it, and nothing else.
    nothing = os.open(os.devnull, os.O_RDWR)
    for file in found - kept - {nothing}:
        with suppress(OSError):
            os.fstat(file)  # the listing itself was one of them
            os.dup2(nothing, file, inheritable=False)
