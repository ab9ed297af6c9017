"""Arrays that are the same in all processes, held once on each machine.

The first process there loads them and writes them to a file, in memory where there is room, and
all of them map that. It loses its name at once: it is gone when the last of them ends.
"""

from __future__ import annotations

import json
import mmap
import shutil
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

import numpy as np

from fcnn.distributed.failing_alike import failing_alike
from fcnn.distributed.shared_memory import Slot, get, room_for
from fcnn.distributed.world import World
from fcnn.numerics.arrays import Array

_IN_MEMORY: Final = Path("/dev/shm")


def held_once(world: World, load: Callable[[], list[Array]]) -> list[Array]:
    """The arrays that `load` gives, C-contiguous; read-only where processes share them.

    All processes call this, and the first on each machine loads. If that fails anywhere, or there
    is no room, all raise FailedAlikeError.
    """
    leads, is_shared = world.rank == world.neighbours[0], len(world.neighbours) > 1
    arrays: list[Array] = []
    path, slots = "", list[Slot]()
    try:
        with failing_alike(world):
            if leads:
                arrays = load()
            if leads and is_shared:
                path, slots = _written(arrays)
        texts = world.texts(json.dumps([path, slots]))
        with failing_alike(world):
            if is_shared:
                arrays = _mapped(*json.loads(texts[world.neighbours[0]]))
        return arrays
    finally:
        if path:
            with suppress(OSError):  # where a file that is mapped has to stay
                Path(path).unlink()


def _written(arrays: list[Array]) -> tuple[str, list[Slot]]:
    """The name of a file with these arrays, and where they lie in it. Each is taken out of the
    list as it is written, so that few are there twice.
    """
    room, slots = room_for(arrays), []
    in_memory = _IN_MEMORY.is_dir() and shutil.disk_usage(_IN_MEMORY).free > room
    with tempfile.NamedTemporaryFile(
        prefix="fcnn-", dir=_IN_MEMORY if in_memory else None, delete=False
    ) as file:
        try:
            while arrays:
                array = np.ascontiguousarray(arrays.pop(0))
                slots.append(Slot(array.shape, array.dtype.str, file.tell(), array.strides))
                file.write(array.data)
                file.write(bytes(room_for([array]) - array.nbytes))
        except BaseException:
            Path(file.name).unlink()
            raise
    return file.name, slots


def _mapped(path: str, slots: list[Slot]) -> list[Array]:
    with open(path, "rb") as file:
        memory = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    return get(slots, memory)
