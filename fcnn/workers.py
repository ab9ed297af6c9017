"""Threads over the shards of a batch.

NumPy's elementwise loops use one core, so the shards of a batch run side by side, and BLAS
is held to one thread meanwhile. With one BLAS thread per product, what a shard computes
does not depend on how many threads there are, to the last bit.
"""

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar

from fcnn.validation import positive

Item = TypeVar("Item")
Result = TypeVar("Result")


def run(
    function: Callable[[Item], Result], items: Sequence[Item], threads: int | None
) -> list[Result]:
    """The function of every item, in order, on that many threads (None: all cores)."""
    count = available_cores() if threads is None else positive("fcnn", "threads", threads)
    with _one_blas_thread():
        if min(count, len(items)) == 1 or getattr(_worker, "busy", False):
            return [function(item) for item in items]
        return list(_pool(count).map(function, items))


def available_cores() -> int:
    """The cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


_lock = threading.Lock()
_pools: dict[int, ThreadPoolExecutor] = {}
_worker = threading.local()


def _pool(threads: int) -> ThreadPoolExecutor:
    """The pool of that many threads, made at first use and kept; idle threads cost nothing."""
    with _lock:
        if threads not in _pools:
            _pools[threads] = ThreadPoolExecutor(threads, "fcnn", initializer=_mark_worker)
        return _pools[threads]


def _mark_worker() -> None:
    # A worker that asked its own pool for help would wait for itself.
    _worker.busy = True


class _BlasLimit:
    """The process-wide limit, shared by calls that overlap: the last one out lifts it."""

    def __init__(self) -> None:
        self.controller: Any = None
        self.limiter: Any = None
        self.users = 0


_blas = _BlasLimit()


@contextmanager
def _one_blas_thread() -> Iterator[None]:
    with _lock:
        if _blas.users == 0:
            if _blas.controller is None:
                from threadpoolctl import ThreadpoolController

                _blas.controller = ThreadpoolController()
            _blas.limiter = _blas.controller.limit(limits=1, user_api="blas")
        _blas.users += 1
    try:
        yield
    finally:
        with _lock:
            _blas.users -= 1
            if _blas.users == 0:
                _blas.limiter.restore_original_limits()


def _forget_after_fork() -> None:
    """A child process has none of its parent's threads."""
    global _lock
    _lock = threading.Lock()
    _pools.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_after_fork)
