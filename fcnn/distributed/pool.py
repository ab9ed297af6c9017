"""One function over the items of a call, on all cores, call after call.

Whoever runs the same function again and again keeps a pool for it. The first calls are done
by threads; later ones by processes, which take longer to start and work faster, where they
can be had (see `helper_processes`). Which of them did it does not show in the results.

There are never more helper processes than cores. Where there would be, those of the pools that
were used longest ago give way.
"""

from __future__ import annotations

import threading
import time
import weakref
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar

from fcnn.distributed.blas_threads import one_blas_thread
from fcnn.distributed.helper import Function
from fcnn.distributed.helper_processes import HelperProcesses, can_be_shared, can_fork
from fcnn.distributed.interrupts import interrupts_deferred
from fcnn.distributed.shared_memory import room_for
from fcnn.distributed.threads import available_cores, run_on_threads, useful_threads
from fcnn.numerics.arrays import Array, compact

Combined = TypeVar("Combined")

_CALLS_BY_THREADS: Final = 2  # who calls once does not wait for a process to start
_CALLS_AFTER_OTHERS: Final = 30  # as many by threads, once the helpers have given way to others
_MOST_FAILURES: Final = 2  # after so many calls in which helpers failed, threads do the work


class Pool:
    """Runs a function of a list of arrays and an item, for all items of a call.

    Parameters
    ----------
    function
        A pure function to a list of arrays, of about the same size for all items. Items
        are anything that pickles.
    threads
        How many threads or processes there are; None: as many as the process has cores.
    """

    def __init__(self, function: Function, threads: int | None) -> None:
        self._function = function
        self._threads = threads
        self._calls = 0
        self._last_call = 0.0
        self._room_per_result = 0
        self._failures = 0
        self._helpers: HelperProcesses | None = None
        self._lock = threading.Lock()

    def run(
        self,
        arrays: list[Array],
        items: Sequence[Any],
        combine: Callable[[list[list[Array]]], Combined],
    ) -> Combined:
        """What `combine` makes of the results, in the order of the items.

        It must make something new: the results may lie in memory that the next call, perhaps
        of another thread, writes to.
        """
        arrays = [compact(array) for array in arrays]  # as a helper process will have them
        count = useful_threads(self._threads, len(items))
        with interrupts_deferred() as interrupts:
            if count > 1 and self._calls >= _CALLS_BY_THREADS and self._lock.acquire(False):
                try:
                    results = self._by_helpers(arrays, items, count - 1, interrupts)
                    if results is not None:
                        return interrupts.allowed_in(combine, results)
                finally:
                    self._lock.release()
        results = run_on_threads(lambda item: self._function(arrays, item), items, count)
        if count > 1:
            self._calls += 1
            self._learn(results)
        return combine(results)

    @property
    def helpers(self) -> int:
        """How many helper processes there are."""
        return self._helpers.count if self._helpers is not None and self._helpers.alive else 0

    def _by_helpers(
        self, arrays: list[Array], items: Sequence[Any], count: int, interrupts: interrupts_deferred
    ) -> list[list[Array]] | None:
        """The results, if there can be helpers, of that many and of the caller."""
        helpers = self._helpers_for(arrays, len(items), min(count, available_cores()))
        if helpers is None:
            return None
        with one_blas_thread():
            results = helpers.run(arrays, items, interrupts)
        self._failures += not helpers.alive
        self._learn(results)
        return results

    def _learn(self, results: list[list[Array]]) -> None:
        self._room_per_result = max(self._room_per_result, *map(room_for, results))

    def _helpers_for(self, arrays: list[Array], items: int, count: int) -> HelperProcesses | None:
        """The helpers there are, if they will do, or new ones; None if there cannot be any."""
        if self._failures > _MOST_FAILURES or not can_be_shared(arrays, items):
            return None
        self._last_call = time.monotonic()
        room = room_for(arrays), items * self._room_per_result
        if self._helpers is not None and not self._helpers.suit(count, room):
            self._end_helpers()
        if self._helpers is None and can_fork() and _make_way(count):
            try:
                self._helpers = HelperProcesses(self._function, count, room)
                _with_helpers.append(weakref.ref(self))
            except (OSError, ValueError, MemoryError):  # no more processes, memory, files
                self._failures = _MOST_FAILURES + 1
        return self._helpers

    def _end_helpers(self) -> None:
        if self._helpers is not None:
            self._helpers.close()
            self._helpers = None

    def _give_way(self) -> None:
        """End the helpers, unless they are at work, and have threads do the next calls: of
        functions that are called in turn, none should fork at each call.
        """
        if self._lock.acquire(blocking=False):
            self._end_helpers()
            self._calls = _CALLS_BY_THREADS - _CALLS_AFTER_OTHERS
            self._lock.release()


_with_helpers: list[weakref.ref[Pool]] = []


def _make_way(count: int) -> bool:
    """End helpers, those used longest ago first, until there may be that many more; False if
    there may not.
    """
    pools = [pool for reference in _with_helpers if (pool := reference()) and pool.helpers]
    _with_helpers[:] = map(weakref.ref, pools)
    most = available_cores() - count
    for pool in sorted(pools, key=lambda pool: pool._last_call):
        if sum(pool.helpers for pool in pools) > most:
            pool._give_way()
    return sum(pool.helpers for pool in pools) <= most
