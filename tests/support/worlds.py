"""Worlds of forked processes."""

import os
import pickle

from fcnn.distributed.fork import fork
from fcnn.distributed.shared_links import SharedLinks
from fcnn.distributed.world import World


def in_a_world(size, function):
    """What a function makes of its world on each of so many processes, by rank; an error, where
    it raises one.
    """
    links = SharedLinks(size, room=0)
    links.watch = _give_up
    pipes = [os.pipe() for _ in range(size)]

    def work(rank):
        links.rank = rank
        try:
            result = function(World(rank, size, links))
        except Exception as error:
            result = error
        with open(pipes[rank][1], "wb") as pipe:
            pickle.dump(result, pipe)

    children = [fork(lambda rank=rank: work(rank), pipe[1]) for rank, pipe in enumerate(pipes)]
    for _, end in pipes:
        os.close(end)
    results = []
    for start, _ in pipes:
        with open(start, "rb") as pipe:
            results.append(pickle.load(pipe))
    for child in children:
        os.waitpid(child, 0)
    return results


def _give_up(*seconds):
    if seconds[-1] > 60:
        raise TimeoutError("another process of the world does not come")
