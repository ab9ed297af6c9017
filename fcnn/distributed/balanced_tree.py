"""The shards of a batch, and the sum over them: a balanced binary tree over their numbers.

    sum(a, b) = sum(a, m) + sum(m, b), with m in the middle of a and b

Floating-point sums depend on their order, so the order is a function of the number of shards
alone, and the bits are the same for any number of threads, processes and machines. Processes are
dealt down the same tree, so that each has whole subtrees, and sends a single sum.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

import attrs
import numpy as np

from fcnn.numerics.arrays import Array

Arrays: TypeAlias = Sequence[Array]


def shards(n: int, size: int) -> list[slice]:
    """Cut n examples into ceil(n / size) nearly equal parts, a function of these alone."""
    count = -(-n // size)
    return [slice(i * n // count, (i + 1) * n // count) for i in range(count)]


@attrs.frozen
class Node:
    """A node of the tree: the numbers of the shards below it, and the ranks of the processes that
    compute them.
    """

    shards: range
    ranks: range = range(1)

    @property
    def halves(self) -> tuple[Node, Node] | None:
        """The nodes below; None for a single shard. The processes are split in proportion; one
        has all of a subtree, and those beyond the shards have none.
        """
        shards, ranks = self.shards, self.ranks
        if len(shards) == 1:
            return None
        middle = (shards.start + shards.stop) // 2
        left, right = range(shards.start, middle), range(middle, shards.stop)
        if len(ranks) == 1:
            return Node(left, ranks), Node(right, ranks)
        many = round(len(ranks) * len(left) / len(shards))
        border = ranks.start + min(max(many, 1), len(ranks) - 1)
        return Node(left, range(ranks.start, border)), Node(right, range(border, ranks.stop))

    def of_rank(self, rank: int) -> Node | None:
        """The node whose shards are all computed by that process; None if it has none."""
        if len(self.ranks) == 1 or self.halves is None:
            return self if rank == self.ranks.start else None
        return next(half.of_rank(rank) for half in self.halves if rank in half.ranks)


def sum_of_shards(node: Node, arrays_of: Callable[[int], Arrays]) -> list[Array]:
    """The sums over all shards below a node, from the arrays of each, asked for when its turn
    comes, which are left as they are.
    """
    if node.halves is None:
        return list(arrays_of(node.shards.start))
    left, right = node.halves
    first = sum_of_shards(left, arrays_of)
    return added(first, sum_of_shards(right, arrays_of), in_place=left.halves is not None)


def sum_of_processes(node: Node, arrays_of: Callable[[int], Arrays]) -> list[Array]:
    """The same, where the arrays are sums of all the shards of a process, by rank."""
    if len(node.ranks) == 1 or node.halves is None:
        return list(arrays_of(node.ranks.start))
    left, right = node.halves
    return added(sum_of_processes(left, arrays_of), sum_of_processes(right, arrays_of))


def added(left: Arrays, right: Arrays, *, in_place: bool = False) -> list[Array]:
    """The sums of arrays in pairs, in place of the left ones, or in new arrays."""
    if in_place:
        return [np.add(a, b, out=a) for a, b in zip(left, right, strict=True)]
    # Without axes, the sum is no array.
    return [np.asarray(a + b) for a, b in zip(left, right, strict=True)]
