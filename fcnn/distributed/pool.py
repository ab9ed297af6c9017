"""One sum over the shards of a call, on all cores, call after call.

A loop of training of one's own has no program that processes could run along with it, so whoever
sums the same function again and again keeps a pool for it. The first calls are done by threads;
later ones by processes, which take longer to start and work faster, where they can be had (see
`helper_processes`). They are told the arrays of a call, through memory that they share, and all
else is as in any `World`. Which of them did it does not show in the results.

There are never more helper processes than cores. Where there would be, those that were used
longest ago give way.
"""

from __future__ import annotations

import mmap
import operator
import threading
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final, TypeAlias

import numpy as np

from fcnn.distributed.balanced_tree import Arrays
from fcnn.distributed.blas_threads import one_blas_thread
from fcnn.distributed.helper_processes import (
    CANNOT_FORK,
    MOST_FAILURES,
    HelperProcesses,
    Link,
    as_errors,
    can_fork,
    make_way,
    next_message,
)
from fcnn.distributed.shared_links import SharedLinks
from fcnn.distributed.shared_memory import get, put, room_for
from fcnn.distributed.threads import available_cores, useful_threads
from fcnn.distributed.world import ALONE, LostError, World
from fcnn.numerics.arrays import Array, compact

# From the arrays of a call, and what else it was given, to what gives the arrays of a shard.
Function: TypeAlias = Callable[[list[Array], Any], Callable[[int], Arrays]]

_FIRST_CALLS: Final = 2  # by threads: who calls once does not wait for a process to start
_CALLS_WITHOUT: Final = 30  # by threads, once helpers gave way to others, or could not be had


class Pool:
    """Sums a pure function over the shards of a call.

    Parameters
    ----------
    function
        See `Function`.
    threads
        How many threads or processes there are; None: as many as the process has cores.
    """

    def __init__(self, function: Function, threads: int | None) -> None:
        self._function, self._threads = function, threads
        self._calls_by_threads = _FIRST_CALLS
        self._failures = 0
        self._helpers: _Helpers | None = None
        self._lock = threading.Lock()

    def total(self, arrays: list[Array], given: Any, shards: int, like: Arrays) -> list[Array]:
        """The sums over so many shards. What is given pickles; like is as of `World.total`."""
        arrays = [compact(array) for array in arrays]  # as a helper process will have them
        arrays_of = self._function(arrays, given)
        count = useful_threads(self._threads, shards)
        if count > 1 and self._lock.acquire(blocking=False):
            try:
                helpers = self._helpers_for(arrays, count, like)
                if helpers is not None:
                    return helpers.total(arrays, given, shards, like)
            except LostError:
                pass
            finally:
                self._lock.release()
        return ALONE.total(shards, arrays_of, like=like, threads=count)

    @property
    def helpers(self) -> int:
        """How many helper processes there are."""
        return 0 if self._helpers is None else self._helpers.processes.count

    def _helpers_for(self, arrays: list[Array], count: int, like: Arrays) -> _Helpers | None:
        """The helpers there are, if they will do, or new ones; None if there cannot be any."""
        if self._helpers is not None and self._helpers.processes.gave_way:
            # Of functions that are called in turn, none should fork at each call.
            self._calls_by_threads, self._helpers = _CALLS_WITHOUT, None
        if self._calls_by_threads > 0:
            self._calls_by_threads -= 1
            return None
        if not _are_plain(arrays):
            return None
        needs = min(count, available_cores()) - 1, room_for(arrays), room_for(like)
        if self._helpers is not None and self._helpers.suit(*needs):
            return self._helpers
        if self._helpers is not None:
            self._helpers.processes.close()
            self._failures += self._helpers.processes.failures
            self._helpers = None
        if self._failures <= MOST_FAILURES and needs[0] > 0 and can_fork() and make_way(needs[0]):
            try:
                self._helpers = _Helpers(self._function, *needs)
            except CANNOT_FORK:
                self._calls_by_threads = _CALLS_WITHOUT  # it may be possible later
        return self._helpers


class _Helpers:
    """Helper processes that are told the arrays of call after call.

    Parameters
    ----------
    function
        As of a pool.
    count
        How many helpers there are.
    room, result
        Bytes for the arrays of a call, and for those of a shard.
    """

    def __init__(self, function: Function, count: int, room: int, result: int) -> None:
        self._function, self._most = function, (count, room, result)
        self._memory = mmap.mmap(-1, max(room, 1))
        self._last_call: Any = None
        self.processes = HelperProcesses(count, result, partial(_serve, function, self._memory))

    def suit(self, *needed: int) -> bool:
        """Whether there are at least as many helpers and bytes."""
        return self.processes.count > 0 and all(map(operator.le, needed, self._most))

    def total(self, arrays: list[Array], given: Any, shards: int, like: Arrays) -> list[Array]:
        """As of a pool. Once it has not come to an end, all helpers have ended."""
        processes, arrays_of = self.processes, self._function(arrays, given)
        processes.busy = True
        with one_blas_thread() as interrupts:
            try:
                call = put(arrays, self._memory, 0, self._most[1]), given, shards, np.geterr()
                processes.send(None if call == self._last_call else call)
                self._last_call = call
                sums = interrupts.allowed_in(processes.world.total, shards, arrays_of, like=like)
                processes.busy = False
            finally:
                if processes.busy:
                    processes.close()
        return sums


def _serve(function: Function, memory: mmap.mmap, world: World, link: Link) -> None:
    """In a helper: its shards of call after call."""
    assert isinstance(world.links, SharedLinks)
    call: Any = None
    while True:
        call = next_message(link) or call  # None: as before
        slots, given, shards, errors = call
        with np.errstate(**as_errors(errors)):
            arrays_of = function(get(slots, memory), given)
            world.links.hand_over(world.own_total(shards, arrays_of, like=[]))


def _are_plain(arrays: Sequence[Array]) -> bool:
    """Whether arrays hold plain numbers alone, which can be shared."""
    return all(array.dtype.kind in "biufc" for array in arrays)
