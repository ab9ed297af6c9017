"""Arrays in memory that processes share.

Whoever puts an array there gets a slot, a few numbers that fit through a pipe; whoever is
handed the slot sees the same numbers in the same order in memory, without a copy.
"""

from __future__ import annotations

import mmap
from collections.abc import Sequence
from typing import Final, NamedTuple, TypeAlias

import numpy as np

from fcnn.numerics.arrays import Array, Shape

Buffer: TypeAlias = mmap.mmap | bytearray | memoryview

ALIGNMENT: Final = 64  # bytes: a line of the cache


class Slot(NamedTuple):
    """Where an array lies in shared memory."""

    shape: Shape
    dtype: str
    offset: int
    strides: tuple[int, ...]


def put(arrays: Sequence[Array], memory: Buffer, offset: int, room: int) -> list[Slot]:
    """Copy arrays to memory from an offset on, one after the other, each in its own memory
    order. MemoryError if they take more than that many bytes.
    """
    if room_for(arrays) > room:
        raise MemoryError("arrays do not fit into the shared memory")
    slots = []
    for array in arrays:
        # BLAS may give other bits for other orders, so a transposed array stays one.
        strides = np.empty_like(array, subok=False).strides
        np.ndarray(array.shape, array.dtype, memory, offset, strides)[...] = array
        slots.append(Slot(array.shape, array.dtype.str, offset, strides))
        offset += room_for([array])
    return slots


def get(slots: Sequence[Slot], memory: Buffer) -> list[Array]:
    """The arrays in these slots, without a copy, read-only."""
    seen = memoryview(memory).toreadonly()
    return [
        np.ndarray(shape, dtype, seen, offset, strides) for shape, dtype, offset, strides in slots
    ]


def arrays_like(like: Sequence[Array], memory: Buffer, offset: int) -> list[Array]:
    """Arrays of these shapes and dtypes, C-contiguous, in memory from an offset on, one after the
    other: whatever lies there.
    """
    found = []
    for array in like:
        found.append(np.ndarray(array.shape, array.dtype, memory, offset))
        offset += room_for([array])
    return found


def room_for(arrays: Sequence[Array]) -> int:
    """How many bytes of shared memory these arrays take."""
    return sum(-(-array.nbytes // ALIGNMENT) * ALIGNMENT for array in arrays)
