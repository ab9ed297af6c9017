"""Reading `.npz` archives without trusting them.

`numpy.load` sets aside whatever a header announces before it reads a byte, and stops reading
where the header says, so that a checksum behind that place is never compared. Here memory
follows what is really there, and every byte counts in the checksum. Nothing is unpickled.
"""

from __future__ import annotations

import io
import math
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any, Final, Literal, NamedTuple

import attrs
import numpy as np

from fcnn.files.reading import read_up_to
from fcnn.numerics.arrays import Array, Shape

if TYPE_CHECKING:
    from zipfile import ZipFile, ZipInfo

NUMBERS: Final = "biufc"  # the kinds of dtypes that are read unless others are asked for
TEXTS: Final = "U"
_METHODS: Final = (0, 8)  # stored and deflated, those of NumPy; others expand without limit
_HEADERS: Final = {b"\x93NUMPY\x01\x00": 2, b"\x93NUMPY\x02\x00": 4}  # bytes of the length
_LONGEST_HEADER: Final = 10_000  # as in NumPy: longer ones are slow to take apart


class Header(NamedTuple):
    """What an array in a file says of itself."""

    shape: Shape
    order: Literal["C", "F"]
    dtype: np.dtype[Any]


@attrs.frozen
class StoredArray:
    """An array in an archive, of which nothing is read yet.

    `header` and `read` raise ValueError if it is no array of numbers, `read` also if it is not as
    long as its header announces; zipfile and zlib have errors of their own for damaged bytes.
    """

    archive: ZipFile
    entry: ZipInfo

    def header(self, kinds: str = NUMBERS) -> Header:
        """Its shape and dtype, for the price of a few bytes; a text, if kinds are `TEXTS`."""
        with self._opened() as member:
            return _header(member, kinds)

    def read(self, kinds: str = NUMBERS) -> Array:
        """The array, which may be far longer than the file; texts, if kinds are `TEXTS`."""
        with self._opened() as member:
            return read_array(member, kinds)

    def _opened(self) -> IO[bytes]:
        if self.entry.compress_type not in _METHODS:
            raise ValueError("it is compressed by a method that NumPy never uses")
        return self.archive.open(self.entry)


def read_array(stream: IO[bytes], kinds: str = NUMBERS) -> Array:
    """The array in a stream, as in an `.npy` file; ValueError as of `StoredArray.read`."""
    shape, order, dtype = _header(stream, kinds)
    size = math.prod(shape) * dtype.itemsize
    # Reading on to the end makes zipfile compare the checksum.
    content = read_up_to(stream, size + 1)
    if len(content) != size:
        raise ValueError(f"its length is not that of {dtype} {shape}, which its header announces")
    array: Array = np.ndarray(shape, dtype, content, order=order)
    return array.copy(order)


@contextmanager
def opened_archive(stream: IO[bytes]) -> Iterator[dict[str, StoredArray]]:
    """The arrays of an archive, by their names.

    ValueError if a name comes twice, or entries share bytes: by that a small file could hold
    any number of large arrays.
    """
    import zipfile

    size = stream.seek(0, io.SEEK_END)
    with zipfile.ZipFile(stream) as archive:
        arrays: dict[str, StoredArray] = {}
        for entry in archive.infolist():
            name = entry.filename.removesuffix(".npy")
            if name in arrays:
                raise ValueError(f"it holds {name!r} twice")
            arrays[name] = StoredArray(archive, entry)
        if sum(entry.compress_size for entry in archive.infolist()) > size:
            raise ValueError("what it holds is longer than the file")
        yield arrays


def _header(member: IO[bytes], kinds: str = NUMBERS) -> Header:
    magic = member.read(8)
    if magic not in _HEADERS:
        raise ValueError("it is not an array in NumPy's format")
    length = member.read(_HEADERS[magic])
    if int.from_bytes(length, "little") > _LONGEST_HEADER:
        raise ValueError("its header is too long")
    stream = io.BytesIO(length + member.read(int.from_bytes(length, "little")))
    read = np.lib.format.read_array_header_1_0
    if len(length) == 4:
        read = np.lib.format.read_array_header_2_0
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of headers that Python 2 wrote
            shape, column_order, dtype = read(stream)
    except Exception as error:  # MemoryError and RecursionError too, where it is deeply nested
        raise ValueError("its header is damaged") from error
    if dtype.kind not in kinds:
        raise ValueError(
            f"it holds {dtype} values, expected {'texts' if kinds == TEXTS else 'numbers'}"
        )
    return Header(shape, "F" if column_order else "C", dtype)
