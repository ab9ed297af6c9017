"""Random streams: one for each purpose and epoch, all from one seed.

A stream depends on nothing but the seed, what it is for and the epoch. So an epoch draws
the same numbers whether the run was stopped before it or not.
"""

from __future__ import annotations

import operator
import os

import numpy as np

PARAMETERS, ORDER, FORWARD, DATA, SAMPLE, SPLIT = range(6)  # the purposes


def generator(seed: int, purpose: int, epoch: int = 0) -> np.random.Generator:
    """The generator of one purpose, a constant of this module, in one epoch.

    Raises TypeError or ValueError for a seed that is not an integer of at least 0: without
    one, NumPy would take entropy from the system.
    """
    seed = operator.index(seed)
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(purpose, epoch)))


def generator_of_shard(seed: int, epoch: int, before: int, i: int) -> np.random.Generator:
    """The generator of shard i of a step of training, with so many shards before it in the epoch:
    the child of that number of `generator(seed, FORWARD, epoch)`, made without the others.
    """
    return np.random.default_rng(
        np.random.SeedSequence(seed, spawn_key=(FORWARD, epoch, before + i))
    )


def sparing(path: str | os.PathLike[str]) -> np.random.Generator:
    """A generator for the initial weights of a model whose parameters lie in a file already.

    No more numbers are drawn from it in all (see `initializers`) than the file has bytes: what a
    damaged config says of shapes must not decide how much memory is taken. OSError if there is no
    such file.
    """

    class Sparing(np.random.Generator):
        numbers_left = os.path.getsize(path)

    return Sparing(np.random.PCG64(0))
