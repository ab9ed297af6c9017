"""Files that appear whole or not at all, and files that are read without trusting them."""

from __future__ import annotations

import errno
import os
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import IO, TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

PART: Final = ".part"
_CHUNK: Final = 1 << 20


@contextmanager
def whole_file(path: str | os.PathLike[str]) -> Iterator[IO[bytes]]:
    """A file to write to that takes its place when the block ends, and only if it ends well.

    It is written beside its place, flushed to the disk and renamed. Whatever happens in
    between, a full disk or the end of the process, the old file stays as it was; the end of
    the process leaves a file behind whose name ends in .part. OSError names the path.
    """
    from pathlib import Path  # when it is needed: it takes long to import

    target = Path(path)
    temporary = target.with_name(f"{target.name}.{os.getpid()}-{threading.get_ident()}{PART}")
    try:
        try:
            with temporary.open("wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(target)
        finally:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)
        _flush_folder(target.parent)
    except OSError as error:
        raise OSError(error.errno, f"cannot write {target}: {error.strerror or error}") from error


def remove_left_overs(folder: Path) -> None:
    """Delete what processes that were killed while writing have left in a folder."""
    for path in left_overs(folder):
        path.unlink(missing_ok=True)


def left_overs(folder: Path) -> list[Path]:
    """The files of ended processes that were to take another's place."""
    return [path for path in folder.iterdir() if path.name.endswith(PART)]


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


def home_expanded(path: str | os.PathLike[str]) -> Path:
    """A path with `~` replaced, where there is such a home; unchanged otherwise, as in shells."""
    from pathlib import Path

    return Path(os.path.expanduser(path))


@contextmanager
def regular_file(path: str | os.PathLike[str]) -> Iterator[IO[bytes]]:
    """A file opened for reading; OSError for a pipe or a device, which may never end.

    Opening does not wait either, as it would for a pipe that nobody writes to.
    """
    with open(path, "rb", opener=_open_at_once) as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError(errno.EINVAL, "not a regular file", os.fspath(path))
        yield file


def read_regular(path: str | os.PathLike[str]) -> bytes:
    """All bytes of a regular file."""
    with regular_file(path) as file:
        return file.read()


def read_up_to(stream: IO[bytes], most: int) -> bytearray:
    """As many bytes as there are, but no more than `most`.

    `stream.read(most)` would set `most` bytes aside first, and where `most` is what a damaged
    header says, it may be anything.
    """
    content = bytearray()
    while len(content) < most:
        chunk = stream.read(min(_CHUNK, most - len(content)))
        if not chunk:
            break
        content += chunk
    return content


def _open_at_once(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))
