"""Processes forked from this one: no interpreter lock to wait for.

Threads take turns at the interpreter between the many short NumPy calls of a small network, and
two gain little over one. Processes do not. They are forked, so they know the model, its functions
and everything else as the caller did, and nothing has to be described to them; and they meet in
memory that all of them share (see `shared_links`). They compute the same operations on the same
numbers, so the bits are the same.

A helper only ever saves time, for the caller holds all that is needed to go on without it.
Whatever happens to one, an exception, a warning that would be shown, its death or no answer, ends
it, and the caller computes what it would have, and meets the exception or warning there. What
helpers know is as old as they are: a function or a setting that is replaced later is not seen.
One that has nothing to do for some seconds ends too, and is made anew when it is needed.

Forking is safe where no other thread runs: on Linux, in the main thread of a program that has
no others. Elsewhere, and with the environment variable FCNN_PROCESSES=0, threads do the work; they
also do where the interpreter has no lock, for there they need none of this.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import threading
import time
import warnings
import weakref
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from typing import Any, Final, NoReturn, TypeAlias

import attrs
import numpy as np

from fcnn.distributed.blas_threads import one_blas_thread
from fcnn.distributed.fork import fork
from fcnn.distributed.interrupts import call_while_deleting, interrupts_deferred
from fcnn.distributed.shared_links import SharedLinks
from fcnn.distributed.threads import (
    available_cores,
    check_limit,
    end_idle_threads,
    is_only_thread,
)
from fcnn.distributed.world import LostError, World

Link: TypeAlias = Any  # an end of a pipe, of multiprocessing
Program: TypeAlias = Callable[[World, Link], object]

MOST_FAILURES: Final = 2
# Where there are no more processes, memory or files, or the interpreter is about to end.
CANNOT_FORK: Final = (OSError, ValueError, MemoryError, RuntimeError)
_IDLE: Final = 3.0  # seconds without work, after which a helper ends
_PATIENCE: Final = 10.0  # times the caller's own time and a fifth of a second, for the helpers


def can_fork() -> bool:
    """Whether helpers may be processes: see the module's description."""
    if sys.platform != "linux" or os.environ.get("FCNN_PROCESSES") == "0":
        return False
    if "mpi4py.MPI" in sys.modules:  # a copy must not touch what MPI holds
        return False
    if not getattr(sys, "_is_gil_enabled", lambda: True)():
        return False
    return threading.current_thread() is threading.main_thread() and is_only_thread()


class HelperProcesses:
    """Copies of this process that run a program, and the memory through which all of them meet.

    Parameters
    ----------
    count
        How many processes there are besides the caller's.
    room
        Bytes of shared memory for what each hands over at a time.
    program
        `program(world, link)`: what each does, on one BLAS thread, until it returns. link is its
        end of a pipe from the caller.

    Attributes
    ----------
    world
        That of the caller.
    busy
        Whether they are at work, so that they cannot give way to others.
    gave_way
        Whether they have ended to make way for others.
    failures
        How often one was lost at work, of the MOST_FAILURES after which there are to be no more.
        One that gives no answer is too many.
    """

    def __init__(self, count: int, room: int, program: Program) -> None:
        from multiprocessing import Pipe

        self.busy = self.gave_way = False
        self.failures = 0
        self.last_used = time.monotonic()
        self._links = SharedLinks(count + 1, room)
        # Held by its links, it would wait for the garbage collector, and others give way for it.
        self._links.watch = partial(HelperProcesses._look_after, weakref.proxy(self))
        cores = max(1, available_cores() // (count + 1))
        self.world = World(0, count + 1, self._links, cores=cores)
        self._caller, self._count = os.getpid(), count
        self._pipes: list[Link] = []
        self._poll = select.poll()
        ids: list[int] = []
        with interrupts_deferred():
            self._end = weakref.finalize(self, call_while_deleting, _end, ids, self._pipes)
            end_idle_threads()
            # A fork ends the threads of OpenBLAS for a moment. Where they cannot come back, it
            # sends SIGINT, and later products wait for them for ever. Helpers start theirs too.
            check_limit(count * available_cores())
            for rank in range(1, count + 1):
                here, there = Pipe()
                self._pipes.append(here)
                self._poll.register(here, select.POLLIN)
                world = attrs.evolve(self.world, rank=rank)
                ids.append(fork(partial(_work, world, there, program), there.fileno()))
                there.close()
                del there  # here, where an interrupt waits: one in its `__del__` would be lost
            _made[:] = [*map(weakref.ref, _alive()), weakref.ref(self)]

    @property
    def count(self) -> int:
        """How many helpers there are; none once one is lost, nor in a forked process."""
        if not self._end.alive or self._caller != os.getpid():
            return 0
        if self._poll.poll(0):  # helpers send nothing: one has ended
            self.failures += self.busy
            self.close()
        return self._count if self._end.alive else 0

    @property
    def room(self) -> int:
        """Bytes of shared memory for what each hands over at a time."""
        return self._links.room

    def send(self, message: object) -> None:
        """Tell all helpers something that pickles; LostError if one does not listen."""
        self.last_used = time.monotonic()
        self._links.begin_work()
        try:
            for pipe in self._pipes:
                pipe.send(message)
        except OSError as error:
            self.failures += 1
            self.close()
            raise LostError from error

    def close(self) -> None:
        """End all helpers."""
        with interrupts_deferred():
            self._end()

    def _look_after(self, own: float, waited: float) -> None:
        # One that takes far longer than the caller did is given up: a library with native
        # threads may wait for ever in a forked process.
        if self.count == 0:
            raise LostError
        if waited > _PATIENCE * (0.2 + own):
            self.failures = 1 + MOST_FAILURES
            self.close()
            raise LostError


# Those that there may be. A WeakSet forgets them in Python, where an interrupt would be lost.
_made: list[weakref.ref[HelperProcesses]] = []


def _alive() -> list[HelperProcesses]:
    return [found for reference in _made if (found := reference()) is not None]


def make_way(count: int) -> bool:
    """Whether there may be that many helpers more, of as many as cores. Those used longest ago
    end for it, unless they are at work.
    """
    helpers = sorted((h for h in _alive() if h.count), key=lambda h: h.last_used)
    free = available_cores() - sum(h.count for h in helpers)
    for old in helpers:
        if free < count and not old.busy:
            free += old.count
            old.gave_way = True
            old.close()
    return free >= count


def next_message(link: Link) -> Any:
    """In a helper: what the caller sends next. The helper ends if nothing comes."""
    with suppress(OSError, ValueError):
        print(end="", flush=True)  # what it has printed
    if not link.poll(_IDLE):
        raise SystemExit
    return link.recv()


def _work(world: World, link: Link, program: Program) -> None:
    """In a helper: the program, until it returns or the caller ends."""
    caller = select.poll()
    caller.register(link, 0)  # tells of its end alone, not of what it sends

    def look_after_caller(own: float, waited: float) -> None:
        if caller.poll(0):
            raise SystemExit

    links = world.links
    assert isinstance(links, SharedLinks)
    links.rank, links.watch = world.rank, look_after_caller
    # Warnings that would be shown end a helper, for the caller to meet them.
    warnings.showwarning = _raise_warning  # type: ignore[assignment]
    np.seterr(**as_errors(np.geterr()))
    with one_blas_thread():
        program(world, link)


def as_errors(kinds: Mapping[str, Any]) -> dict[str, Any]:
    """How a helper treats errors of floating-point numbers, so that those end it which would be
    printed, or handed to a function of the caller's.
    """
    return {kind: do if do in ("ignore", "warn") else "raise" for kind, do in kinds.items()}


def _raise_warning(message: Warning | str, category: type[Warning], *rest: Any) -> NoReturn:
    raise category(message)


def _end(processes: list[int], pipes: list[Link]) -> None:
    for pipe in pipes:
        pipe.close()
    pipes.clear()
    for process in processes:
        # Somebody else may have waited for it; and to a forked process it is no child.
        with suppress(ProcessLookupError, ChildProcessError):
            if os.waitpid(process, os.WNOHANG) == (0, 0):
                os.kill(process, signal.SIGKILL)
                os.waitpid(process, 0)
