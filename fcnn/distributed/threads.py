"""Threads over the shards of a batch.

NumPy's elementwise loops use one core, so the shards of a batch run side by side, and BLAS
is held to one thread meanwhile (see `fcnn.distributed.blas_threads`).
"""

from __future__ import annotations

import contextvars
import os
import threading
from collections.abc import Callable, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, Final, TypeVar

from fcnn.distributed import blas_threads
from fcnn.distributed.blas_threads import one_blas_thread
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

    def of(item: Item) -> Result:
        blas_threads.renew()
        return function(item)

    if count == 1:
        with one_blas_thread() as interrupts:
            return interrupts.allowed_in(list, map(of, items))
    from concurrent.futures import wait

    waiting = iter(range(len(items)))
    results: list[Any] = [None] * len(items)
    contexts = [contextvars.copy_context() for _ in items]

    def take_items() -> None:
        for place in waiting:  # each is given to one thread alone
            # A thread has numpy.errstate of its own; what the caller set holds for all.
            results[place] = contexts[place].run(of, items[place])

    with one_blas_thread() as interrupts:
        tasks = _start(take_items, count - 1)
        try:
            interrupts.allowed_in(take_items)
        finally:
            for _ in waiting:  # after an error or Ctrl-C, nothing new is begun
                pass
            begun = {task for task in tasks if not task.cancel()}
            while wait(begun, _MOMENT).not_done and interrupts.count < 2:
                pass  # a second Ctrl-C does not wait
    for task in begun:
        task.result()
    return results


def available_cores() -> int:
    """How many cores this process may use."""
    return len(own_cores())


def own_cores() -> set[int]:
    """The numbers of the cores that this process may use."""
    has_affinity = hasattr(os, "sched_getaffinity")
    return os.sched_getaffinity(0) if has_affinity else set(range(os.cpu_count() or 1))


def useful_threads(threads: int | None, items: int) -> int:
    """How many of the threads that are asked for (None: as many as cores) have something to do."""
    if items == 1 or threads == 1:
        return 1
    cores = available_cores()
    return min(items, cores if threads is None else min(threads, _MOST_PER_CORE * cores))


_at_work: set[int] = set()  # the threads of the pool that are not idle


@cache
def _pool() -> ThreadPoolExecutor:
    """Made at first use and kept: idle threads cost nothing."""
    from concurrent.futures import ThreadPoolExecutor

    most = _MOST_PER_CORE * available_cores()
    return ThreadPoolExecutor(most, "fcnn", initializer=blas_threads.hold_this_thread_to_one)


def is_only_thread() -> bool:
    """Whether the calling thread is the only one of Python's, but for idle ones of the pool."""
    idle = len(_pool()._threads) if _pool.cache_info().currsize else 0
    return not _at_work and threading.active_count() - idle == 1


def end_idle_threads() -> None:
    """End the threads of the pool. They are made again when they are needed."""
    if _pool.cache_info().currsize:
        _pool().shutdown()
        _pool.cache_clear()


def check_limit(threads: int) -> None:
    """RuntimeError, unless the system lets this process have so many threads more."""
    gate = threading.Event()
    begun: list[threading.Thread] = []
    try:
        for _ in range(threads):
            begun.append(threading.Thread(target=gate.wait))
            begun[-1].start()
    except RuntimeError:
        begun.pop()
        raise
    finally:
        gate.set()
        for thread in begun:
            thread.join()


def _start(function: Callable[[], None], threads: int) -> list[Future[None]]:
    """Run a function on that many threads of the pool, or fewer if the system has no more, or the
    interpreter, which is about to end.
    """

    def work() -> None:
        _at_work.add(threading.get_ident())
        try:
            function()
        finally:
            _at_work.discard(threading.get_ident())

    begun: list[Future[None]] = []
    try:
        pool = _pool()
        for _ in range(threads):
            begun.append(pool.submit(work))
    except RuntimeError:  # can't start new thread, can't register atexit after shutdown
        if _pool.cache_info().currsize:
            # What could not be begun must not take items later, for nobody would wait for it.
            _pool().shutdown(wait=False, cancel_futures=True)
            _pool.cache_clear()
    return begun


def _forget_after_fork() -> None:
    """A child process has none of its parent's threads."""
    _pool.cache_clear()
    _at_work.clear()
    blas_threads.forget_after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_after_fork)
