"""Threads over the shards of a batch.

NumPy's elementwise loops use one core, so the shards of a batch run side by side, and BLAS
is held to one thread meanwhile (see `fcnn.distributed.blas_threads`).
"""

import contextvars
import os
import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from fcnn.distributed import blas_threads as blas
from fcnn.distributed.malloc import keep_freed_memory

Item = TypeVar("Item")
Result = TypeVar("Result")


def run(
    function: Callable[[Item], Result], items: Sequence[Item], threads: int | None
) -> list[Result]:
    """The function of every item, in order, on that many threads (None: all cores).

    The calling thread takes items like the others, so it never waits for a busy pool, and
    calls may come from several threads or from inside of each other.
    """
    count = available_cores() if threads is None else threads
    keep_freed_memory()
    with blas.one_blas_thread():
        if min(count, len(items)) == 1:
            return [function(item) for item in items]
        return _run_in_threads(function, items, min(count, len(items)))


def available_cores() -> int:
    """The cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _run_in_threads(
    function: Callable[[Item], Result], items: Sequence[Item], count: int
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

    global _busy
    pool = _pool(count - 1)
    with _lock:
        _busy += 1
    helpers = [pool.submit(take_items) for _ in range(count - 1)]
    try:
        try:
            take_items()
        finally:
            waiting.clear()  # after an error or Ctrl-C, nothing new is begun
            running = [helper for helper in helpers if not helper.cancel()]
        for helper in running:
            helper.result()
    finally:
        with _lock:
            _busy -= 1
    return results


_lock = threading.Lock()
_busy = 0  # calls that have the pools at work
_pools: dict[int, Any] = {}


def is_only_thread() -> bool:
    """Whether the calling thread is the only one of Python's, but for idle ones of our pools."""
    if _busy:
        return False
    ours = sum(len(pool._threads) for pool in _pools.values())
    return threading.active_count() - ours == 1


def end_idle_threads() -> None:
    """End the threads of the pools. They are made again when they are needed."""
    with _lock:
        pools = list(_pools.values())
        _pools.clear()
    for pool in pools:
        pool.shutdown()


def _pool(threads: int) -> Any:
    """The pool of that many threads, made at first use and kept; idle threads cost nothing."""
    from concurrent.futures import ThreadPoolExecutor

    with _lock:
        if threads not in _pools:
            _pools[threads] = ThreadPoolExecutor(
                threads, "fcnn", initializer=blas.hold_this_thread_to_one
            )
        return _pools[threads]


def _forget_after_fork() -> None:
    """A child process has none of its parent's threads."""
    global _lock, _busy
    _lock = threading.Lock()
    _busy = 0
    _pools.clear()
    blas.forget_after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_after_fork)
