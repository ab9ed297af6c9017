"""Helper processes: no trace of them, whatever goes wrong."""

import gc
import os
import signal
import sys
import textwrap
import time
import warnings

import numpy as np
import pytest
from pools import (
    BUSY,
    CALLER,
    Pool,
    X,
    gone_within,
    helper_of_a_killed_caller,
    helpers_of,
    in_another_python,
    is_running,
    pool_of,
    process_ids,
)  # fmt: skip

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="processes are for Linux"),
    pytest.mark.usefixtures("no_other_threads"),
]


def test_an_array_lies_in_a_helper_as_it_lies_in_the_caller():
    """BLAS gives other bits for other strides, those of an image turned around for example."""

    def strides(arrays, item):
        return [np.array(arrays[0].strides), *process_ids(arrays, item)]

    image = np.arange(24.0).reshape(1, 2, 3, 4)
    for x in (image[:, :, ::-1, ::-1], image[..., ::2], image[0][None], image.T[:, 1:]):
        pool = Pool(strides, 2)
        calls = [pool.run([x], range(8)) for _ in range(4)]
        assert len({int(pid) for _, pid in calls[-1]}) == 2
        assert len({tuple(found) for call in calls for found, _ in call}) == 1


def test_what_fails_in_a_helper_fails_in_the_caller_with_its_own_words():
    def fail_for_3(arrays, item):
        if item == 3:
            raise LookupError("no luck with 3")
        return [arrays[0] * item]

    pool = Pool(fail_for_3, 2)
    for _ in range(3):
        assert [int(r[0][1]) for r in pool.run([X], range(3))] == [0, 1, 2]
    for _ in range(3):
        with pytest.raises(LookupError, match="no luck with 3"):
            pool.run([X], range(8))
    assert len(pool.run([X], range(3))) == 3


def test_warnings_and_floating_point_errors_of_helpers_are_met_in_the_caller():
    def divide(arrays, item):
        time.sleep(0.01)
        return [1 / arrays[0]]

    with np.errstate(all="ignore"):
        pool = pool_of(divide)
        assert pool.run([X], range(4))[3][0][0] == np.inf
    with np.errstate(divide="warn"), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert pool.run([X], range(4))[3][0][0] == np.inf
    assert len(caught) == 4
    with np.errstate(divide="raise"), pytest.raises(FloatingPointError):
        pool.run([X], range(4))


def test_a_helper_that_is_killed_costs_time_and_nothing_else():
    pool = pool_of(process_ids)
    first = helpers_of(pool)
    for pid in first:
        os.kill(pid, signal.SIGKILL)
    assert {int(result[0]) for result in pool.run([X], range(8))} <= {CALLER, *first}
    second = helpers_of(pool)
    assert len(second) == 1
    assert not second & first


def test_a_helper_that_is_killed_in_the_middle_of_its_work_too():
    def die_in_a_helper(arrays, item):
        if os.getpid() != CALLER:
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(0.01)
        return [arrays[0] * item]

    pool = pool_of(die_in_a_helper)
    for _ in range(3):
        assert [int(r[0][1]) for r in pool.run([X], range(8))] == list(range(8))


def test_sums_may_grow_and_shrink():
    pool = pool_of(process_ids)
    for items in (8, 4, 400, 8, 40):
        assert len({result[0] for result in pool.run([X], range(items))}) == 2


@pytest.fixture
def without_garbage_collection():
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("without_garbage_collection")
def test_helpers_end_with_the_function_they_work_for():
    pool = pool_of(process_ids)
    (pid,) = helpers_of(pool)
    assert is_running(pid)
    del pool
    assert not is_running(pid)


@pytest.mark.usefixtures("without_garbage_collection")
def test_for_functions_that_are_made_and_dropped_a_kept_one_keeps_its_helpers():
    kept = pool_of(process_ids)
    pids = helpers_of(kept)
    for _ in range(3):
        assert helpers_of(pool_of(process_ids))
    assert helpers_of(kept) == pids


@pytest.mark.parametrize("when", ["between calls", "in a call"])
def test_helpers_do_not_outlive_a_caller_that_is_killed(when):
    wait = "time.sleep(60)" if when == "between calls" else "pool.run([np.ones(1)], range(999))"
    assert gone_within(10, helper_of_a_killed_caller(BUSY + wait))


def test_a_forked_process_leaves_the_helpers_alone_and_gets_its_own():
    done = in_another_python(
        BUSY
        + """
child = os.fork()
pids = {int(r[0]) for r in pool.run([np.ones(1)], range(8))}
own = pids - {os.getpid()}
assert len(own) == 1, pids
if child == 0:
    assert own != {pid}
    sys.exit(0)
assert own == {pid}, (own, pid)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_nothing_is_left_behind_when_python_ends():
    done = in_another_python(BUSY)
    assert (done.returncode, done.stderr) == (0, "")
    assert gone_within(10, int(done.stdout))


def test_what_a_layer_prints_in_a_helper_is_seen():
    done = in_another_python(BUSY.replace("time.sleep(0.05)", "time.sleep(0.05); print('here')"))
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("here") == 24


def test_a_helper_that_never_answers_is_given_up(monkeypatch):
    monkeypatch.setattr("fcnn.distributed.helper_processes._PATIENCE", 0.5)

    def hang_in_a_helper(arrays, item):
        if os.getpid() != CALLER:
            time.sleep(600)
        time.sleep(0.01)
        return [arrays[0] * item]

    pool = pool_of(hang_in_a_helper)
    for _ in range(6):  # and after a few times there are no more helpers
        assert [int(r[0][1]) for r in pool.run([X], range(4))] == list(range(4))


def test_errors_of_the_operating_system_are_told_once_and_not_swallowed():
    calls = []

    def time_out(arrays, item):
        if os.getpid() == CALLER:
            calls.append(item)
            if len(calls) > 8:
                raise TimeoutError("too slow")
        time.sleep(0.01)
        return [arrays[0]]

    pool = pool_of(time_out)
    calls[:] = range(8)
    with pytest.raises(TimeoutError, match="too slow"):
        pool.run([X], range(8))
    assert len(calls) == 9


def test_helpers_do_not_hold_the_files_of_the_caller():
    done = in_another_python(
        """
        import subprocess
        """
        + textwrap.indent(BUSY, "        ").replace(
            "        slow = True",
            "        cat = subprocess.Popen(['cat'], stdin=subprocess.PIPE)\n        slow = True",
        )
        + """
        cat.stdin.close()
        print(cat.wait(timeout=20), len(pool.run([np.ones(1)], range(8))))
        """
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.endswith("\n0 8\n")


def test_files_of_the_caller_that_a_helper_gives_up_are_closed_there_without_a_word():
    done = in_another_python(
        """
        import gc, os
        import numpy as np
        from pools import Pool, pool_of, process_ids

        gc.disable()
        old = pool_of(process_ids)
        for _ in range(4):
            old.run([np.ones(1)], range(8))
        caller, cycle = os.getpid(), [old]
        cycle.append(cycle)
        del old, cycle

        def collecting(arrays, item):
            if os.getpid() != caller:
                gc.collect()
            return process_ids(arrays, item)

        pool = Pool(collecting, 2)
        for _ in range(4):
            found = {int(r[0]) for r in pool.run([np.ones(1)], range(8))}
        print(len(found))
        """
    )
    assert (done.stdout, done.stderr) == ("2\n", "")
