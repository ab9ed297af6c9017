"""One BLAS thread while shards are computed, whoever else sets what.

With one thread per product, what a shard computes does not depend on how many threads there
are, to the last bit. The limit of most BLAS libraries holds for the whole process, so calls
that overlap share it, and the last one out lifts it. That of others (OpenMP, MKL) holds for
one thread, and every thread sets its own.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

_lock = threading.Lock()
_users = 0
_before: list[tuple[Any, int]] = []


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Hold BLAS to one thread, in the calling thread and in all that share its limit."""
    before = [(library, library.num_threads) for library in _libraries(per_thread=True)]
    hold_this_thread_to_one()
    _enter()
    try:
        yield
    finally:
        _leave()
        for library, threads in before:
            library.set_num_threads(threads)


def hold_this_thread_to_one() -> None:
    """Set the limits that hold for one thread alone, in the calling thread."""
    for library in _libraries(per_thread=True):
        library.set_num_threads(1)


def forget_after_fork() -> None:
    """In a child process, no call of the parent's other threads is under way."""
    global _lock, _users
    _lock = threading.Lock()
    if _users:
        _users = 0
        _restore()


def _enter() -> None:
    global _users
    with _lock:
        if _users == 0:
            shared = _libraries(per_thread=False)
            _before[:] = [(library, library.num_threads) for library in shared]
            for library, _ in _before:
                _set(library, 1)
        _users += 1


def _leave() -> None:
    global _users
    with _lock:
        _users -= 1
        if _users == 0:
            _restore()


def _restore() -> None:
    for library, threads in _before:
        _set(library, threads)


def _set(library: Any, threads: int) -> None:
    # threadpoolctl lets the first thread that sets a limit set all later ones, and ignores
    # the others without a word; here the thread that enters or leaves decides.
    clear = getattr(library, "clear_controlling_thread", lambda force: None)
    clear(force=True)
    library.set_num_threads(threads)
    clear(force=True)


@cache
def _libraries(per_thread: bool) -> list[Any]:
    """The BLAS libraries that NumPy has loaded, of one kind; looked for once (0.6 ms)."""
    from threadpoolctl import ThreadpoolController

    return [
        library
        for library in ThreadpoolController().select(user_api="blas").lib_controllers
        if _is_per_thread(library) == per_thread
    ]


def _is_per_thread(library: Any) -> bool:
    layer = getattr(library, "threading_layer", "")
    return bool(library.internal_api == "mkl" or layer == "openmp")
