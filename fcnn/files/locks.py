"""A lock on a folder that ends with the process that holds it, however that ends."""

from __future__ import annotations

import errno
import os
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import IO, TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

LOCK: Final = ".lock"

# The locks that this process holds, by the absolute paths of their folders.
_held: Final[dict[str, IO[bytes]]] = {}


class LockedError(RuntimeError):
    """Somebody is at work in the folder."""


@contextmanager
def only_process_in(folder: Path, patience: float = 0.0) -> Iterator[None]:
    """Hold the lock of a folder; LockedError if another process holds it for so many seconds,
    OSError if there is something in its place that is no lock.

    The lock is the system's, on a file in the folder. Forked processes do not inherit it. Whoever
    deletes the file, alone or with the folder, lets others in: see `check_lock`.
    """
    path, place = folder / LOCK, os.path.abspath(folder)
    if place in _held:  # the system's lock would not keep this process from itself
        raise LockedError(f"this process is at work in {folder} already")
    file = _held[place] = _locked_file(path, time.monotonic() + patience)
    try:
        yield
    finally:
        del _held[place]
        # Still locked when it is removed, so that nobody removes the file of another; where
        # open files cannot be removed it stays, and does no harm.
        with suppress(OSError):
            if _is_at(path, file):
                path.unlink()
        file.close()


def check_lock(folder: Path) -> None:
    """OSError if this process has locked a folder and the lock's file is there no longer: then
    the folder may be somebody else's. If it is gone as a whole, it is nobody's.
    """
    file = _held.get(os.path.abspath(folder))
    if file is not None and not _is_at(folder / LOCK, file) and folder.exists():
        raise OSError(
            errno.EBUSY,
            f"{LOCK} in {folder} was deleted or replaced, so another process may be at work there",
        )


def _locked_file(path: Path, deadline: float) -> IO[bytes]:
    while True:
        file = _opened(path)
        try:
            _lock(file.fileno())
        except OSError:
            file.close()
            if time.monotonic() >= deadline:
                raise LockedError(f"another process is at work in {path.parent}") from None
            time.sleep(0.1)
            continue
        # Between opening and locking, its last owner may have removed it.
        if _is_at(path, file):
            return file
        file.close()


def _opened(path: Path) -> IO[bytes]:
    """The file of a lock, made if need be. Ours are empty: anything else is the user's."""
    with suppress(FileNotFoundError):
        found = path.lstat()
        if not stat.S_ISREG(found.st_mode) or found.st_size:  # opening a pipe may never end
            text = f"{path} is no lock of fcnn, expected an empty regular file or none"
            raise OSError(errno.EINVAL, text)
    return path.open("ab")


def _is_at(path: Path, file: IO[bytes]) -> bool:
    """Whether an open file is the one at a path."""
    with suppress(FileNotFoundError, NotADirectoryError):
        return os.path.samestat(os.fstat(file.fileno()), path.lstat())
    return False


if os.name == "nt":
    import msvcrt

    def _lock(descriptor: int) -> None:
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined, unused-ignore]

else:
    import fcntl

    def _lock(descriptor: int) -> None:
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
