"""What processes of MPI give each other: the bits of one process, in few bytes."""

import pytest

SUMS = """
    import numpy as np
    from fcnn.distributed import World, mpi_world

    world = mpi_world()
    rng = np.random.default_rng(0)
    for shards in (1, 2, 7, 12):
        values = [
            [rng.standard_normal(3, np.float32), rng.standard_normal((2, 5)), np.array(shard),
             np.zeros((0, 2)), rng.random(2) + 1j, np.float16(rng.random(1))]
            for shard in range(shards)
        ]
        alone = World().total(shards, values.__getitem__, like=values[0])
        asked = []
        total = world.total(
            shards, lambda shard: asked.append(shard) or values[shard], like=values[0]
        )
        assert sorted(asked) == [*world.own_shards(shards)]
        for expected, found in zip(alone, total, strict=True):
            assert (expected.shape, expected.dtype) == (found.shape, found.dtype)
            assert expected.tobytes() == found.tobytes()
    assert world.texts("x" * world.rank) == ["x" * rank for rank in range(world.size)]
    columns = world.gather([np.full((2, world.rank), world.rank).T, np.ones(1, np.float32)])
    assert [array.shape for array in columns[::2]] == [(rank, 2) for rank in range(world.size)]
    assert columns[-2].flags.f_contiguous
    assert world.neighbours == tuple(range(world.size))
    assert mpi_world() is world
    print("well")
"""


@pytest.mark.parametrize("count", [1, 2, 3, 5])
def test_sums_and_what_is_gathered(launch, count):
    code, out, err = launch(count, SUMS)
    assert (err, out.count("well"), code) == ("", count, 0)


BYTES = """
    import sys
    import numpy as np
    from mpi4py import MPI
    from fcnn.distributed.balanced_tree import Node
    from fcnn.distributed.mpi import MpiLinks

    class Counting:
        sent = received = 0

        def __getattr__(self, name):
            return getattr(MPI.COMM_WORLD, name)

        def Isend(self, message, *place):
            self.sent += len(message[0])
            return MPI.COMM_WORLD.Isend(message, *place)

        def Irecv(self, message, *place):
            self.received += len(message[0])
            return MPI.COMM_WORLD.Irecv(message, *place)

        def Ibcast(self, message, root):
            if MPI.COMM_WORLD.rank != root:
                self.received += len(message[0])
            return MPI.COMM_WORLD.Ibcast(message, root)

    shards, own = int(sys.argv[1]), [np.ones(1000, np.float32)]
    counting = Counting()
    MpiLinks(MPI, counting).total(Node(range(shards), range(counting.size)), own)
    print(f"{counting.rank} {counting.sent} {counting.received}\\n", end="")
"""


@pytest.mark.parametrize("shards", [4, 100])
def test_a_step_sends_one_set_of_sums_up_and_one_down_however_many_shards_there_are(launch, shards):
    code, out, err = launch(4, BYTES, shards)
    assert (code, err) == (0, "")
    counted = [map(int, line.split()[1:]) for line in sorted(out.splitlines())]
    sent, received = zip(*counted, strict=True)
    size = 4032  # 4,000 bytes of gradients, as whole lines of the cache
    assert sent == (0, size, size, size)
    assert received == (2 * size, size, 2 * size, size)  # halves meet in 0 and 2; 0 tells all
