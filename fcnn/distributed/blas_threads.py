"""One BLAS thread while shards are computed, whoever else sets what.

With one thread per product, what a shard computes does not depend on how many threads there
are, to the last bit. The limit of most BLAS libraries holds for the whole process, so calls
that overlap share it, and the last one out lifts it. That of others (OpenMP, MKL) holds for
one thread, and every thread sets its own.
"""

import ctypes
import threading
from collections.abc import Callable
from functools import cache
from itertools import product
from typing import Any, NamedTuple


class Limit(NamedTuple):
    """The number of threads of a BLAS library: how to get it, and how to set it."""

    get: Callable[[], int]
    set: Callable[[int], object]


_lock = threading.Lock()
_users = 0
_before: list[int] = []


class one_blas_thread:  # noqa: N801, it is used like a function
    """Hold BLAS to one thread, in the calling thread and in all that share its limit."""

    def __enter__(self) -> None:
        self._before = [limit.get() for limit in _limits(per_thread=True)]
        hold_this_thread_to_one()
        _enter()

    def __exit__(self, *error: object) -> None:
        _leave()
        _set(_limits(per_thread=True), self._before)


def hold_this_thread_to_one() -> None:
    """Set the limits that hold for one thread alone, in the calling thread."""
    for limit in _limits(per_thread=True):
        limit.set(1)


def forget_after_fork() -> None:
    """In a child process, no call of the parent's other threads is under way."""
    global _lock, _users
    _lock = threading.Lock()
    if _users:
        _users = 0
        _set(_limits(per_thread=False), _before)


def _enter() -> None:
    global _users
    with _lock:
        _users += 1  # first, so that a child forked from here on lifts the limit
        if _users == 1:
            limits = _limits(per_thread=False)
            _before[:] = [limit.get() for limit in limits]
            for limit in limits:
                limit.set(1)


def _leave() -> None:
    global _users
    with _lock:
        _users -= 1
        if _users == 0:
            _set(_limits(per_thread=False), _before)


def _set(limits: list[Limit], threads: list[int]) -> None:
    for limit, count in zip(limits, threads, strict=False):
        limit.set(count)


@cache
def _limits(per_thread: bool) -> list[Limit]:
    """Those of the BLAS libraries that NumPy has loaded, of one kind; looked for once."""
    from threadpoolctl import ThreadpoolController

    return [
        _limit_of(library)
        for library in ThreadpoolController().select(user_api="blas").lib_controllers
        if _is_per_thread(library) == per_thread
    ]


def _is_per_thread(library: Any) -> bool:
    layer = getattr(library, "threading_layer", "")
    return bool(library.internal_api == "mkl" or layer == "openmp")


def _limit_of(library: Any) -> Limit:
    """OpenBLAS is asked directly: threadpoolctl lets the first thread that sets a limit set
    all later ones and ignores the others without a word. And it takes ten times as long,
    which shows where one image is predicted.
    """
    if library.internal_api == "openblas" and not _is_per_thread(library):
        functions = ctypes.CDLL(library.filepath)
        for prefix, suffix in product(("", "scipy_"), ("", "64_", "_64")):
            names = [f"{prefix}openblas_{do}_num_threads{suffix}" for do in ("get", "set")]
            if all(hasattr(functions, name) for name in names):
                return Limit(*(getattr(functions, name) for name in names))
    return Limit(library.get_num_threads, library.set_num_threads)
