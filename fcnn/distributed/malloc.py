"""Keeping freed memory in the process: page faults cost as much as arithmetic.

A training step allocates and frees the same arrays over and over. By default glibc returns
large freed blocks to the kernel at once, and the next array of that size faults every page
in again. Three settings of its malloc keep them: blocks below 1 GiB are not mapped one by
one, the top of the heap is not trimmed, and it grows by 64 MiB at a time. The memory goes
back when the process ends; the peak of an epoch on all of MNIST is the same with and without.

Done once, at the first training step, prediction or warp and not at import. The environment
variable FCNN_KEEP_MEMORY=0 turns it off. Elsewhere than on glibc nothing happens.
"""

import ctypes
import os
import sys
from functools import cache
from typing import Final

_M_TRIM_THRESHOLD: Final = -1
_M_TOP_PAD: Final = -2
_M_MMAP_THRESHOLD: Final = -3


@cache
def keep_freed_memory() -> bool:
    """Tell malloc to keep what is freed; whether it was told. Once per process."""
    if os.environ.get("FCNN_KEEP_MEMORY") == "0" or not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError):  # another C library
        return False
    mallopt(_M_MMAP_THRESHOLD, 1 << 30)
    mallopt(_M_TRIM_THRESHOLD, 2**31 - 1)
    mallopt(_M_TOP_PAD, 1 << 26)
    return True
