"""What goes wrong in one process of several goes wrong in all: else the others wait for it."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from contextlib import contextmanager

from fcnn.distributed.world import World


class FailedAlikeError(Exception):
    """What has gone wrong in one process, raised in all: its exception, its rank, its traceback."""

    def __init__(self, error: BaseException, rank: int, told: str) -> None:
        super().__init__(f"in process {rank}:\n{told}")
        self.error, self.rank = error, rank


@contextmanager
def failing_alike(world: World) -> Iterator[None]:
    """Around what may go wrong in some processes of a world alone: FailedAlikeError in all of
    them, of the first. In a world of one, exceptions stay what they are.
    """
    if world.size == 1:
        yield
        return
    own = b""
    try:
        yield
    except (Exception, KeyboardInterrupt) as error:
        own = _packed(error)
    for rank, data in enumerate(world.exchange(own)):
        if data:
            raise _unpacked(data, rank)


def _packed(error: BaseException) -> bytes:
    import pickle

    told = "".join(traceback.format_exception(error))
    try:
        data = pickle.dumps((error, told))
        pickle.loads(data)
    except Exception:  # an exception may be of any make
        data = pickle.dumps((RuntimeError(str(error)), told))
    return data


def _unpacked(data: bytes, rank: int) -> FailedAlikeError:
    import pickle

    error, told = pickle.loads(data)
    return FailedAlikeError(error, rank, told)
