"""Processes of a world get the same from each other, whatever its links; here, shared memory."""

import sys

import numpy as np
import pytest
from worlds import in_a_world

from fcnn.distributed.world import ALONE, World

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processes are for Linux")


def arrays_of(i):
    rng = np.random.default_rng(i)
    return [rng.standard_normal((50, 30)).astype(np.float32), np.array(rng.standard_normal())]


@pytest.mark.parametrize(("size", "shards"), [(1, 4), (2, 1), (2, 7), (3, 7), (5, 7), (5, 2)])
def test_sums_are_those_of_one_process(size, shards):
    like = [np.zeros((50, 30), np.float32), np.zeros(())]
    expected = ALONE.total(shards, arrays_of, like=like, threads=1)

    def sums(world):
        totals = [world.total(shards, arrays_of, like=like) for _ in range(5)]
        assert all(array.flags.writeable for total in totals for array in total)
        return [[array.tobytes() for array in total] for total in totals]

    for found in in_a_world(size, sums):
        assert found == [[array.tobytes() for array in expected]] * 5


def test_each_shard_is_asked_for_in_one_process_alone():
    def asked(world):
        seen = []
        like = [np.zeros(())]
        world.total(7, lambda i: [np.array(float(seen.append(i) or i))], like=like, threads=1)
        return seen, [*world.own_shards(7)]

    found = in_a_world(3, asked)
    assert [seen for seen, _ in found] == [own for _, own in found] == [[0, 1, 2], [3, 4], [5, 6]]


def test_what_is_gathered_lies_as_it_lay_and_may_be_larger_than_the_shared_memory():
    def gathered(world):
        own = [np.full((300, 400), world.rank).T, np.arange(world.rank)]
        return [(array.shape, array.strides, array.sum()) for array in world.gather(own)]

    (first, second, *_), *others = in_a_world(3, gathered)
    assert first == ((400, 300), (8, 3200), 0)
    assert second[0] == (0,)
    assert others == [[first, second, *_]] * 2


def test_texts_come_from_all_by_rank():
    assert in_a_world(3, lambda world: world.texts("x" * world.rank)) == [["", "x", "xx"]] * 3


def test_a_sum_for_which_there_is_no_room_is_refused():
    def sums(world):
        return world.total(2, lambda i: [np.zeros(10**5)], like=[np.zeros(10**5)])

    assert all(isinstance(error, MemoryError) for error in in_a_world(2, sums))


def test_who_is_alone_needs_nobody():
    assert ALONE.texts("x") == ["x"]
    assert [*ALONE.own_shards(3)] == [0, 1, 2]
    assert ALONE.gather([np.ones(1)]) == [1]


@pytest.mark.parametrize(("rank", "size"), [(2, 2), (-1, 1), (0, 0)])
def test_a_rank_beyond_the_world_is_refused(rank, size):
    with pytest.raises(ValueError, match=f"World: rank is {rank}, expected 0 to {size - 1}"):
        World(rank, size)


def test_processes_without_links_cannot_work_together():
    world = World(0, 2)
    assert world.own_shards(4) == range(2)
    with pytest.raises(ValueError, match="the 2 processes have no links; see mpi_world"):
        world.total(4, arrays_of, like=arrays_of(0))
    with pytest.raises(ValueError, match="the 2 processes have no links; see mpi_world"):
        world.texts("anything")
