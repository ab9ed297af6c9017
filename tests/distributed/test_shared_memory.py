"""Arrays in shared memory are the arrays that were put there, as they lay."""

import mmap

import numpy as np
import pytest

from fcnn.distributed.shared_memory import get, put, room_for

A = np.arange(24.0).reshape(2, 3, 4)
ARRAYS = [A, A.transpose(2, 0, 1), A[0].astype(np.float32), np.array(7), np.ones((0, 3)), A > 3]


def test_what_is_put_is_what_is_got_in_its_own_order_and_read_only():
    size = room_for(ARRAYS)
    memory = mmap.mmap(-1, 64 + size)
    for _ in range(2):
        found = get(put(ARRAYS, memory, 64, size), memory)
        for array, expected in zip(found, ARRAYS, strict=True):
            assert np.array_equal(array, expected)
            assert (array.dtype, array.strides) == (expected.dtype, expected.strides)
            assert not array.flags.writeable
            assert not array.flags.owndata


def test_arrays_lie_behind_each_other_and_begin_a_line_of_the_cache():
    slots = put([np.ones(1), np.ones(9), np.ones(1)], mmap.mmap(-1, 1000), 64, 900)
    assert [slot.offset for slot in slots] == [64, 128, 256]


def test_what_does_not_fit_is_refused():
    memory = mmap.mmap(-1, 1000)
    put([np.ones(8)], memory, 0, 100)
    with pytest.raises(MemoryError, match="do not fit"):
        put([np.ones(8)] * 2, memory, 0, 100)
