"""Files that are read without trusting them: pipes, devices, lengths that are announced."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

_CHUNK: Final = 1 << 20


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
    while chunk := stream.read(min(_CHUNK, most - len(content))):
        content += chunk
    return content


def _open_at_once(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))
