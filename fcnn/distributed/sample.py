"""A sample that lies in shards, each with the process that computes it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import attrs
import numpy as np

from fcnn.distributed.balanced_tree import Arrays, shards
from fcnn.distributed.threads import run_on_threads
from fcnn.distributed.world import LostError, World
from fcnn.numerics.arrays import Array

_SHARD: Final = 32  # examples, as in training: in two threads, larger ones take more memory


@attrs.frozen(eq=False)
class Sample:
    """Examples (N, ...) in shards. These depend on N alone, and so do the bits of what is made of
    them. All processes of a world call the same methods, in the same order.

    Attributes
    ----------
    own
        The shards of this process.
    parts
        Which examples are in each, for all of them.
    world, threads
        The processes, and how many threads each has for its shards (None: its cores).
    """

    own: Sequence[Array]
    parts: Sequence[slice]
    world: World
    threads: int | None

    @classmethod
    def of(cls, x: Array, world: World, threads: int | None, *, shard: int = _SHARD) -> Sample:
        """The shards of a batch that every process has."""
        return cls((), shards(len(x), shard), world, threads or world.cores).with_whole(x)

    def with_whole(self, x: Array) -> Sample:
        """The same shards of another batch that every process has."""
        own = [x[self.parts[i]] for i in self.world.own_shards(len(self.parts))]
        return attrs.evolve(self, own=own)

    def map(self, function: Callable[..., Any], *others: Sample) -> Sample:
        """What a function makes of each shard, and of those of others beside it."""
        beside = list(zip(self.own, *(other.own for other in others), strict=True))
        own = run_on_threads(lambda arrays: function(*arrays), beside, self.threads)
        return attrs.evolve(self, own=own)

    def total(self, function: Callable[[Array], Arrays], *, like: Arrays) -> list[Array]:
        """The sums over all shards of the arrays that a function makes of each. `like` are
        arrays of their shapes and dtypes. LostError, if a process is lost.
        """
        count = len(self.parts)
        own = self.world.own_shards(count)

        def arrays_of(i: int) -> Arrays:
            if i not in own:
                raise LostError("the shards of a process are lost with it")
            return function(self.own[i - own.start])

        return self.world.total(count, arrays_of, like=like, threads=self.threads)

    def whole(self) -> Array:
        """The batch, on every process."""
        return np.concatenate(self.world.gather(self.own))


def on_each(function: Callable[..., Any], *values: Any) -> Any:
    """`function(*values)`; of samples, shard by shard."""
    first, *others = values
    return first.map(function, *others) if isinstance(first, Sample) else function(*values)
