"""Helper processes over the shards of a batch: no interpreter lock to wait for.

Threads take turns at the interpreter between the many short NumPy calls of a small network,
and two gain little over one. Processes do not. They are forked, so they know the model, its
functions and everything else as the caller did, and nothing has to be described to them; the
arrays of a call and its results go through memory that all of them share, and the numbers of
the items through a pipe, from which each process takes the next one when it has time. They
compute the same operations on the same numbers, so the bits are the same.

A helper only ever saves time. Whatever happens to one, an exception, a warning, its death or
no answer, the caller computes that item itself, and meets the exception or warning there. What
helpers know is as old as they are: a function or a setting that is replaced later is not seen.

Forking is safe where no other thread runs: on Linux, in the main thread of a program that has
no others. Elsewhere, and with the environment variable FCNN_PROCESSES=0, threads do the work.
"""

from __future__ import annotations

import mmap
import operator
import os
import signal
import sys
import threading
import time
import weakref
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from typing import Any, Final

import numpy as np

from fcnn.distributed.helper import Call, Function, Helper, fork, put_numbers, take_numbers
from fcnn.distributed.interrupts import call_while_deleting, interrupts_deferred
from fcnn.distributed.shared_memory import Memory
from fcnn.distributed.threads import end_idle_threads, is_only_thread
from fcnn.numerics.arrays import Array

_PATIENCE: Final = 10.0  # times the caller's own time and a second, for the helpers
_MOST_ITEMS: Final = 1000  # their numbers fit into any pipe


def can_fork() -> bool:
    """Whether helpers may be processes: see the module's description."""
    if sys.platform != "linux" or os.environ.get("FCNN_PROCESSES") == "0":
        return False
    return threading.current_thread() is threading.main_thread() and is_only_thread()


def can_be_shared(arrays: Sequence[Array], items: int) -> bool:
    """Whether arrays hold plain numbers alone, and items are not too many for the pipe."""
    return items <= _MOST_ITEMS and all(array.dtype.kind in "biufc" for array in arrays)


class HelperProcesses:
    """Processes that all know one function, and the memory that they share.

    Interrupts must be deferred while these are made and run.

    Parameters
    ----------
    function
        A pure function of a list of arrays and an item (anything that pickles) to a list
        of arrays.
    count
        How many processes there are besides the caller's.
    room
        Bytes of shared memory for the arrays of a call, and for the results of each helper.
    """

    def __init__(self, function: Function, count: int, room: tuple[int, int]) -> None:
        from multiprocessing import Pipe

        self.count, self._room = count, room
        self._function, self._caller = function, os.getpid()
        arrays, results = room
        memory = mmap.mmap(-1, arrays + count * results)
        self._inputs = Memory(memory, 0, arrays)
        self._results = [Memory(memory, arrays + i * results, results) for i in range(count)]
        self._last_call: Call | None = None
        self._numbers = read, write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._links: list[Any] = []
        ids: list[int] = []
        end = partial(_end, ids, self._links, (read, write))
        self.close = weakref.finalize(self, call_while_deleting, end)
        end_idle_threads()
        for i in range(count):
            here, there = Pipe()
            self._links.append(here)
            helper = Helper(function, there, read, self._inputs, self._results[i])
            ids.append(fork(helper, self._links))
            there.close()

    @property
    def alive(self) -> bool:
        """Whether the helpers are there; not after an error, nor in a forked process."""
        return self.close.alive and self._caller == os.getpid()

    def suit(self, count: int, room: tuple[int, int]) -> bool:
        """Whether there are at least as many helpers, and as much room."""
        enough = count <= self.count and all(map(operator.le, room, self._room))
        return enough and self.alive

    def run(
        self, arrays: list[Array], items: Sequence[Any], interrupts: interrupts_deferred
    ) -> list[list[Array]]:
        """The function of every item, in order. The results are views of the shared memory,
        good until the next call. Once one of the helpers has failed, all have ended.
        """
        results: list[list[Array] | None] = [None] * len(items)
        done = False
        try:
            done = interrupts.allowed_in(self._share_out, arrays, items, results)
        finally:
            if not done:
                self.close()
        left = (
            self._function(arrays, items[i]) if result is None else result
            for i, result in enumerate(results)
        )
        return interrupts.allowed_in(list, left)

    def _share_out(
        self, arrays: list[Array], items: Sequence[Any], results: list[list[Array] | None]
    ) -> bool:
        """Fill in the results of what works; whether all of the helpers are well."""
        begun = time.monotonic()
        try:
            self._announce(arrays, items)
        except OSError:
            return False
        for i in take_numbers(self._numbers[0]):
            results[i] = self._function(arrays, items[i])
        try:
            self._gather(results, _PATIENCE * (1 + time.monotonic() - begun))
        except (EOFError, OSError):
            return False
        return True

    def _announce(self, arrays: list[Array], items: Sequence[Any]) -> None:
        """Tell the helpers of a call."""
        call = Call(self._inputs.put(arrays), items, _error_state())
        put_numbers(self._numbers[1], len(items))
        for link in self._links:
            link.send(None if call == self._last_call else call)
        self._last_call = call

    def _gather(self, results: list[list[Array] | None], patience: float) -> None:
        """Fill in what the helpers have done. One that takes far longer than the caller did is
        given up: a library with native threads may wait for ever in a forked process.
        """
        for link, memory in zip(self._links, self._results, strict=True):
            if not link.poll(patience):
                raise EOFError("no answer")
            for i, slots in link.recv():
                results[i] = memory.get(slots)


def _error_state() -> dict[str, Any]:
    """NumPy's error state for the helpers: what the caller does not ignore is an error there,
    and so is computed once more here, where it raises, warns or calls what the caller set.
    """
    return {kind: "ignore" if do == "ignore" else "raise" for kind, do in np.geterr().items()}


def _end(processes: list[int], links: list[Any], numbers: tuple[int, int]) -> None:
    for link in links:
        link.close()
    for descriptor in numbers:
        os.close(descriptor)
    for process in processes:
        # Somebody else may have waited for it; and to a forked process it is no child.
        with suppress(ProcessLookupError, ChildProcessError):
            if os.waitpid(process, os.WNOHANG) == (0, 0):
                os.kill(process, signal.SIGKILL)
                os.waitpid(process, 0)
