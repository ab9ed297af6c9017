"""Whether processes that train together have the same of everything.

Each takes steps of its own, from sums that all share. Unlike data, versions or parameters would
make a drift that nobody sees, so they are compared: the arguments of `fit` when it begins,
the parameters after each epoch.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from fcnn import tree
from fcnn.distributed.world import World
from fcnn.version import __version__

_ROWS: Final = 1024


class DisagreementError(RuntimeError):
    """Processes that should compute the same do not."""


def check_same(function: str, world: World, things: Mapping[str, Any]) -> None:
    """DisagreementError that names the first thing, or version of a program, that is not the
    same in all processes. Trees of arrays are compared by a hash.
    """
    if world.size == 1:
        return
    import json

    versions = {"fcnn": __version__, "NumPy": np.__version__, "Python": sys.version.split()[0]}
    own = {f"the version of {name}": version for name, version in versions.items()}
    own |= {name: _shown(thing) for name, thing in things.items()}
    first, *others = (json.loads(text) for text in world.texts(json.dumps(own)))
    for rank, other in enumerate(others, 1):
        for name in first | other:
            here, there = first.get(name, "not given"), other.get(name, "not given")
            if here != there:
                raise DisagreementError(
                    f"{function}: processes differ: {name} is {here} in process 0, "
                    f"{there} in process {rank}"
                )


def written(thing: object) -> str:
    """What a function or a value is called, without its place in memory, which always differs."""
    return re.sub(r" at 0x[0-9a-fA-F]+", "", repr(thing))


def _shown(thing: Any) -> str:
    if isinstance(thing, str | int):
        return str(thing)
    import hashlib

    found = hashlib.blake2b(digest_size=8)
    for path, leaf in tree.leaves_with_path(thing):
        array = np.atleast_1d(leaf)
        found.update(f"{path} {array.dtype.str} {array.shape}\n".encode())
        for i in range(0, len(array), _ROWS):  # not all at once, for it may have to be copied
            found.update(np.ascontiguousarray(array[i : i + _ROWS]).data)
    return f"of hash {found.hexdigest()}"
