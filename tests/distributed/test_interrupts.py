"""Ctrl-C at any moment: a call ends at once, the next one is right, and nothing is left behind."""

import os
import signal
import subprocess
import sys
import threading
import time
import weakref
from pathlib import Path

import effort
import pytest
from pools import BUSY, WITH_SUPPORT, gone_within

from fcnn.distributed.interrupts import call_while_deleting, interrupts_deferred

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="signals as Linux has them")

PROGRAM = Path(__file__).parents[1] / "support" / "interrupted_program.py"


def interrupt():
    os.kill(os.getpid(), signal.SIGINT)


@pytest.mark.heavy
@pytest.mark.parametrize("processes", ["1", "0"], ids=["processes", "threads"])
def test_nothing_is_left_behind_by_interrupts_at_random_moments(processes):
    done = subprocess.run(
        [sys.executable, PROGRAM, str(effort.times(400))],
        env={**os.environ, "FCNN_PROCESSES": processes},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert (done.stdout, done.returncode) == ("{}\n", 0), done.stderr


def is_interrupted(function):
    try:
        function()
    except KeyboardInterrupt:
        return True
    return False


def test_an_interrupt_waits_for_the_end_of_the_block():
    steps = []

    def block():
        with interrupts_deferred():
            interrupt()
            steps.append("after it")

    assert is_interrupted(block)
    assert steps == ["after it"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_an_interrupt_comes_at_once_in_a_function_that_allows_it():
    steps = []

    def function():
        interrupt()
        steps.append("never")

    def block():
        with interrupts_deferred() as interrupts:
            try:
                interrupts.allowed_in(function)
            finally:
                interrupt()  # and this one waits
                steps.append("in the end")

    assert is_interrupted(block)
    assert steps == ["in the end"]


def test_an_interrupt_that_was_noted_comes_before_a_function_that_allows_it():
    steps = []

    def block():
        with interrupts_deferred() as interrupts:
            interrupt()
            interrupts.allowed_in(steps.append, "never")

    assert is_interrupted(block)
    assert steps == []


def test_an_interrupt_that_is_lost_where_an_object_is_deleted_comes_after_the_function():
    steps = []

    def function():
        deleted = frozenset([1])
        watch = weakref.ref(deleted, lambda reference: interrupt())
        del deleted
        assert watch() is None
        steps.append("in it")

    def block():
        with interrupts_deferred() as interrupts:
            interrupts.allowed_in(function)
            steps.append("after it")

    lost = []
    hook, sys.unraisablehook = sys.unraisablehook, lambda told: lost.append(told.exc_type)
    try:
        assert is_interrupted(block)
    finally:
        sys.unraisablehook = hook
    assert lost == [KeyboardInterrupt]
    assert steps == ["in it", "after it"]


def test_of_blocks_inside_of_each_other_the_outermost_raises():
    steps = []

    def block():
        with interrupts_deferred():
            with interrupts_deferred():
                interrupt()
                steps.append(1)
            steps.append(2)
            with interrupts_deferred() as inner:
                inner.allowed_in(steps.append, 3)

    assert is_interrupted(block)
    assert steps == [1, 2, 3]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_handler_of_ones_own_is_called_and_one_that_is_set_inside_stays():
    seen = []
    before = signal.signal(signal.SIGINT, lambda number, frame: seen.append(number))
    try:
        with interrupts_deferred():
            interrupt()
            assert seen == []
        assert seen == [signal.SIGINT]
        with interrupts_deferred():
            signal.signal(signal.SIGINT, signal.SIG_IGN)
        assert signal.getsignal(signal.SIGINT) == signal.SIG_IGN
        with interrupts_deferred():
            interrupt()
        assert seen == [signal.SIGINT]
    finally:
        signal.signal(signal.SIGINT, before)


def test_in_another_thread_nothing_changes():
    def look():
        with interrupts_deferred() as interrupts:
            seen.append(interrupts.allowed_in(signal.getsignal, signal.SIGINT))

    seen = []
    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    assert seen == [signal.default_int_handler]


def test_an_interrupt_while_something_is_deleted_is_not_lost():
    def block():
        call_while_deleting(interrupt)
        for _ in range(600):  # a signal just before a call that waits is seen after it
            time.sleep(0.1)

    begun = time.monotonic()
    assert is_interrupted(block)
    assert time.monotonic() - begun < 10


@pytest.mark.parametrize("when", ["between calls", "in a call"])
def test_ctrl_c_ends_a_call_at_once_and_the_next_one_works(when):
    wait = "time.sleep(60)" if when == "between calls" else "pool.run([np.ones(1)], range(999))"
    script = f"""{BUSY}
try:
    {wait}
except KeyboardInterrupt:
    print("interrupted", flush=True)
print(len(pool.run([np.ones(1)], range(8))))
"""
    with subprocess.Popen(
        [sys.executable, "-W", "error", "-c", script],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env=WITH_SUPPORT,
    ) as caller:
        pid = int(caller.stdout.readline())
        time.sleep(0.3)
        os.killpg(caller.pid, signal.SIGINT)  # as a terminal does: to all processes of the group
        begun = time.monotonic()
        assert caller.stdout.readline() == "interrupted\n"
        assert time.monotonic() - begun < 10
        out, errors = caller.communicate(timeout=30)
    assert (out, errors, caller.returncode) == ("8\n", "", 0)
    assert gone_within(10, pid)


@pytest.mark.parametrize("threads", [1, 2])
def test_ctrl_c_ends_a_prediction_at_once(threads):
    script = f"""
import sys, time
import numpy as np, fcnn

def slowly(params, x, rng=None):
    time.sleep(0.05)
    return x, ()

slow = fcnn.Layer("slow", slowly, slowly, slowly)
print("ready", flush=True)
try:
    fcnn.predict(slow, (), np.zeros((64 * 2000, 1), np.float32), threads={threads})
except KeyboardInterrupt:
    print("interrupted", flush=True)
print(len(fcnn.predict(slow, (), np.zeros((640, 1), np.float32), threads={threads})))
"""
    with subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as caller:
        assert caller.stdout.readline() == "ready\n"
        time.sleep(0.3)
        caller.send_signal(signal.SIGINT)
        begun = time.monotonic()
        assert caller.stdout.readline() == "interrupted\n"
        assert time.monotonic() - begun < 5  # of the fifty seconds that it would take
        out, errors = caller.communicate(timeout=30)
    assert (out, errors, caller.returncode) == ("640\n", "", 0)
