"""Reading `.npz` archives without trusting them.

`numpy.load` sets aside whatever a header announces before it reads a byte, and stops reading
where the header says, so that a checksum behind that place is never compared. Here memory
follows what is really there, and every byte counts in the checksum. Nothing is unpickled.
"""

from __future__ import annotations

import io
import math
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import IO, TYPE_CHECKING, Any, Final, Literal

import numpy as np

from fcnn.files.reading import read_up_to
from fcnn.numerics.arrays import Array, Shape

if TYPE_CHECKING:
    from zipfile import ZipFile, ZipInfo

_NUMBERS: Final = "biufc"  # the kinds of dtypes that are read
_METHODS: Final = (0, 8)  # stored and deflated, those of NumPy; others expand without limit
_HEADERS: Final = {b"\x93NUMPY\x01\x00": 2, b"\x93NUMPY\x02\x00": 4}  # bytes of the length
_LONGEST_HEADER: Final = 10_000  # as in NumPy: longer ones are slow to take apart


@contextmanager
def opened_archive(stream: IO[bytes]) -> Iterator[dict[str, Callable[[], Array]]]:
    """The functions that read the arrays of an archive, by their names.

    ValueError if a name comes twice, or entries share bytes: by that a small file could hold
    any number of large arrays. Each function raises ValueError if its entry is no array of
    numbers, or not as long as its header announces; zipfile and zlib have errors of their
    own for damaged bytes.
    """
    import zipfile

    size = stream.seek(0, io.SEEK_END)
    with zipfile.ZipFile(stream) as archive:
        arrays: dict[str, Callable[[], Array]] = {}
        for entry in archive.infolist():
            name = entry.filename.removesuffix(".npy")
            if name in arrays:
                raise ValueError(f"it holds {name!r} twice")
            arrays[name] = partial(_read_array, archive, entry)
        if sum(entry.compress_size for entry in archive.infolist()) > size:
            raise ValueError("what it holds is longer than the file")
        yield arrays


def _read_array(archive: ZipFile, entry: ZipInfo) -> Array:
    if entry.compress_type not in _METHODS:
        raise ValueError("it is compressed by a method that NumPy never uses")
    with archive.open(entry) as member:
        shape, order, dtype = _header(member)
        size = math.prod(shape) * dtype.itemsize
        # Reading on to the end makes zipfile compare the checksum.
        content = read_up_to(member, size + 1)
    if len(content) != size:
        raise ValueError(f"its length is not that of {dtype} {shape}, which its header announces")
    array: Array = np.ndarray(shape, dtype, content, order=order)
    return array.copy(order)


def _header(member: IO[bytes]) -> tuple[Shape, Literal["C", "F"], np.dtype[Any]]:
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
    if dtype.kind not in _NUMBERS:
        raise ValueError(f"it holds {dtype} values, expected numbers")
    return shape, "F" if column_order else "C", dtype
