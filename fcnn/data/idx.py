"""Reading one IDX file, the format of MNIST, without trusting it.

The `mnist` package parses; here is what it leaves to its caller: gzip or not, a header
that lies about the size, and one kind of error that names the file.
"""

from __future__ import annotations

import gzip
import io
import math
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, cast

from fcnn.data.dataset import DataError, naming
from fcnn.files.reading import read_up_to, regular_file
from fcnn.numerics.arrays import Array

GZIP_MAGIC = b"\x1f\x8b"
UNSIGNED_BYTES = 0x08
MOST_DEFLATE_EXPANDS = 1032


@contextmanager
def opened(path: Path) -> Iterator[IO[bytes]]:
    """A file's bytes, decompressed if they are gzip.

    The first bytes decide, not the name: some browsers decompress a download and leave
    its name as it was.
    """
    with regular_file(path) as file:
        compressed = file.read(2) == GZIP_MAGIC
        file.seek(0)
        yield cast(IO[bytes], gzip.GzipFile(fileobj=file)) if compressed else file


def read_idx(path: Path) -> Array:
    """The array in an IDX file of unsigned bytes, gzipped or not.

    Never more is decompressed than the header announces, plus one byte. DataError if the file
    is missing, damaged, of another length, or holds anything but unsigned bytes.
    """
    with naming(path), opened(path) as stream:
        start = stream.read(4)
        if len(start) < 4 or start[:2] != b"\0\0":
            raise DataError(f"{path} is not an IDX file: it does not begin like one")
        if start[2] != UNSIGNED_BYTES:
            raise DataError(
                f"{path} holds values of IDX type 0x{start[2]:02x}; only unsigned bytes (0x08)"
                " are read"
            )
        axes = start[3]
        lengths = stream.read(4 * axes)
        if axes == 0 or len(lengths) < 4 * axes:
            raise DataError(f"{path} is damaged: its header is cut off, or announces no axes")
        items = math.prod(struct.unpack(f">{axes}I", lengths))
        if items > MOST_DEFLATE_EXPANDS * path.stat().st_size:
            raise DataError(f"{path} is damaged: it announces more bytes than it can hold")
        return parse_idx(start + lengths + read_up_to(stream, items + 1), path)


def parse_idx(content: bytes | bytearray, path: Path) -> Array:
    """The array in the decompressed bytes of an IDX file; DataError if there is none."""
    import mnist

    with naming(path):
        array: Array = mnist.parse_idx(io.BytesIO(content))
        return array
