"""A model of the data-parallel step: what processes compute, and what they send each other.

The sum of the gradients goes up the balanced tree of `fcnn.distributed.balanced_tree`, from the
first process of a node's right half to the first of its left half, and from the top back down to
all. A message takes a latency and its bytes over the bandwidth, and messages between different
processes do not disturb each other.
"""

import math
from typing import NamedTuple

from fcnn.distributed.balanced_tree import Node


class Link(NamedTuple):
    """What a message takes: seconds, whatever its size, and bytes per second."""

    latency: float
    bandwidth: float

    def seconds(self, size: float) -> float:
        """A message of that many bytes."""
        return self.latency + size / self.bandwidth


class Costs(NamedTuple):
    """Seconds of a step in one process, of each of its shards, and of adding two sets of
    gradients; the bytes of one set.
    """

    step: float
    shard: float
    adding: float
    size: int


class Cluster(NamedTuple):
    """Processes on machines, of which each has so many, and what connects them. With fewer cores
    than processes, those of a machine take turns.
    """

    network: Link
    memory: Link
    per_machine: int = 1
    cores: int = 1

    def between(self, left: Node, right: Node) -> Link:
        """What connects the first processes of two nodes."""
        first, second = (node.ranks.start // self.per_machine for node in (left, right))
        return self.memory if first == second else self.network


def step_seconds(costs: Costs, cluster: Cluster, shards: int, processes: int) -> float:
    """A step of several processes, which have at least a shard each: what each computes, sums up
    the balanced tree, the whole sum back down, and what each does with it.
    """
    tree = Node(range(shards), range(processes))
    up, down = seconds_up(costs, cluster, tree), seconds_down(costs, cluster, tree)
    crowding = min(processes, cluster.per_machine) / cluster.cores
    if crowding <= 1:
        return costs.step + up + down
    together = costs.shard * shards / processes * crowding
    up = max(up, together + seconds_up(costs._replace(shard=0.0), cluster, tree))
    return costs.step * crowding + up + down


def seconds_up(costs: Costs, cluster: Cluster, node: Node) -> float:
    """Until the first process of a node has the sum over its shards."""
    if len(node.ranks) == 1 or node.halves is None:
        return costs.shard * len(node.shards)
    left, right = node.halves
    sent = seconds_up(costs, cluster, right) + cluster.between(left, right).seconds(costs.size)
    return max(seconds_up(costs, cluster, left), sent) + costs.adding


def seconds_down(costs: Costs, cluster: Cluster, node: Node) -> float:
    """Until all processes of a node have what its first one has."""
    if len(node.ranks) == 1 or node.halves is None:
        return 0.0
    left, right = node.halves
    sent = cluster.between(left, right).seconds(costs.size)
    return sent + max(seconds_down(costs, cluster, half) for half in (left, right))


def reduce_scatter_seconds(costs: Costs, cluster: Cluster, shards: int, processes: int) -> float:
    """A step in which neighbours on the tree exchange halves of what they have, then quarters and
    so on, until each has the sum of a part of the gradients, which goes back to all the same way.
    """
    rounds, part = math.ceil(math.log2(processes)), 1 - 1 / processes
    link = cluster.network if processes > cluster.per_machine else cluster.memory
    exchange = 2 * (rounds * link.latency + part * costs.size / link.bandwidth)
    return costs.step + _most(costs, shards, processes) + part * costs.adding + exchange


def overlapped_seconds(costs: Costs, cluster: Cluster, shards: int, processes: int) -> float:
    """A step whose sums travel while others are computed: the most that this could bring."""
    tree = Node(range(shards), range(processes))
    sums = costs._replace(shard=0.0)
    travelling = seconds_up(sums, cluster, tree) + seconds_down(sums, cluster, tree)
    return costs.step + max(_most(costs, shards, processes), travelling)


def _most(costs: Costs, shards: int, processes: int) -> float:
    return costs.shard * -(-shards // processes)
