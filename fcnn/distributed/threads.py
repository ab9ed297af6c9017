"""Threads over the shards of a batch.

NumPy's elementwise loops use one core, so the shards of a batch run side by side, and BLAS
is held to one thread meanwhile (see `fcnn.distributed.blas_threads`).
"""

from __future__ import annotations

import contextvars
import os
import threading
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, TypeVar

from fcnn.distributed import blas_threads
from fcnn.distributed.blas_threads import one_blas_thread
from fcnn.distributed.interrupts import interrupts_deferred
from fcnn.distributed.malloc import keep_freed_memory

if TYPE_CHECKING:
    from concurrent.futures import Future, ThreadPoolExecutor

Item = TypeVar("Item")
Result = TypeVar("Result")

_MOST_PER_CORE: Final = 4  # threads: more gain nothing
_MOMENT: Final = 0.05  # seconds that Ctrl-C may wait


def run_on_threads(
    function: Callable[[Item], Result], items: Sequence[Item], threads: int | None
) -> list[Result]:
    """The function of every item, in order, on that many threads (None: all cores).

    The calling thread takes items like the others, so it never waits for a busy pool, and
    calls may come from several threads or from inside of each other.
    """
    keep_freed_memory()
    count = useful_threads(threads, len(items))
    with interrupts_deferred() as interrupts, one_blas_thread():
        if count == 1:
            return interrupts.allowed_in(lambda: [function(item) for item in items])
        return _run_in_threads(function, items, count, interrupts)


def available_cores() -> int:
    """The cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def useful_threads(threads: int | None, items: int) -> int:
    """How many of the threads that are asked for (None: as many as cores) have something to do."""
    if items == 1 or threads == 1:
        return 1
    cores = available_cores()
    return min(items, cores if threads is None else min(threads, _MOST_PER_CORE * cores))


def _run_in_threads(
    function: Callable[[Item], Result],
    items: Sequence[Item],
    count: int,
    interrupts: interrupts_deferred,
) -> list[Result]:
    waiting = deque(range(len(items)))
    results: list[Any] = [None] * len(items)
    contexts = [contextvars.copy_context() for _ in items]

    def take_items() -> None:
        while waiting:
            try:
                place = waiting.popleft()
            except IndexError:  # another thread was faster
                return
            # A thread has numpy.errstate of its own; what the caller set holds for all.
            results[place] = contexts[place].run(function, items[place])

    helpers = _start(take_items, count - 1)
    try:
        interrupts.allowed_in(take_items)
    finally:
        waiting.clear()  # after an error or Ctrl-C, nothing new is begun
        begun = [helper for helper in helpers if not helper.cancel()]
        try:
            _wait(begun, interrupts)
        finally:
            _wait(begun, interrupts)  # after Ctrl-C; a second one does not wait
    for helper in begun:
        helper.result()
    return results


def _wait(helpers: list[Future[None]], interrupts: interrupts_deferred) -> None:
    for helper in helpers:
        while not helper.done():
            with suppress(TimeoutError):
                helper.exception(_MOMENT)
            interrupts.raise_noted()


_lock = threading.Lock()
_pools: dict[int, ThreadPoolExecutor] = {}  # by their number of threads
_at_work: set[int] = set()  # those of their threads that are not idle


def is_only_thread() -> bool:
    """Whether the calling thread is the only one of Python's, but for idle ones of our pools."""
    ours = sum(len(pool._threads) for pool in _pools.values())
    return not _at_work and threading.active_count() - ours == 1


def end_idle_threads() -> None:
    """End the threads of the pools. They are made again when they are needed."""
    with _lock:
        pools = list(_pools.values())
        _pools.clear()
    for pool in pools:
        pool.shutdown()


def _start(function: Callable[[], None], threads: int) -> list[Future[None]]:
    """Run a function on that many threads of a pool, which is made at first use and kept: idle
    threads cost nothing. They are fewer if the system has no more.
    """
    from concurrent.futures import ThreadPoolExecutor

    with _lock:
        if threads not in _pools:
            _pools[threads] = ThreadPoolExecutor(
                threads, "fcnn", initializer=blas_threads.hold_this_thread_to_one
            )
        begun: list[Future[None]] = []
        try:
            for _ in range(threads):
                begun.append(_pools[threads].submit(_work, function))
        except RuntimeError:  # can't start new thread
            _pools.pop(threads).shutdown(wait=False)
        return begun


def _work(function: Callable[[], None]) -> None:
    _at_work.add(threading.get_ident())
    try:
        function()
    finally:
        _at_work.discard(threading.get_ident())


def _forget_after_fork() -> None:
    """A child process has none of its parent's threads."""
    global _lock
    _lock = threading.Lock()
    _pools.clear()
    _at_work.clear()
    blas_threads.forget_after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_after_fork)
