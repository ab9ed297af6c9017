"""Processes that MPI has started, on one machine or many: `mpiexec -n 4 python program.py`.

A sum goes up the balanced tree, from the first process of a node's right half to the first of its
left half, and from the top to all. Only bytes travel.

A process that cannot go on ends all of them, after its message: the others would wait for ever.
One that ends in peace while others still wait for it is found out: each says at its end how often
it has met the others.

MPI's own waiting keeps a core busy, which others may need where there are more processes than
cores. So who waits here looks again and again only for a moment, then sleeps in between.
"""

from __future__ import annotations

import atexit
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache, partial
from types import TracebackType
from typing import Any, Final, NoReturn

import attrs
import numpy as np

from fcnn.distributed.balanced_tree import Arrays, Node, added
from fcnn.distributed.shared_memory import arrays_like, room_for
from fcnn.distributed.threads import own_cores
from fcnn.distributed.world import ALONE, World
from fcnn.numerics.arrays import Array

_BUSY: Final = 0.003  # seconds of looking before the first sleep
_LONGEST_SLEEP: Final = 0.01
_SUM, _END = 0, 1  # tags of messages
_HANDED_ON: Final = 0.5  # seconds in which the launcher passes on what was said
_HEAD_START: Final = 1.0  # seconds in which a process may end all before the next one speaks
_LONGEST_HEAD_START: Final = 2.0
_INTERRUPTED: Final = 130  # the exit code

# What launchers tell each process: how many there are, and its number. (SLURM's also tell
# programs that they do not start by themselves.)
_LAUNCHERS: Final = {
    "PMI_SIZE": "PMI_RANK",  # MPICH, and those that are made from it
    "OMPI_COMM_WORLD_SIZE": "OMPI_COMM_WORLD_RANK",  # Open MPI
}

_let_others_run = getattr(os, "sched_yield", partial(time.sleep, 0))


@cache
def mpi_world() -> World:
    """The processes of this program that MPI has started, all of them; this one alone without
    `mpiexec`. All call it, and from then on an exception that nobody catches ends all, with
    `MPI_Abort`.

    Raises
    ------
    RuntimeError
        Without mpi4py, or an MPI library that it finds, or if another MPI has started these.
    """
    try:
        from mpi4py import MPI
    except (ImportError, RuntimeError) as error:
        raise RuntimeError(f"mpi_world: {error}; pip install 'fcnn[mpi]' installs MPI") from error
    if MPI.COMM_WORLD.size == 1:
        count, _ = launched()
        if count > 1:
            raise RuntimeError(
                f"mpi_world: {count} processes have been started, and none knows of the others: "
                "take the mpiexec of the MPI that mpi4py has found, "
                + MPI.Get_library_version().split("\n")[0]
            )
        return ALONE
    # A communicator of its own: no message of the program is taken for one of these.
    communicator = MPI.COMM_WORLD.Dup()
    links = MpiLinks(MPI, communicator)
    world = World(communicator.rank, communicator.size, links, _same_machine(MPI, communicator))
    atexit.register(links.end)
    sys.excepthook = partial(_end_all, sys.excepthook)
    return attrs.evolve(world, cores=_share_of_cores(world))


def launched() -> tuple[int, int]:
    """How many processes a launcher says that it has started, and the number of this one."""
    for size, rank in _LAUNCHERS.items():
        if size in os.environ:
            return int(os.environ[size]), int(os.environ.get(rank, "0"))
    return 1, 0


def end_all(code: int, tell: Callable[[], object]) -> NoReturn:
    """Say why, and end all processes at once, with that exit code. Of what several of them meet
    alike, the first is the first to say it.
    """
    from mpi4py import MPI

    time.sleep(min(_HEAD_START * MPI.COMM_WORLD.rank, _LONGEST_HEAD_START))
    tell()
    for stream in filter(None, (sys.stdout, sys.stderr)):
        stream.flush()
    time.sleep(_HANDED_ON)
    MPI.COMM_WORLD.Abort(code)
    os._exit(code)


class MpiLinks:
    """Links through MPI.

    Parameters
    ----------
    mpi
        The module `mpi4py.MPI`.
    communicator
        Of these processes, for these messages alone.
    """

    def __init__(self, mpi: Any, communicator: Any) -> None:
        self._mpi, self._communicator = mpi, communicator
        self._rank, self._size = communicator.rank, communicator.size
        self._meetings = 0  # that are over
        self._ended: dict[int, int] = {}  # processes, and how many meetings they had

    def total(self, tree: Node, own: Arrays) -> list[Array]:
        """As of `Links`."""
        with self._meeting():
            memory, sums = _room_for_arrays(own)
            for place, array in zip(sums, own, strict=True):
                place[...] = array
            self._sum_up(tree, memory, sums)
            self._wait(self._communicator.Ibcast([memory, self._mpi.BYTE], 0))
            return sums

    def gather(self, data: bytes) -> list[bytes]:
        """As of `Links`."""
        with self._meeting():
            sizes = np.empty(self._size, np.int64)
            self._wait(self._communicator.Iallgather(np.array([len(data)], np.int64), sizes))
            ends = sizes.cumsum()
            found, starts = np.empty(ends[-1], np.uint8), ends - sizes
            kind = self._mpi.BYTE
            self._wait(self._communicator.Iallgatherv([data, kind], [found, sizes, starts, kind]))
            return [found[a:b].tobytes() for a, b in zip(starts, ends, strict=True)]

    def end(self) -> None:
        """Tell the others that this process meets them no more, and wait for their ends."""
        if self._mpi.Is_finalized():
            return
        own = np.array([self._meetings])
        others = [rank for rank in range(self._size) if rank != self._rank]
        sent = [self._communicator.Isend(own, rank, _END) for rank in others]
        while len(self._ended) < len(others) or not self._mpi.Request.Testall(sent):
            self._note_ends()
            time.sleep(_LONGEST_SLEEP)

    def _sum_up(self, node: Node, memory: Array, sums: list[Array]) -> None:
        """Leave the sum of a node with the first of its processes, in the memory of its sums."""
        if len(node.ranks) == 1 or node.halves is None:
            return
        left, right = node.halves
        self._sum_up(left if self._rank in left.ranks else right, memory, sums)
        first, second = left.ranks.start, right.ranks.start
        if self._rank == second:
            self._wait(self._communicator.Isend([memory, self._mpi.BYTE], first, _SUM))
        elif self._rank == first:
            received, others = _room_for_arrays(sums)
            self._wait(self._communicator.Irecv([received, self._mpi.BYTE], second, _SUM))
            added(sums, others, in_place=True)

    @contextmanager
    def _meeting(self) -> Iterator[None]:
        yield
        self._meetings += 1

    def _wait(self, request: Any) -> None:
        begun, sleep = time.monotonic(), 0.0
        while not request.Test():
            if time.monotonic() - begun < _BUSY:
                _let_others_run()
                continue
            self._note_ends()
            self._check_ends()
            sleep = min(sleep + 1e-4, _LONGEST_SLEEP)
            time.sleep(sleep)

    def _note_ends(self) -> None:
        status, meetings = self._mpi.Status(), np.empty(1, np.int64)
        while self._communicator.Iprobe(self._mpi.ANY_SOURCE, _END, status):
            self._communicator.Recv(meetings, status.source, _END)
            self._ended[status.source] = int(meetings[0])

    def _check_ends(self) -> None:
        """ConnectionError if this process waits for one that has ended; of several that do, the
        first speaks.
        """
        gone = [rank for rank, meetings in self._ended.items() if meetings <= self._meetings]
        if gone and self._rank == min(set(range(self._size)) - self._ended.keys()):
            raise ConnectionError(f"process {min(gone)} has ended, the others wait for it")


def _room_for_arrays(like: Arrays) -> tuple[Array, list[Array]]:
    """Memory in one piece, and the arrays in it."""
    memory = np.empty(room_for(like), np.uint8)
    return memory, arrays_like(like, memory.data, 0)


def _same_machine(mpi: Any, communicator: Any) -> tuple[int, ...]:
    """The ranks of the processes on this machine."""
    there = communicator.Split_type(mpi.COMM_TYPE_SHARED)
    ranks = np.empty(there.size, np.int64)
    there.Allgather(np.array([communicator.rank], np.int64), ranks)
    there.Free()
    return tuple(sorted(ranks.tolist()))


def _share_of_cores(world: World) -> int:
    """How many cores are left to this process, of those that it may use: launchers may have given
    each its own.
    """
    own = own_cores()
    cores_of = [set(map(int, text.split())) for text in world.texts(" ".join(map(str, own)))]
    rivals = [rank for rank in world.neighbours if own & cores_of[rank]]
    return max(1, len(own) // len(rivals))


def _end_all(
    before: Any, kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> NoReturn:
    """What `sys.excepthook` does in one process of several."""

    def tell() -> None:
        if rank:
            print(f"process {rank}:", file=sys.stderr)
        before(kind, error, trace)

    rank = mpi_world().rank
    end_all(_INTERRUPTED if issubclass(kind, KeyboardInterrupt) else 1, tell)
