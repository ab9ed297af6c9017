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
import warnings
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, Final, TypeAlias

import numpy as np

from fcnn.distributed.blas_threads import one_blas_thread
from fcnn.distributed.fork import fork
from fcnn.distributed.interrupts import call_while_deleting, interrupts_deferred
from fcnn.distributed.shared_memory import Slot, get, put
from fcnn.distributed.threads import end_idle_threads, is_only_thread
from fcnn.numerics.arrays import Array

Function: TypeAlias = Callable[[list[Array], Any], list[Array]]

_PATIENCE: Final = 10.0  # times the caller's own time and a second, for the helpers
_MOST_ITEMS: Final = 1000  # their numbers fit into any pipe
_NUMBER: Final = np.dtype(np.uint32)


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
    items
        How many items a call may have.
    room, result
        Bytes of shared memory for the arrays of a call, and for the result of each item.
    """

    def __init__(self, function: Function, count: int, items: int, room: int, result: int) -> None:
        from multiprocessing import Pipe

        self._most = count, items, room, result
        self._function, self._caller = function, os.getpid()
        self._memory = mmap.mmap(-1, room + items * result)
        self._last_call: Any = None
        self._numbers = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._links: list[Any] = []
        ids: list[int] = []
        self.close = weakref.finalize(
            self, call_while_deleting, _end, ids, self._links, self._numbers
        )
        end_idle_threads()
        for _ in range(count):
            here, there = Pipe()
            self._links.append(here)
            ids.append(fork(partial(self._serve, there), there.fileno(), self._numbers[0]))
            there.close()

    @property
    def count(self) -> int:
        """How many helpers there are; none after an error, nor in a forked process."""
        return self._most[0] if self.close.alive and self._caller == os.getpid() else 0

    def suit(self, *needed: int) -> bool:
        """Whether there are at least as many helpers, items and bytes."""
        return self.count > 0 and all(map(operator.le, needed, self._most))

    def run(
        self, arrays: list[Array], items: Sequence[Any], interrupts: interrupts_deferred
    ) -> list[list[Array]]:
        """The function of every item, in order. The results are views of the shared memory,
        good until the next call. Once one of the helpers has failed, all have ended.
        """
        self._well = False
        try:
            return interrupts.allowed_in(self._share_out, arrays, items)
        finally:
            if not self._well:
                self.close()

    def _share_out(self, arrays: list[Array], items: Sequence[Any]) -> list[list[Array]]:
        begun = time.monotonic()
        # What the caller does not ignore is an error in a helper, and so is computed once more
        # here, where it raises, warns or calls what the caller set.
        errors = {kind: "ignore" if do == "ignore" else "raise" for kind, do in np.geterr().items()}
        call = put(arrays, self._memory, 0, self._most[2]), items, errors
        os.write(self._numbers[1], np.arange(len(items), dtype=_NUMBER).tobytes())
        with suppress(OSError):  # whoever does not listen will not answer either
            for link in self._links:
                link.send(None if call == self._last_call else call)
        self._last_call = call
        results = {i: self._function(arrays, items[i]) for i in self._take_numbers()}
        # One that takes far longer than the caller did is given up: a library with native
        # threads may wait for ever in a forked process.
        patience = _PATIENCE * (1 + time.monotonic() - begun)
        with suppress(EOFError, OSError):
            for link in self._links:
                if not link.poll(patience):
                    break
                results |= {i: get(slots, self._memory) for i, slots in link.recv()}
            else:
                self._well = True
        every = range(len(items))
        return [results[i] if i in results else self._function(arrays, items[i]) for i in every]

    def _take_numbers(self) -> Iterator[int]:
        """The numbers of items nobody has begun; each is read by one process alone."""
        with suppress(BlockingIOError):
            while True:
                number = os.read(self._numbers[0], _NUMBER.itemsize)
                yield int.from_bytes(number, sys.byteorder)

    def _serve(self, link: Any) -> None:
        """In a helper: take items of call after call until the caller ends or closes the link."""
        call: Any = None
        with one_blas_thread():
            while True:
                call = link.recv() or call  # None: as before
                link.send(self._work(*call))
                with suppress(OSError, ValueError):
                    print(end="", flush=True)  # what the function has printed

    def _work(
        self, slots: list[Slot], items: Sequence[Any], errors: dict[str, Any]
    ) -> list[tuple[int, list[Slot]]]:
        arrays, done = get(slots, self._memory), []
        _, _, room, size = self._most
        with warnings.catch_warnings(), np.errstate(**errors):
            warnings.simplefilter("error")
            for i in self._take_numbers():
                with suppress(Exception):  # the caller will see for itself
                    result = self._function(arrays, items[i])
                    done.append((i, put(result, self._memory, room + i * size, size)))
        return done


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
