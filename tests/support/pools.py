"""Pools with helper processes at work, and programs that have one."""

import os
import subprocess
import sys
import textwrap
import time

import numpy as np

import fcnn.distributed.pool

CALLER = os.getpid()
X = np.arange(6.0)
WITH_SUPPORT = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}  # to import this module


class Pool(fcnn.distributed.pool.Pool):
    """A pool that hands out copies of all results."""

    def run(self, arrays, items, combine=None):
        def copies(results):
            return [[array.copy() for array in result] for result in results]

        return super().run(arrays, items, combine or copies)


def pool_of(function, threads=2, items=4):
    """A pool whose helpers are at work: the first calls are done by threads."""
    pool = Pool(function, threads)
    for _ in range(2):
        pool.run([X], range(items))
    return pool


def process_ids(arrays, item):
    time.sleep(0.02)  # so that each process gets its share
    return [np.array(os.getpid())]


def helpers_of(pool):
    pids = {int(result[0]) for result in pool.run([X], range(8))}
    return pids - {CALLER}


def is_running(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def gone_within(seconds, pid):
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if not is_running(pid):
            return True
        time.sleep(0.02)
    return False


def in_another_python(script, **environment):
    """The standard output and error of a script in a process of its own."""
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(script)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**WITH_SUPPORT, **environment},
    )


BUSY = """
import os, signal, sys, time
import numpy as np
from pools import Pool

def work(arrays, item):
    if slow:
        time.sleep(0.05)
    return [np.array(os.getpid())]

slow = True
pool = Pool(work, 2)
for _ in range(3):
    pids = {int(r[0]) for r in pool.run([np.ones(1)], range(8))}
(pid,) = pids - {os.getpid()}
print(pid, flush=True)
"""
