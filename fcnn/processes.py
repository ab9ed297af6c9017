"""Helper processes over the shards of a batch: no interpreter lock to wait for.

Threads take turns at the interpreter between the many short NumPy calls of a small network,
and two gain little over one. Processes do not. They are forked, so they know the model, its
functions and everything else as the caller did, and nothing has to be described to them; the
arrays of a call and its results go through memory that all of them share. They compute the
same operations on the same numbers, so the bits are the same.

A helper only ever saves time. Whatever happens to one, from an exception or a warning to its
death, the caller computes that item itself, and meets the exception or warning there.

Forking is safe where no other thread runs: on Linux, in the main thread of a program that has
no others. Elsewhere, and with the environment variable FCNN_PROCESSES=0, threads do the work.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import signal
import sys
import threading
import warnings
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import Any, Final, NamedTuple, TypeAlias

import numpy as np

from fcnn import blas, workers
from fcnn.arrays import Array

Function: TypeAlias = Callable[[list[Array], Any], list[Array]]

_ALIGNMENT: Final = 64  # bytes: a line of the cache
_NUMBER: Final = 4  # bytes of the number of an item
_MOST_ITEMS: Final = 1000  # their numbers fit into any pipe
_PARENT_DIED: Final = 1  # PR_SET_PDEATHSIG of prctl(2)


def can_fork(arrays: Sequence[Array], items: int) -> bool:
    """Whether processes can do the work: see the module's description."""
    if sys.platform != "linux" or os.environ.get("FCNN_PROCESSES") == "0":
        return False
    if items > _MOST_ITEMS or any(array.dtype.hasobject for array in arrays):
        return False
    if threading.current_thread() is not threading.main_thread():
        return False
    return workers.is_only_thread()


class Place(NamedTuple):
    """Where an array lies in shared memory."""

    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    dtype: str


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
        Bytes of shared memory for the arrays of a call, and as many for the results of
        each helper.
    """

    def __init__(self, function: Function, helpers: int, room: int) -> None:
        from multiprocessing import Pipe

        self.helpers, self.room = helpers, room
        self._function = function
        memory = mmap.mmap(-1, (helpers + 1) * room)
        self._inputs = Memory(memory, 0, room)
        self._results = [Memory(memory, (i + 1) * room, room) for i in range(helpers)]
        self._last_call: _Call | None = None
        self._numbers = read, write = os.pipe2(os.O_NONBLOCK)
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

    def run(self, arrays: list[Array], items: Sequence[Any]) -> list[list[Array]]:
        """The function of every item, in order. The results are views of the shared memory,
        good until the next call.
        """
        results: list[list[Array] | None] = [None] * len(items)
        try:
            places = self._inputs.put(arrays)
            os.write(self._numbers[1], b"".join(map(_to_bytes, range(len(items)))))
            call = _Call(places, items, _error_state())
            for link in self._links:
                link.send(None if call == self._last_call else call)
            self._last_call = call
            for i in _taken(self._numbers[0]):
                results[i] = self._function(arrays, items[i])
            for link, memory in zip(self._links, self._results, strict=True):
                for i, places in link.recv():
                    results[i] = memory.get(places)
        except (EOFError, OSError):  # a helper has died
            self.close()
        except BaseException:
            self.close()
            raise
        return [
            self._function(arrays, items[i]) if result is None else result
            for i, result in enumerate(results)
        ]


class Memory:
    """A part of the shared memory, where arrays are put one after the other."""

    def __init__(self, memory: mmap.mmap, begin: int, size: int) -> None:
        self._memory, self._begin, self._size = memory, begin, size
        self._end = 0

    def put(self, arrays: Sequence[Array]) -> list[Place]:
        """Copy arrays to the beginning, each in its own memory order."""
        self._end = 0
        return self.add(arrays)

    def add(self, arrays: Sequence[Array]) -> list[Place]:
        """Copy arrays behind those that are there. MemoryError if they do not fit."""
        places = []
        for array in arrays:
            # BLAS may give other bits for other orders, so a transposed array stays one.
            strides = np.empty_like(array, subok=False).strides
            place = Place(self._begin + self._end, array.shape, strides, array.dtype.str)
            self._end += room_for([array])
            if self._end > self._size:
                raise MemoryError("an array does not fit into the shared memory")
            self._view(place)[...] = array
            places.append(place)
        return places

    def get(self, places: Sequence[Place]) -> list[Array]:
        """The arrays at these places, without a copy, read-only."""
        arrays = [self._view(place) for place in places]
        for array in arrays:
            array.flags.writeable = False
        return arrays

    def _view(self, place: Place) -> Array:
        return np.ndarray(place.shape, place.dtype, self._memory, place.offset, place.strides)


class _Call(NamedTuple):
    """What helpers are told of a call: where its arrays lie, the items, NumPy's error state."""

    places: list[Place]
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
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the caller's to handle
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        ctypes.CDLL(None).prctl(_PARENT_DIED, signal.SIGKILL)
        call = _Call([], [], {})
        with blas.one_blas_thread():
            while True:
                call = self.link.recv() or call
                self.link.send(self._work(self.inputs.get(call.places), call))
                print(end="", flush=True)  # what the function has printed

    def _work(self, arrays: list[Array], call: _Call) -> list[tuple[int, list[Place]]]:
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
    with warnings.catch_warnings():
        # Python warns of forking beside the threads of other libraries. None of those is
        # needed in a helper, which uses the interpreter and one BLAS thread.
        warnings.simplefilter("ignore", DeprecationWarning)
        process = os.fork()
    if process:
        return process
    try:
        for link in links_of_caller:
            link.close()
        job.serve()
    finally:
        os._exit(0)


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


def room_for(arrays: Sequence[Array]) -> int:
    """How many bytes of shared memory these arrays take."""
    return sum(-(-array.nbytes // _ALIGNMENT) * _ALIGNMENT for array in arrays)


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
            os.kill(process, signal.SIGKILL)
            os.waitpid(process, 0)
