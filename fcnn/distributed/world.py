"""Processes that run the same program, each on its own shards of a batch.

Each holds the same parameters, and nobody tells anybody what to do. They meet where all of them
need what each has computed: a sum over shards, the outputs of all examples, a text to compare.
One machine and many are the same thing seen twice: what carries these are `Links`, through
memory that forked processes share, or in messages of MPI.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, Protocol

import attrs

from fcnn.distributed.balanced_tree import Arrays, Node, sum_of_processes, sum_of_shards
from fcnn.distributed.blas_threads import renew
from fcnn.distributed.shared_memory import get, put, room_for
from fcnn.distributed.threads import run_on_threads
from fcnn.numerics.arrays import Array


class LostError(Exception):
    """A process of a world has ended, or does not answer."""


class Links(Protocol):
    """How the processes of a world reach each other: all of them call the same method. Where one
    may be done without, it raises LostError once one is lost.
    """

    def total(self, tree: Node, own: Arrays) -> list[Array]:
        """The sums over all shards, new arrays, from the sums of each process over its own."""

    def gather(self, data: bytes) -> list[bytes]:
        """What every process has handed over, by rank."""


@attrs.frozen(eq=False)
class World:
    """What one process knows of those it works with. All of them call the same methods, in the
    same order, and get the same.

    Attributes
    ----------
    rank, size
        The number of the process, from 0, and how many there are.
    links
        How they reach each other; None for a process that is alone.
    neighbours
        The ranks of those on this machine, its own among them.
    cores
        How many cores are there for this process, and so how many threads it uses unless told
        otherwise; None: all that it may use.
    """

    rank: int = 0
    size: int = 1
    links: Links | None = None
    neighbours: tuple[int, ...] = (0,)
    cores: int | None = None

    def __attrs_post_init__(self) -> None:
        if not 0 <= self.rank < self.size:
            raise ValueError(f"World: rank is {self.rank}, expected 0 to {self.size - 1}")

    def total(
        self,
        shards: int,
        arrays_of: Callable[[int], Arrays],
        *,
        like: Arrays,
        threads: int | None = None,
    ) -> list[Array]:
        """The sums over so many shards, along the balanced tree.

        Parameters
        ----------
        shards
            How many there are. This process asks for its own alone.
        arrays_of
            The arrays of a shard, by its number, C-contiguous.
        like
            Arrays of their shapes and dtypes.
        threads
            How many threads of this process compute its shards; None: as many as `cores`.
        """
        tree = self._tree(shards)

        def of_rank(rank: int) -> list[Array]:
            return _total_of(tree.of_rank(rank), arrays_of, like, threads or self.cores)

        own = of_rank(self.rank)
        links = self._links()
        if links is None:
            return own
        try:
            return links.total(tree, own)
        except LostError:  # those who are left do without
            return sum_of_processes(tree, lambda rank: own if rank == self.rank else of_rank(rank))

    def own_total(
        self, shards: int, arrays_of: Callable[[int], Arrays], *, like: Arrays
    ) -> list[Array]:
        """The sums over the shards of this process alone; like, if it has none."""
        return _total_of(self._tree(shards).of_rank(self.rank), arrays_of, like, self.cores)

    def own_shards(self, shards: int) -> range:
        """The numbers of those that this process computes, of so many."""
        node = self._tree(shards).of_rank(self.rank)
        return range(0) if node is None else node.shards

    def gather(self, own: Sequence[Array]) -> list[Array]:
        """The arrays of all processes, by rank, each in its order in memory."""
        links = self._links()
        if links is None:
            return list(own)
        import json  # slow to import, and few need it

        memory = bytearray(room_for(own))
        head = json.dumps(put(own, memory, 0, len(memory))).encode()
        arrays: list[Array] = []
        for data in links.gather(len(head).to_bytes(8, "big") + head + memory):
            end = 8 + int.from_bytes(data[:8], "big")
            arrays += get(json.loads(data[8:end]), memoryview(data)[end:])
        return arrays

    def texts(self, own: str) -> list[str]:
        """What every process has to say, by rank."""
        found = self.exchange(own.encode(errors="surrogateescape"))  # it may name a file
        return [data.decode(errors="surrogateescape") for data in found]

    def exchange(self, own: bytes) -> list[bytes]:
        """What every process hands over, by rank."""
        links = self._links()
        return [own] if links is None else links.gather(own)

    def _links(self) -> Links | None:
        if self.links is None and self.size > 1:
            raise ValueError(f"World: the {self.size} processes have no links; see mpi_world")
        return self.links

    def _tree(self, shards: int) -> Node:
        return Node(range(shards), range(self.size))


def _total_of(
    node: Node | None, arrays_of: Callable[[int], Arrays], like: Arrays, threads: int | None
) -> list[Array]:
    if node is None:
        return list(like)
    if threads == 1:  # in the order of the tree, so that few arrays wait for others

        def renewed(i: int) -> Arrays:
            renew()
            return arrays_of(i)

        return run_on_threads(lambda node: sum_of_shards(node, renewed), [node], 1)[0]
    found = run_on_threads(arrays_of, node.shards, threads)
    return sum_of_shards(node, lambda i: found[i - node.shards.start])


ALONE: Final = World()
