"""Pools with helper processes at work, and programs that have one."""

import os
import subprocess
import sys
import textwrap
import time
from functools import partial

import numpy as np

import fcnn.distributed.pool

CALLER = os.getpid()
X = np.arange(6.0)
WIDTH = 20
WITH_SUPPORT = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}  # to import this module


class Pool:
    """A pool that hands out the results of each item, not their sum: each is summed with zeros."""

    def __init__(self, function, threads):
        self.pool = fcnn.distributed.pool.Pool(partial(_in_a_row_of_its_own, function), threads)

    def run(self, arrays, items):
        items = list(items)
        like = [np.zeros((len(items), WIDTH))]
        (rows,) = self.pool.total(arrays, items, len(items), like)
        return [results_in(row) for row in rows]

    @property
    def helpers(self):
        return self.pool.helpers


def _in_a_row_of_its_own(function, arrays, items):
    """The results of an item, which are not many numbers, as one of many rows."""

    def arrays_of(i):
        rows = np.zeros((len(items), WIDTH))
        end = 1
        for array in function(arrays, items[i]):
            rows[i, end] = array.size + 1
            rows[i, end + 1 : end + 1 + array.size] = array.ravel()
            end += 1 + array.size
        rows[i, 0] = end
        return [rows]

    return arrays_of


def results_in(row):
    found, begin = [], 1
    while begin < row[0]:
        size = int(row[begin]) - 1
        numbers = row[begin + 1 : begin + 1 + size]
        found.append(numbers[0] if size == 1 else numbers)
        begin += 1 + size
    return found


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


def helper_of_a_killed_caller(program, environment=WITH_SUPPORT):
    """The helper of a program that says its number, and was killed thereafter."""
    caller = subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, env=environment
    )
    with caller:
        pid = int(caller.stdout.readline())
        time.sleep(0.2)
        caller.kill()
    return pid


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
