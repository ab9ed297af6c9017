"""Files that appear whole or not at all."""

from __future__ import annotations

import errno
import os
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import IO, TYPE_CHECKING, Final

from fcnn.files.locks import check_lock

if TYPE_CHECKING:
    from pathlib import Path

PART: Final = ".part"
_LEFT_OVER: Final = re.compile(rf".+\.[0-9]+-[0-9]+{re.escape(PART)}", re.DOTALL)


@contextmanager
def whole_file(path: str | os.PathLike[str]) -> Iterator[IO[bytes]]:
    """A file to write to that takes its place when the block ends, and only if it ends well.

    It is written beside its place, flushed to the disk and renamed. Whatever happens in
    between, a full disk or the end of the process, the old file stays as it was; the end of
    the process leaves a file behind whose name ends in .part. OSError names the path; it comes
    too if the folder was locked by this process and is no longer its own, and for a device or a
    pipe, whose place no file is to take.
    """
    from pathlib import Path  # when it is needed: it takes long to import

    target = Path(path)
    temporary = target.with_name(f"{target.name}.{os.getpid()}-{threading.get_ident()}{PART}")
    try:
        check_lock(target.parent)
        if target.exists() and not (target.is_file() or target.is_dir()):
            raise OSError(errno.EINVAL, "it is there already, and no regular file")
        with temporary.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(target)
        _flush_folder(target.parent)
    except OSError as error:
        raise OSError(error.errno, f"cannot write {target}: {error.strerror or error}") from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def remove_left_overs(folder: Path) -> None:
    """Delete what processes that were killed while writing have left in a folder."""
    for path in folder.iterdir():
        if is_left_over(path):
            path.unlink(missing_ok=True)


def is_left_over(path: Path) -> bool:
    """Whether it is what `whole_file` leaves when its process ends: a regular file called
    NAME.PROCESS-THREAD.part, by their numbers.
    """
    ours = _LEFT_OVER.fullmatch(path.name) is not None
    return ours and path.is_file() and not path.is_symlink()


def _flush_folder(folder: Path) -> None:
    """Make a rename last through a power failure, where folders can be flushed."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):  # some file systems cannot
            os.fsync(descriptor)
    finally:
        os.close(descriptor)
