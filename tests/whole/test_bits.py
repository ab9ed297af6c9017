"""The same bits whatever the threads: BLAS is held to one while shards are computed."""

import os
import subprocess
import sys
import threading

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

import fcnn
from fcnn import tree

X = np.ones((64, 3), np.float32)
LABELS = np.arange(64) % 3


def blas_threads():
    return [info["num_threads"] for info in threadpool_info() if info["user_api"] == "blas"]


def spy(look):
    """A layer that does nothing but look around in its forward pass."""

    def forward(params, x, rng=None):
        look()
        return x, ()

    return fcnn.Layer("spy", lambda rng, shape: ((), shape), forward, lambda cache, dy: ((), dy))


@pytest.mark.parametrize(("n", "threads"), [(32, 1), (64, 1), (64, 2)])
def test_bits_do_not_depend_on_the_threads_that_blas_has_outside(n, threads):
    model = fcnn.models.mnist_cnn()
    params, _ = model.init(np.random.default_rng(0), (1, 28, 28))
    x = np.random.default_rng(1).random((n, 1, 28, 28), np.float32)
    f = fcnn.value_and_grad(model, fcnn.softmax_cross_entropy, threads=threads)
    results = []
    for limit in (1, 2):
        with threadpool_limits(limit, user_api="blas"):
            gradient = f(params, x, np.arange(n) % 10)
            results.append((gradient, fcnn.predict(model, params, x, threads=threads)))
    assert tree.equal(*results)


@pytest.mark.parametrize("threads", [1, 2])
def test_blas_has_one_thread_inside_of_a_layer_and_those_it_had_afterwards(threads):
    seen = []
    model = spy(lambda: seen.extend(blas_threads()))
    with threadpool_limits(2, user_api="blas"):
        before = blas_threads()
        fcnn.value_and_grad(model, fcnn.softmax_cross_entropy, threads=threads)((), X, LABELS)
        fcnn.predict(model, (), X, threads=threads)
        assert blas_threads() == before
    assert seen == [1] * 3 * len(before)


def test_blas_has_the_threads_it_had_after_an_error_too():
    def fail():
        raise ZeroDivisionError

    with threadpool_limits(2, user_api="blas"):
        before = blas_threads()
        with pytest.raises(ZeroDivisionError):
            fcnn.predict(spy(fail), (), X)
        assert blas_threads() == before


def test_of_overlapping_calls_the_first_one_out_does_not_lift_the_limit():
    second_inside, first_left = threading.Event(), threading.Event()
    seen = []

    def second_looks():
        second_inside.set()
        assert first_left.wait(10)
        seen.extend(blas_threads())

    thread = threading.Thread(target=lambda: fcnn.predict(spy(second_looks), (), X, threads=1))

    def first_looks():
        thread.start()
        assert second_inside.wait(10)

    with threadpool_limits(2, user_api="blas"):
        before = blas_threads()
        fcnn.predict(spy(first_looks), (), X, threads=1)
        first_left.set()
        thread.join()
        assert blas_threads() == before
    assert seen == [1] * len(before)


def test_of_overlapping_calls_those_that_come_and_go_leave_the_limit_alone():
    seen = []

    def look():
        thread = threading.Thread(target=lambda: fcnn.predict(fcnn.relu, (), X))
        thread.start()
        thread.join()
        fcnn.predict(fcnn.relu, (), X)
        seen.extend(blas_threads())

    with threadpool_limits(2, user_api="blas"):
        before = blas_threads()
        fcnn.predict(spy(look), (), X, threads=1)
        assert blas_threads() == before
    assert seen == [1] * len(before)


def test_blas_has_one_thread_inside_even_if_another_thread_has_set_a_limit():
    limited, done = threading.Event(), threading.Event()
    seen = []

    def limit():
        with threadpool_limits(2, user_api="blas"):
            limited.set()
            assert done.wait(10)

    thread = threading.Thread(target=limit)
    thread.start()
    assert limited.wait(10)
    before = blas_threads()
    fcnn.predict(spy(lambda: seen.extend(blas_threads())), (), X, threads=1)
    after = blas_threads()
    done.set()
    thread.join()
    assert seen == [1] * len(before)
    assert after == before


def test_other_threads_can_set_limits_once_a_call_is_over():
    computed, done = threading.Event(), threading.Event()

    def compute():
        fcnn.predict(fcnn.relu, (), X)
        computed.set()
        assert done.wait(10)

    thread = threading.Thread(target=compute)
    thread.start()
    assert computed.wait(10)
    seen = []
    for limit in (2, 1):
        with threadpool_limits(limit, user_api="blas"):
            seen.append(set(blas_threads()))
    done.set()
    thread.join()
    assert seen in ([{2}, {1}], [set(), set()])


FORK = """
import os, signal, threading
import numpy as np, threadpoolctl
import fcnn

x = np.ones((64, 3), np.float32)
inside, leave = threading.Event(), threading.Event()

def spy(look):
    def forward(params, x, rng=None):
        look()
        return x, ()
    return fcnn.Layer("spy", lambda rng, shape: ((), shape), forward, lambda cache, dy: ((), dy))

def linger():
    inside.set()
    leave.wait()

def blas_threads():
    return [i["num_threads"] for i in threadpoolctl.threadpool_info() if i["user_api"] == "blas"]

before = blas_threads()

def compute_on_two_threads():
    both = threading.Barrier(2, timeout=10)
    labels = np.zeros(64, int)

    def look():
        both.wait()
        assert set(blas_threads()) <= {1}

    fcnn.value_and_grad(spy(look), fcnn.softmax_cross_entropy, threads=2)((), x, labels)

{busy}

thread = threading.Thread(target=compute)
thread.start()
inside.wait()
child = os.fork()
leave.set()
if child == 0:
    signal.alarm(15)  # ends a child that hangs
    code = 1
    try:
        compute_on_two_threads()
        assert blas_threads() == before, blas_threads()
        code = 0
    finally:
        os._exit(code)
thread.join()
raise SystemExit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""

IN_A_LAYER = """
def compute():
    fcnn.predict(spy(linger), (), x, threads=1)
"""

WITH_A_POOL = """
compute_on_two_threads()  # leaves a thread in the pool, which no child will have
"""

WHILE_BLAS_IS_BEING_LIMITED = """
from fcnn.distributed import blas_threads as blas

def slowly(limit):
    def set_threads(count):
        if not inside.is_set():
            linger()
        limit.set(count)

    return limit._replace(set=set_threads)

limits, _ = blas._limits()
limits[:] = map(slowly, limits)

def compute():
    fcnn.predict(fcnn.relu, (), x)
    inside.set()
"""

WHILE_A_POOL_IS_BEING_MADE = """
from concurrent.futures import ThreadPoolExecutor

def slow(self, *args, original=ThreadPoolExecutor.__init__, **settings):
    linger()
    original(self, *args, **settings)

ThreadPoolExecutor.__init__ = slow

def compute():
    fcnn.predict(fcnn.relu, (), np.concatenate([x, x]), threads=2)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize(
    "busy",
    [
        IN_A_LAYER,
        WITH_A_POOL + IN_A_LAYER,
        WHILE_BLAS_IS_BEING_LIMITED,
        WHILE_A_POOL_IS_BEING_MADE,
    ],
    ids=["in a layer", "with a pool", "while BLAS is being limited", "while a pool is being made"],
)
def test_a_child_forked_while_another_thread_computes_can_compute(busy):
    program = FORK.replace("{busy}", busy)
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=os.environ | {"OPENBLAS_NUM_THREADS": "2"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("threads", [1, 2])
def test_what_another_thread_sets_during_a_call_holds_for_no_other_shard(threads):
    seen = []

    def look_and_set():
        seen.extend(blas_threads())
        setter = threading.Thread(target=threadpool_limits, args=(2, "blas"))
        setter.start()
        setter.join()

    model, x = spy(look_and_set), np.ones((512, 3), np.float32)
    with threadpool_limits(2, user_api="blas"):
        f = fcnn.value_and_grad(model, fcnn.softmax_cross_entropy, threads=threads)
        f((), x, np.arange(512) % 3)
    if threads == 1:
        assert set(seen) == {1}
    else:  # beside one that sets it, another may just have begun
        assert seen.count(1) >= 8
