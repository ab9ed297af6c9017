"""A lock on a folder that ends with the process that holds it, however that ends."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Final

LOCK: Final = ".lock"


class LockedError(RuntimeError):
    """Another process is at work in the folder."""


@contextmanager
def only_process_in(folder: Path, patience: float = 0.0) -> Iterator[None]:
    """Hold the lock of a folder; LockedError if another process holds it for so many seconds.

    The lock is the system's, on a file in the folder. Forked processes do not inherit it.
    """
    path = folder / LOCK
    file = _locked_file(path, time.monotonic() + patience)
    try:
        yield
    finally:
        # Still locked when it is removed, so that nobody removes the file of another; where
        # open files cannot be removed it stays, and does no harm.
        with suppress(OSError):
            path.unlink()
        file.close()


def _locked_file(path: Path, deadline: float) -> IO[bytes]:
    while True:
        file = path.open("ab")
        try:
            _lock(file.fileno())
        except OSError:
            file.close()
            if time.monotonic() >= deadline:
                raise LockedError(f"another process is at work in {path.parent}") from None
            time.sleep(0.1)
            continue
        # Between opening and locking, its last owner may have removed it.
        with suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(file.fileno()), path.stat()):
                return file
        file.close()


if os.name == "nt":
    import msvcrt

    def _lock(descriptor: int) -> None:
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined, unused-ignore]

else:
    import fcntl

    def _lock(descriptor: int) -> None:
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
