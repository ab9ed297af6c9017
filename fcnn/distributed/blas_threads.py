"""One BLAS thread while shards are computed, whoever else sets what.

With one thread per product, what a shard computes does not depend on how many threads there
are, to the last bit. The limit of most BLAS libraries holds for the whole process, so calls
that overlap share it, and the last one out lifts it. That of others (OpenMP, MKL) holds for
one thread, and every thread sets its own.
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable
from functools import cache, wraps
from itertools import product
from typing import Any, NamedTuple, ParamSpec, TypeVar

from fcnn.distributed.interrupts import interrupts_deferred

P = ParamSpec("P")
Result = TypeVar("Result")

_lock = threading.Lock()
_users = 0
_before: list[tuple[_Limit, int]] = []  # what the first of the users found


def on_one_blas_thread(function: Callable[P, Result]) -> Callable[P, Result]:
    """The function, with BLAS held to one thread while it runs."""

    @wraps(function)
    def held(*args: P.args, **kwargs: P.kwargs) -> Result:
        with one_blas_thread() as interrupts:
            return interrupts.allowed_in(function, *args, **kwargs)

    return held


class one_blas_thread(interrupts_deferred):  # noqa: N801, it is used like a function
    """Hold BLAS to one thread, in the calling thread and in all that share its limit, while
    the block runs. Interrupts are deferred in it: one at its ends would leave the limit.
    """

    def __enter__(self) -> one_blas_thread:
        global _users
        of_the_process, of_a_thread = _limits()
        super().__enter__()
        self._own: list[tuple[_Limit, int]] = []
        for limit in of_a_thread:
            self._own.append((limit, limit.get()))
            limit.set(1)
        with _lock:
            _users += 1  # first, so that a child forked from here on lifts the limit
            if _users == 1:
                for limit in of_the_process:
                    _before.append((limit, limit.get()))
                    limit.set(1)
        return self

    def __exit__(self, *error: object) -> None:
        global _users
        with _lock:
            _users -= 1
            if _users == 0:
                _lift()
        for limit, count in self._own:
            limit.set(count)
        super().__exit__(*error)


def renew() -> None:
    """Hold BLAS to one thread again, if somebody else has set the limit meanwhile."""
    for limit in _limits()[0]:
        if limit.get() != 1:
            limit.set(1)


def hold_this_thread_to_one() -> None:
    """Set the limits that hold for one thread alone, in the calling thread."""
    for limit in _limits()[1]:
        limit.set(1)


def forget_after_fork() -> None:
    """In a child process, no call of the parent's other threads is under way."""
    global _lock, _users
    _lock = threading.Lock()
    if _users:
        _users = 0
        _lift()


def _lift() -> None:
    for limit, count in _before:
        limit.set(count)
    _before.clear()


class _Limit(NamedTuple):
    """The number of threads of a BLAS library: how to get it, and how to set it."""

    get: Callable[[], int]
    set: Callable[[int], object]


@cache
def _limits() -> tuple[list[_Limit], list[_Limit]]:
    """Those of the BLAS libraries that NumPy has loaded, which hold for the process or for a
    thread; looked for once.
    """
    from threadpoolctl import ThreadpoolController

    of_the_process: list[_Limit] = []
    of_a_thread: list[_Limit] = []
    for library in ThreadpoolController().select(user_api="blas").lib_controllers:
        if library.internal_api == "mkl" or getattr(library, "threading_layer", "") == "openmp":
            of_a_thread.append(_Limit(library.get_num_threads, library.set_num_threads))
        else:
            of_the_process.append(_limit_of_the_process(library))
    return of_the_process, of_a_thread


def _limit_of_the_process(library: Any) -> _Limit:
    """OpenBLAS is asked directly: threadpoolctl lets the first thread that sets a limit set
    all later ones and ignores the others without a word. And it takes ten times as long,
    which shows where one image is predicted.
    """
    if library.internal_api == "openblas":
        functions = ctypes.CDLL(library.filepath)
        for prefix, suffix in product(("", "scipy_"), ("", "64_", "_64")):
            names = [f"{prefix}openblas_{do}_num_threads{suffix}" for do in ("get", "set")]
            if all(hasattr(functions, name) for name in names):
                return _Limit(*(getattr(functions, name) for name in names))
    return _Limit(library.get_num_threads, library.set_num_threads)
