"""One function over the items of a call, on all cores, call after call.

Whoever runs the same function again and again keeps a crew for it. The first calls are done
by threads; later ones by processes, which take longer to start and work faster, where they
can be had (see `fcnn.processes`). Which of them did it does not show in the results.
"""

import threading
from collections.abc import Sequence
from typing import Any, Final

from fcnn import blas, workers
from fcnn.arrays import Array, compact
from fcnn.processes import Function, Team, can_fork, room_for

_CALLS_BY_THREADS: Final = 2  # who calls once does not wait for a process to start


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
        self._team: Team | None = None
        self._lock = threading.Lock()

    def run(self, arrays: list[Array], items: Sequence[Any]) -> list[list[Array]]:
        """The results in the order of the items. They are good until the next call."""
        arrays = [compact(array) for array in arrays]  # as a helper process will have them
        count = min(self._threads, len(items))
        if count > 1 and self._calls >= _CALLS_BY_THREADS and self._lock.acquire(blocking=False):
            try:
                if team := self._team_for(arrays, len(items), count - 1):
                    with blas.one_blas_thread():
                        return team.run(arrays, items)
            finally:
                self._lock.release()
        results = workers.run(lambda item: self._function(arrays, item), items, count)
        if count > 1:
            self._calls += 1
            self._room_per_result = max(map(room_for, results))
        return results

    def _team_for(self, arrays: list[Array], items: int, helpers: int) -> Team | None:
        """The helpers there are, if they will do, or new ones; None if there cannot be any."""
        room = max(room_for(arrays), items * self._room_per_result)
        team = self._team
        if team is None or not team.alive or team.room < room or team.helpers < helpers:
            self._team = None  # ends the old one
            if can_fork(arrays, items):
                self._team = Team(self._function, helpers, room)
        return self._team
