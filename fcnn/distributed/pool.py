"""One function over the items of a call, on all cores, call after call.

Whoever runs the same function again and again keeps a crew for it. The first calls are done
by threads; later ones by processes, which take longer to start and work faster, where they
can be had (see `helper_processes`). Which of them did it does not show in the results.
"""

import threading
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar

from fcnn.distributed import blas_threads as blas
from fcnn.distributed import threads as workers
from fcnn.distributed.helper_processes import Function, Team, can_be_shared, can_fork
from fcnn.distributed.shared_memory import room_for
from fcnn.numerics.arrays import Array, compact

Combined = TypeVar("Combined")

_CALLS_BY_THREADS: Final = 2  # who calls once does not wait for a process to start
_MOST_FAILURES: Final = 2  # after so many teams that ended too early, threads do the work


def _copies(results: list[list[Array]]) -> Any:
    return [[array.copy() for array in result] for result in results]


class Crew:
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
        self._threads = workers.available_cores() if threads is None else threads
        self._calls = 0
        self._room_per_result = 0
        self._failures = 0
        self._team: Team | None = None
        self._lock = threading.Lock()

    def run(
        self,
        arrays: list[Array],
        items: Sequence[Any],
        combine: Callable[[list[list[Array]]], Combined] = _copies,
    ) -> Combined:
        """What `combine` makes of the results, in the order of the items.

        It must make something new: the results may lie in memory that the next call, perhaps
        of another thread, writes to.
        """
        arrays = [compact(array) for array in arrays]  # as a helper process will have them
        count = min(self._threads, len(items))
        if count > 1 and self._calls >= _CALLS_BY_THREADS and self._lock.acquire(blocking=False):
            try:
                if team := self._team_for(arrays, len(items), count - 1):
                    with blas.one_blas_thread():
                        results = team.run(arrays, items)
                    self._failures += not team.alive
                    self._learn(results)
                    return combine(results)
            finally:
                self._lock.release()
        results = workers.run(lambda item: self._function(arrays, item), items, count)
        if count > 1:
            self._calls += 1
            self._learn(results)
        return combine(results)

    def _learn(self, results: list[list[Array]]) -> None:
        self._room_per_result = max(self._room_per_result, *map(room_for, results))

    def _team_for(self, arrays: list[Array], items: int, helpers: int) -> Team | None:
        """The helpers there are, if they will do, or new ones; None if there cannot be any."""
        if self._failures > _MOST_FAILURES or not can_be_shared(arrays, items):
            return None
        room = room_for(arrays), items * self._room_per_result
        if self._team is not None and self._team.suits(helpers, room):
            return self._team
        if self._team is not None:
            self._team.close()
            self._team = None
        if can_fork():
            try:
                self._team = Team(self._function, helpers, room)
            except (OSError, ValueError, MemoryError):  # no more processes, memory, files
                self._failures = _MOST_FAILURES + 1
        return self._team
