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

import ctypes
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
from typing import Any, Final, NamedTuple, TypeAlias

import numpy as np

from fcnn.distributed import blas_threads as blas
from fcnn.distributed import threads as workers
from fcnn.distributed.shared_memory import Memory, Slot
from fcnn.numerics.arrays import Array

Function: TypeAlias = Callable[[list[Array], Any], list[Array]]
_PATIENCE: Final = 10.0  # times the caller's own time and a second, for the helpers
_NUMBER: Final = 4  # bytes of the number of an item
_MOST_ITEMS: Final = 1000  # their numbers fit into any pipe
_PARENT_DIED: Final = 1  # PR_SET_PDEATHSIG of prctl(2)


def can_fork() -> bool:
    """Whether helpers may be processes: see the module's description."""
    if sys.platform != "linux" or os.environ.get("FCNN_PROCESSES") == "0":
        return False
    return threading.current_thread() is threading.main_thread() and workers.is_only_thread()


def can_be_shared(arrays: Sequence[Array], items: int) -> bool:
    """Whether arrays hold plain numbers alone, and items are not too many for the pipe."""
    return items <= _MOST_ITEMS and all(array.dtype.kind in "biufc" for array in arrays)


class Team:
    """Helpers that all know one function, and memory that they share.

    Parameters
    ----------
    function
        A pure function of a list of arrays and an item (anything that pickles) to a list
        of arrays.
    helpers
        How many processes there are besides the caller's.
    room
        Bytes of shared memory for the arrays of a call, and for the results of each helper.
    """

    def __init__(self, function: Function, helpers: int, room: tuple[int, int]) -> None:
        from multiprocessing import Pipe

        self._helpers, self._room = helpers, room
        self._function = function
        arrays, results = room
        memory = mmap.mmap(-1, arrays + helpers * results)
        self._inputs = Memory(memory, 0, arrays)
        self._results = [Memory(memory, arrays + i * results, results) for i in range(helpers)]
        self._last_call: _Call | None = None
        self._numbers = read, write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._links: list[Any] = []
        ids: list[int] = []
        self.close = weakref.finalize(self, _end, ids, self._links, (read, write))
        workers.end_idle_threads()
        for i in range(helpers):
            here, there = Pipe()
            self._links.append(here)
            job = _Job(function, there, read, self._inputs, self._results[i])
            ids.append(_fork(job, self._links))
            there.close()
        _teams.add(self)

    @property
    def alive(self) -> bool:
        """Whether the helpers are there; not after an error, nor in a forked process."""
        return self.close.alive

    def suits(self, helpers: int, room: tuple[int, int]) -> bool:
        """Whether there are at least as many helpers, and as much room."""
        enough = helpers <= self._helpers and all(map(operator.le, room, self._room))
        return enough and self.alive

    def run(self, arrays: list[Array], items: Sequence[Any]) -> list[list[Array]]:
        """The function of every item, in order. The results are views of the shared memory,
        good until the next call. After a helper has failed the team is no longer alive.
        """
        begun = time.monotonic()
        results: list[list[Array] | None] = [None] * len(items)
        try:
            if self._announce(arrays, items):
                for i in _taken(self._numbers[0]):
                    results[i] = self._function(arrays, items[i])
                self._gather(results, begun)
        except BaseException:
            self.close()
            raise
        return [
            self._function(arrays, items[i]) if result is None else result
            for i, result in enumerate(results)
        ]

    def _announce(self, arrays: list[Array], items: Sequence[Any]) -> bool:
        """Tell the helpers of a call; False if one has died."""
        call = _Call(self._inputs.put(arrays), items, _error_state())
        try:
            os.write(self._numbers[1], b"".join(map(_to_bytes, range(len(items)))))
            for link in self._links:
                link.send(None if call == self._last_call else call)  # None: as before
        except OSError:
            self.close()
            return False
        self._last_call = call
        return True

    def _gather(self, results: list[list[Array] | None], begun: float) -> None:
        """Fill in what the helpers have done. One that takes far longer than the caller did is
        given up: a library with native threads may wait for ever in a forked process.
        """
        patience = _PATIENCE * (1 + time.monotonic() - begun)
        try:
            for link, memory in zip(self._links, self._results, strict=True):
                if not link.poll(patience):
                    raise EOFError("no answer")
                for i, places in link.recv():
                    results[i] = memory.get(places)
        except (EOFError, OSError):
            self.close()


class _Call(NamedTuple):
    """What helpers are told of a call: where its arrays lie, the items, NumPy's error state."""

    places: list[Slot]
    items: Sequence[Any]
    errors: dict[str, Any]


class _Job(NamedTuple):
    """What a helper process is given, and what it does."""

    function: Function
    link: Any
    numbers: int
    inputs: Memory
    results: Memory

    def serve(self) -> None:
        """Take items of call after call until the caller ends or closes the link."""
        ctypes.CDLL(None).prctl(_PARENT_DIED, signal.SIGKILL)
        call = _Call([], [], {})
        with blas.one_blas_thread():
            while True:
                call = self.link.recv() or call
                self.link.send(self._work(self.inputs.get(call.places), call))
                with suppress(OSError, ValueError):
                    print(end="", flush=True)  # what the function has printed

    def _work(self, arrays: list[Array], call: _Call) -> list[tuple[int, list[Slot]]]:
        done = []
        self.results.put([])
        with warnings.catch_warnings(), np.errstate(**call.errors):
            warnings.simplefilter("error")
            for i in _taken(self.numbers):
                try:
                    done.append((i, self.results.add(self.function(arrays, call.items[i]))))
                except Exception:  # the caller will see for itself
                    continue
        return done


def _fork(job: _Job, links_of_caller: list[Any]) -> int:
    """Start a helper; gives its process id."""
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.flush()  # what waits there would be written twice
    process = -1
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    try:
        with warnings.catch_warnings():
            # Python, and some libraries, warn of forking beside native threads. What fcnn does
            # in a helper needs none of them, and a layer that does is given up (see `_gather`).
            warnings.simplefilter("ignore")
            process = os.fork()
        if process == 0:
            _leave_all_to_the_caller(job, links_of_caller)
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
            job.serve()
    finally:
        if process == 0:
            os._exit(0)  # whatever went wrong: the caller sees that the link has ended
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    return process


def _leave_all_to_the_caller(job: _Job, links_of_caller: list[Any]) -> None:
    """In a helper: its signal handlers and its open files."""
    for number in signal.valid_signals():
        if callable(signal.getsignal(number)):
            signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the caller's to handle
    for link in links_of_caller:
        link.close()
    kept = {0, 1, 2, job.link.fileno(), job.numbers}
    for stream in (sys.stdout, sys.stderr):
        with suppress(AttributeError, OSError, ValueError):  # none, closed, or no file
            kept.add(stream.fileno())
    for name in os.listdir("/proc/self/fd"):
        if int(name) not in kept:
            with suppress(OSError):
                os.close(int(name))


def _taken(numbers: int) -> Iterator[int]:
    """The numbers of items nobody has begun; each is read by one process alone."""
    while True:
        try:
            number = os.read(numbers, _NUMBER)
        except BlockingIOError:
            return
        yield int.from_bytes(number, "little")


def _to_bytes(number: int) -> bytes:
    return number.to_bytes(_NUMBER, "little")


def _error_state() -> dict[str, Any]:
    """NumPy's error state for the helpers: what the caller does not ignore is an error there,
    and so is computed once more here, where it raises, warns or calls what the caller set.
    """
    return {kind: "ignore" if do == "ignore" else "raise" for kind, do in np.geterr().items()}


_teams: weakref.WeakSet[Team] = weakref.WeakSet()


def _forget_after_fork() -> None:
    """A forked process leaves the helpers to the one that made them."""
    for team in list(_teams):
        team.close.detach()
        for link in team._links:
            link.close()
    _teams.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_after_fork)


def _end(processes: list[int], links: list[Any], numbers: tuple[int, int]) -> None:
    for link in links:
        link.close()
    for descriptor in numbers:
        os.close(descriptor)
    for process in processes:
        with suppress(ProcessLookupError, ChildProcessError):  # somebody else waited for it
            if os.waitpid(process, os.WNOHANG) == (0, 0):
                os.kill(process, signal.SIGKILL)
                os.waitpid(process, 0)
