"""Meeting in memory that processes share.

Each puts what it has into a place of its own there, counts up a number beside it, and waits until
the numbers of the others have come as far. There are two sets of places, used in turn: who is
ahead writes into one while others still read the other, and cannot be ahead by more.

Within a step of training a wait is short, so who waits looks again and again, and lets others
run in between. One that takes longer sleeps for ever longer moments.
"""

from __future__ import annotations

import mmap
import os
import threading
import time
from collections.abc import Callable
from typing import Any, Final

import numpy as np

from fcnn.distributed.balanced_tree import Arrays, Node, sum_of_processes
from fcnn.distributed.shared_memory import ALIGNMENT, arrays_like, room_for
from fcnn.numerics.arrays import Array

_LOOKS: Final = 50  # before others may run
_BUSY: Final = 0.003  # seconds of looking before the first sleep
_LONGEST_SLEEP: Final = 0.01
_LONGEST_LOOK: Final = 0.1  # seconds between two looks, however busy the machine
_LINE: Final = ALIGNMENT // 8  # numbers: each lies in a line of the cache of its own
_LEAST_ROOM: Final = 1 << 16  # bytes


class SharedLinks:
    """Links through shared memory.

    Parameters
    ----------
    size
        How many processes there will be: forked after this is made, each sets `rank`.
    room
        How many bytes the arrays of one sum may take.

    Attributes
    ----------
    rank
        That of this process.
    watch
        `watch(own, waited)`, called now and then in a long wait, with the seconds that this
        process was at work before it, and those that it has waited.
    """

    def __init__(self, size: int, room: int) -> None:
        self.rank = 0
        self.watch: Callable[[float, float], object] = lambda own, waited: None
        self._size, self._room = size, max(room, _LEAST_ROOM)
        self._memory = mmap.mmap(-1, size * (ALIGNMENT + 2 * self._room))
        self._turns = memoryview(self._memory)[: size * ALIGNMENT].cast("q")
        self._turn = 0
        self._work_begun = time.monotonic()
        self._fence = threading.Lock()
        self._last_views: dict[tuple[int, int], tuple[Any, list[Array]]] = {}

    @property
    def room(self) -> int:
        """How many bytes the arrays of one sum may take."""
        return self._room

    def begin_work(self) -> None:
        """Say that what was before now was rest, and no work."""
        self._work_begun = time.monotonic()

    def total(self, tree: Node, own: Arrays) -> list[Array]:
        """As of `Links`."""
        self.hand_over(own)
        self._wait_for_all()
        sums = sum_of_processes(
            tree, lambda rank: own if rank == self.rank else self._views(rank, own)
        )
        return sums if tree.halves else [array.copy() for array in sums]

    def gather(self, data: bytes) -> list[bytes]:
        """As of `Links`: piece by piece, as much as there is room for."""
        found = [bytearray() for _ in range(self._size)]
        rest, unfinished = memoryview(data), True
        while unfinished:
            piece = rest[: self._room - 2 * ALIGNMENT]
            rest = rest[len(piece) :]
            sizes = np.array([len(piece), len(rest)])
            self.hand_over([sizes, np.frombuffer(piece, np.uint8)])
            self._wait_for_all()
            unfinished = False
            for rank in range(self._size):
                (length, more), start = self._views(rank, [sizes])[0], self._place(rank) + ALIGNMENT
                found[rank] += self._memory[start : start + length]
                unfinished |= bool(more)
        return [bytes(piece) for piece in found]

    def hand_over(self, own: Arrays) -> None:
        """Put what this process has where the others see it."""
        self._turn += 1
        for place, array in zip(self._views(self.rank, own), own, strict=True):
            place[...] = array
        with self._fence:  # what was written is seen before the number, on any processor
            pass
        self._turns[self.rank * _LINE] = self._turn

    def _wait_for_all(self) -> None:
        for rank in range(self._size):
            if self._turns[rank * _LINE] < self._turn:
                self._wait_for(rank)
        with self._fence:
            pass
        self._work_begun = time.monotonic()

    def _wait_for(self, rank: int) -> None:
        begun = now = time.monotonic()
        waited = sleep = 0.0
        while True:
            for _ in range(_LOOKS):
                if self._turns[rank * _LINE] >= self._turn:
                    return
            before, now = now, time.monotonic()
            waited += min(now - before, _LONGEST_LOOK)  # a process that was stopped did not wait
            if waited < _BUSY:
                os.sched_yield()
                continue
            self.watch(begun - self._work_begun, waited)
            sleep = min(sleep + 1e-4, _LONGEST_SLEEP)
            time.sleep(sleep)

    def _views(self, rank: int, like: Arrays) -> list[Array]:
        """The arrays at the place of a process, of these shapes and dtypes: the same objects as
        last time, if those are the same, for to make them takes as long as to add them up.
        """
        kinds = [(array.shape, array.dtype) for array in like]
        known, views = self._last_views.get((rank, self._turn % 2), (None, []))
        if kinds != known:
            if room_for(like) > self._room:
                raise MemoryError("arrays do not fit into the shared memory")
            views = arrays_like(like, self._memory, self._place(rank))
            self._last_views[rank, self._turn % 2] = kinds, views
        return views

    def _place(self, rank: int) -> int:
        return self._size * ALIGNMENT + (2 * rank + self._turn % 2) * self._room
