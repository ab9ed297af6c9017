"""Arrays in shared memory are the arrays that were put there, as they lay."""

import mmap

import numpy as np
import pytest

from fcnn.distributed.shared_memory import Memory, room_for

A = np.arange(24.0).reshape(2, 3, 4)
ARRAYS = [A, A.transpose(2, 0, 1), A[0].astype(np.float32), np.array(7), np.ones((0, 3)), A > 3]


def test_what_is_put_is_what_is_got_in_its_own_order_and_read_only():
    size = room_for(ARRAYS)
    shared = mmap.mmap(-1, 64 + size)
    memory = Memory(shared, 64, size)
    for _ in range(2):
        found = memory.get(memory.put(ARRAYS))
        for array, expected in zip(found, ARRAYS, strict=True):
            assert np.array_equal(array, expected)
            assert (array.dtype, array.strides) == (expected.dtype, expected.strides)
            assert not array.flags.writeable
            assert not array.flags.owndata


def test_arrays_are_added_behind_each_other_and_begin_a_line_of_the_cache():
    memory = Memory(mmap.mmap(-1, 1000), 0, 1000)
    slots = memory.put([np.ones(1)]) + memory.add([np.ones(9), np.ones(1)])
    assert [slot.offset for slot in slots] == [0, 64, 192]


def test_what_does_not_fit_is_refused():
    memory = Memory(mmap.mmap(-1, 1000), 0, 100)
    memory.put([np.ones(8)])
    with pytest.raises(MemoryError, match="does not fit"):
        memory.add([np.ones(8)])
