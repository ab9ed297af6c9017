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
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final, TypeVar
from weakref import WeakSet

from fcnn.distributed.blas_threads import one_blas_thread
from fcnn.distributed.helper_processes import Function, HelperProcesses, can_be_shared, can_fork
from fcnn.distributed.shared_memory import room_for
from fcnn.distributed.threads import available_cores, run_on_threads, useful_threads
from fcnn.numerics.arrays import Array, compact

Combined = TypeVar("Combined")

_FIRST_CALLS: Final = 2  # by threads: who calls once does not wait for a process to start
_CALLS_AFTER_OTHERS: Final = 30  # by threads, once the helpers have given way to others
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
        self._function, self._threads = function, threads
        self._calls_by_threads = _FIRST_CALLS
        self._failures = 0
        self._last_call = 0.0
        self._room_for_result = 0
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
        if count == 1:
            return combine(run_on_threads(partial(self._function, arrays), items, 1))
        with one_blas_thread() as interrupts:
            if self._lock.acquire(blocking=False):
                try:
                    helpers = self._helpers_for(arrays, len(items), count - 1)
                    if helpers is not None:
                        results = helpers.run(arrays, items, interrupts)
                        self._failures += helpers.count == 0
                        self._learn(results)
                        return interrupts.allowed_in(combine, results)
                finally:
                    self._lock.release()
        results = run_on_threads(partial(self._function, arrays), items, count)
        self._learn(results)
        return combine(results)

    def _learn(self, results: list[list[Array]]) -> None:
        self._room_for_result = max(self._room_for_result, *map(room_for, results))

    def _helpers_for(self, arrays: list[Array], items: int, count: int) -> HelperProcesses | None:
        """The helpers there are, if they will do, or new ones; None if there cannot be any."""
        if self._calls_by_threads > 0:
            self._calls_by_threads -= 1
            return None
        if self._failures > _MOST_FAILURES or not can_be_shared(arrays, items):
            return None
        self._last_call = time.monotonic()
        needs = min(count, available_cores()), items, room_for(arrays), self._room_for_result
        if self._helpers is not None and self._helpers.suit(*needs):
            return self._helpers
        self._end_helpers()
        if can_fork() and _make_way(needs[0]):
            try:
                self._helpers = HelperProcesses(self._function, *needs)
                _with_helpers.add(self)
            except (OSError, ValueError, MemoryError):  # no more processes, memory, files
                self._failures = _MOST_FAILURES + 1
        return self._helpers

    @property
    def helpers(self) -> int:
        """How many helper processes there are."""
        return 0 if self._helpers is None else self._helpers.count

    def _end_helpers(self) -> None:
        if self._helpers is not None:
            self._helpers.close()
            self._helpers = None


_with_helpers: WeakSet[Pool] = WeakSet()


def _make_way(count: int) -> bool:
    """Whether there may be that many helpers more. Those used longest ago end for it, unless they
    are at work, and threads do the next calls: of functions that are called in turn, none should
    fork at each call.
    """
    pools = sorted((p for p in _with_helpers if p.helpers), key=lambda pool: pool._last_call)
    free = available_cores() - sum(pool.helpers for pool in pools)
    for pool in pools:
        if free < count and pool._lock.acquire(blocking=False):
            free += pool.helpers
            pool._end_helpers()
            pool._calls_by_threads = _CALLS_AFTER_OTHERS
            pool._lock.release()
    return free >= count
