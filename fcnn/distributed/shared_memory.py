"""Helper processes over the shards of a batch: no interpreter lock to wait for.

Threads take turns at the interpreter between the many short NumPy calls of a small network,
and two gain little over one. Processes do not. They are forked, so they know the model, its
functions and everything else as the caller did, and nothing has to be described to them; the
arrays of a call and its results go through memory that all of them share, and the numbers of
the items through a pipe, from which each process takes the next one when it has time. They
compute the same operations on the same numbers, so the bits are the same.

A helper only ever saves time. Whatever happens to one, an exception, a warning, its death or
no answer, the caller computes that item itself, and meets the exception or warning there. What
helpers know is as old as they are: a function or a setting that is replaced later is not seen.

Forking is safe where no other thread runs: on Linux, in the main thread of a program that has
no others. Elsewhere, and with the environment variable FCNN_PROCESSES=0, threads do the work.
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
        self._end = 0

    def put(self, arrays: Sequence[Array]) -> list[Slot]:
        """Copy arrays to the beginning, each in its own memory order."""
        self._end = 0
        return self.add(arrays)

    def add(self, arrays: Sequence[Array]) -> list[Slot]:
        """Copy arrays behind those that are there. MemoryError if they do not fit."""
        places = []
        for array in arrays:
            # BLAS may give other bits for other orders, so a transposed array stays one.
            strides = np.empty_like(array, subok=False).strides
            place = Slot(self._begin + self._end, array.shape, strides, array.dtype.str)
            if self._end + room_for([array]) > self._size:
                raise MemoryError("an array does not fit into the shared memory")
            self._end += room_for([array])
            self._view(place)[...] = array
            places.append(place)
        return places

    def get(self, places: Sequence[Slot]) -> list[Array]:
        """The arrays at these places, without a copy, read-only."""
        arrays = [self._view(place) for place in places]
        for array in arrays:
            array.flags.writeable = False
        return arrays

    def _view(self, place: Slot) -> Array:
        return np.ndarray(place.shape, place.dtype, self._memory, place.offset, place.strides)


def room_for(arrays: Sequence[Array]) -> int:
    """How many bytes of shared memory these arrays take."""
    return sum(-(-array.nbytes // _ALIGNMENT) * _ALIGNMENT for array in arrays)
