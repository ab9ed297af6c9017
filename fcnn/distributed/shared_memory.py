"""Arrays in memory that processes share.

Whoever puts an array there gets a slot, a few numbers that fit through a pipe; whoever is
handed the slot sees the same numbers in the same order in memory, without a copy.
"""

from __future__ import annotations

import mmap
from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np

from fcnn.numerics.arrays import Array

_ALIGNMENT: Final = 64  # bytes: a line of the cache


class Slot(NamedTuple):
    """Where an array lies in shared memory."""

    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    dtype: str


class Memory:
    """A part of the shared memory, where arrays are put one after the other."""

    def __init__(self, memory: mmap.mmap, begin: int, size: int) -> None:
        self._memory, self._begin, self._size = memory, begin, size
        self._used = 0

    def put(self, arrays: Sequence[Array]) -> list[Slot]:
        """Copy arrays to the beginning, each in its own memory order."""
        self._used = 0
        return self.add(arrays)

    def add(self, arrays: Sequence[Array]) -> list[Slot]:
        """Copy arrays behind those that are there. MemoryError if they do not fit."""
        slots = []
        for array in arrays:
            # BLAS may give other bits for other orders, so a transposed array stays one.
            strides = np.empty_like(array, subok=False).strides
            slot = Slot(self._begin + self._used, array.shape, strides, array.dtype.str)
            if self._used + room_for([array]) > self._size:
                raise MemoryError("an array does not fit into the shared memory")
            self._used += room_for([array])
            self._view(slot)[...] = array
            slots.append(slot)
        return slots

    def get(self, slots: Sequence[Slot]) -> list[Array]:
        """The arrays in these slots, without a copy, read-only."""
        arrays = [self._view(slot) for slot in slots]
        for array in arrays:
            array.flags.writeable = False
        return arrays

    def _view(self, slot: Slot) -> Array:
        return np.ndarray(slot.shape, slot.dtype, self._memory, slot.offset, slot.strides)


def room_for(arrays: Sequence[Array]) -> int:
    """How many bytes of shared memory these arrays take."""
    return sum(-(-array.nbytes // _ALIGNMENT) * _ALIGNMENT for array in arrays)
