"""A program in copies of its process: the bits of one process, and no trace of the copies."""

import os
import signal
import sys
import time
import warnings

import numpy as np
import pytest
from pools import (
    WITH_SUPPORT,
    gone_within,
    helper_of_a_killed_caller,
    in_another_python,
    is_running,
)

import fcnn
from fcnn import tree
from fcnn.training.agreement import DisagreementError

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="processes are for Linux"),
    pytest.mark.usefixtures("no_other_threads"),
]
CALLER = os.getpid()
MODEL = fcnn.chain(
    fcnn.conv2d(2, 3, bias=False), fcnn.batch_norm(), fcnn.relu, fcnn.max_pool2d(2), fcnn.flatten,
    fcnn.dropout(0.2), fcnn.dense(3),
)  # fmt: skip
X = np.random.default_rng(0).random((225, 1, 6, 6), np.float32)
LABELS = np.arange(len(X)) % 3


def records_of(model=MODEL, *, threads, in_shape=(1, 6, 6), **settings):
    params, _ = model.init(np.random.default_rng(0), in_shape)
    settings = {"epochs": 2, "batch_size": 224, "seed": 0, **settings}
    return fcnn.fit(model, params, fcnn.sgd(0.1, 0.9), (X, LABELS), threads=threads, **settings)


def all_of(records):
    names = ("params", "state", "train_loss", "train_accuracy", "test_loss", "validation_accuracy")
    return [[getattr(record, name) for name in names] for record in records]


def children():
    with open(f"/proc/self/task/{os.getpid()}/children") as file:
        return [int(pid) for pid in file.read().split()]


def layer_that(act):
    """A layer that does something in its forward pass, and leaves x as it is."""

    def forward(params, x, rng=None):
        return act(x), ()

    layer = fcnn.Layer("acting", lambda rng, s: ((), s), forward, lambda cache, dy: ((), dy))
    return fcnn.chain(fcnn.flatten, layer, fcnn.dense(3))


@pytest.mark.parametrize("threads", [2, 3, 5, 9])
def test_epochs_have_the_bits_of_one_process(threads, monkeypatch):
    """Seven shards on 2, 3, 5 and 7 processes, and a last batch of one example."""
    monkeypatch.setattr("os.sched_getaffinity", lambda pid: set(range(16)))
    augment = fcnn.augmentation.affine(rotation=10.0)
    settings = {
        "test": (X[:70], LABELS[:70]),
        "validation": (X[70:], LABELS[70:]),
        "augment": augment,
        "loss": fcnn.smoothed_cross_entropy(class_weights=[1.0, 2.0, 0.5]),
    }
    one = all_of(records_of(threads=1, **settings))
    records = records_of(threads=threads, **settings)
    first = next(records)
    assert len(children()) == min(threads, 7) - 1
    assert tree.equal(one, all_of([first, *records]))
    assert children() == []


def test_on_batch_is_called_in_the_caller_alone():
    calls = []

    def note(step, steps):
        calls.append((os.getpid(), step, steps))

    for _ in records_of(threads=2, epochs=1, batch_size=64, on_batch=note):
        assert len(children()) == 1
    assert calls == [(CALLER, step, 4) for step in (1, 2, 3, 4)]


def test_copies_sleep_while_the_caller_pauses():
    records = records_of(threads=2)
    next(records)
    (pid,) = children()

    def processor_time():
        with open(f"/proc/{pid}/stat") as file:
            return sum(int(ticks) for ticks in file.read().split()[13:15])

    time.sleep(0.2)  # until it has come to its end of the epoch
    before = processor_time()
    time.sleep(0.5)
    assert processor_time() - before <= 5  # of 50 ticks


def test_copies_that_have_waited_long_end_and_are_made_again(monkeypatch):
    monkeypatch.setattr("fcnn.distributed.helper_processes._IDLE", 0.1)
    one = all_of(records_of(threads=1, epochs=4))
    two = []
    for record in records_of(threads=2, epochs=4):
        (pid,) = children()
        two.append(record)
        while True:  # a loop that waits for all children comes to an end
            try:
                os.wait()
            except ChildProcessError:
                break
        assert not is_running(pid)
    assert tree.equal(one, all_of(two))


@pytest.mark.parametrize("how", ["broken off", "closed", "raised"])
def test_copies_end_with_the_records(how):
    def raise_lookup(step, steps):
        raise LookupError(children())

    if how == "raised":
        with pytest.raises(LookupError) as caught:
            [*records_of(threads=2, on_batch=raise_lookup)]
        (pid,) = caught.value.args[0]
    elif how == "closed":
        records = records_of(threads=2)
        next(records)
        (pid,) = children()
        records.close()
    else:
        for _ in records_of(threads=2):
            (pid,) = children()
            break
    assert not is_running(pid)
    assert children() == []


@pytest.mark.parametrize("when", ["between records", "in a step"])
def test_copies_do_not_outlive_a_caller_that_is_killed(when):
    program = f"""
import time
import test_copies as t
records = t.records_of(threads=2, epochs=10**6)
next(records)
print(*t.children(), flush=True)
if {when == "in a step"}:
    for _ in records: pass
time.sleep(60)
"""
    environment = {
        **WITH_SUPPORT,
        "PYTHONPATH": os.pathsep.join([*sys.path, os.path.dirname(__file__)]),
    }
    assert gone_within(10, helper_of_a_killed_caller(program, environment))


def test_a_copy_that_is_killed_costs_time_and_nothing_else():
    one = all_of(records_of(threads=1, epochs=6, batch_size=64))
    killed = []

    def kill(step, steps):
        if step == 2 and len(killed) < 5:
            killed.extend(children())
            for pid in children():
                os.kill(pid, signal.SIGKILL)

    assert tree.equal(one, all_of(records_of(threads=2, epochs=6, batch_size=64, on_batch=kill)))
    assert len(killed) == 3  # after so many, threads go on


def test_a_copy_that_never_answers_is_given_up_at_once(monkeypatch):
    monkeypatch.setattr("fcnn.distributed.helper_processes._PATIENCE", 1.0)
    waited = []

    def hang_in_a_copy(x):
        if os.getpid() != CALLER:
            time.sleep(600)
        return x

    model = layer_that(hang_in_a_copy)
    for _ in records_of(model, threads=2, epochs=5, batch_size=64):
        waited.append(len(children()))
    assert waited == [0] * 5


def test_what_fails_in_a_copy_fails_in_the_caller_with_its_own_words():
    marked = X.copy()
    marked[100] = 7.0

    def fail_at_the_mark(x):
        if (x == 7.0).any():
            raise LookupError("no luck with 7")
        return x

    params, _ = (model := layer_that(fail_at_the_mark)).init(np.random.default_rng(0), (1, 6, 6))
    for seed in range(4):  # the mark is in a shard of the caller, or of the copy
        records = fcnn.fit(
            model, params, fcnn.sgd(0.1), (marked, LABELS), epochs=1, batch_size=225, seed=seed,
            threads=2,
        )  # fmt: skip
        with pytest.raises(LookupError, match="no luck with 7"):
            list(records)
        assert children() == []


def test_warnings_of_copies_are_met_in_the_caller():
    def warn(x):
        warnings.warn("seven shards", stacklevel=2)
        return x

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        [*records_of(layer_that(warn), threads=2, epochs=1, batch_size=224)]
    assert len(caught) == 7 + 1  # and the last batch


def test_warnings_that_the_caller_ignores_do_not_end_a_copy():
    def warn(x):
        warnings.warn("ignored", stacklevel=2)
        return x

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for _ in records_of(layer_that(warn), threads=2, batch_size=64):
            assert len(children()) == 1


def test_functions_that_are_not_pure_are_found_out():
    """Parameters that depend on which process computed them would drift apart in silence."""

    def step(params, grads, state):
        return tree.map(lambda p: p + np.float32(os.getpid()), params), state

    params, _ = MODEL.init(np.random.default_rng(0), (1, 6, 6))
    optimizer = fcnn.Optimizer(lambda params: (), step)
    records = fcnn.fit(
        MODEL, params, optimizer, (X, LABELS), epochs=1, batch_size=64, seed=0, threads=2
    )
    with pytest.raises(DisagreementError, match=r"differ: .* parameters in epoch 1 is of hash"):
        next(records)


@pytest.mark.parametrize("why", ["no lock of the interpreter", "the environment", "no processes"])
def test_where_there_are_no_copies_threads_have_the_same_bits(why, monkeypatch):
    one = all_of(records_of(threads=1))
    if why == "the environment":
        monkeypatch.setenv("FCNN_PROCESSES", "0")
    elif why == "no processes":

        def no_process():
            raise BlockingIOError(11, "Resource temporarily unavailable")

        monkeypatch.setattr("os.fork", no_process)
    else:
        monkeypatch.setattr("sys._is_gil_enabled", lambda: False, raising=False)
    two = []
    for record in records_of(threads=2):
        assert children() == []
        two.append(record)
    assert tree.equal(one, all_of(two))


def test_fits_that_are_kept_have_no_more_copies_than_there_are_cores():
    fits = [records_of(threads=2, epochs=3) for _ in range(12)]
    for _ in range(3):
        for records in fits:
            next(records)
            assert 0 < len(children()) <= len(os.sched_getaffinity(0))
    one = all_of(records_of(threads=1, epochs=3))
    fits = [records_of(threads=2, epochs=3) for _ in range(3)]
    for record, *others in zip(*fits, strict=True):
        assert all(tree.equal(record.params, other.params) for other in others)
        assert tree.equal(record.params, one.pop(0)[0])


def test_a_run_goes_on_while_the_interpreter_is_ending():
    for when in ("in a thread", "at exit"):
        done = in_another_python(
            f"""
            import atexit, os, threading, time
            import numpy as np, fcnn

            model = fcnn.dense(3)
            params, _ = model.init(np.random.default_rng(0), (4,))
            x, labels = np.ones((256, 4), np.float32), np.arange(256) % 3

            def go():
                time.sleep(0.3 * {when == "in a thread"})
                records = fcnn.fit(
                    model, params, fcnn.sgd(0.1), (x, labels), epochs=2, batch_size=128, seed=0,
                    threads=2, test=(x, labels),
                )
                print([record.epoch for record in records], flush=True)

            if {when == "in a thread"}:
                threading.Thread(target=go).start()
            else:
                atexit.register(go)
            """
        )
        assert (done.stdout, done.stderr, done.returncode) == ("[1, 2]\n", "", 0)


def test_where_the_system_has_no_more_threads_one_works_alone_and_keeps_those_of_blas():
    """After a fork that fails OpenBLAS may send SIGINT, and the next product may hang."""
    done = in_another_python(
        """
        import concurrent.futures.thread, json, multiprocessing.connection, os, resource
        import numpy as np, fcnn
        from fcnn import tree

        model = fcnn.dense(3)
        params, _ = model.init(np.random.default_rng(0), (4,))
        data = np.ones((128, 4), np.float32), np.arange(128) % 3
        square = np.ones((300, 300), np.float32)

        def trained(**threads):
            records = fcnn.fit(
                model, params, fcnn.sgd(0.1), data, epochs=2, batch_size=64, seed=0, **threads
            )
            return [record.params for record in records]

        one = trained(threads=1)
        fcnn.value_and_grad(model, fcnn.softmax_cross_entropy)(params, *data)
        resource.setrlimit(resource.RLIMIT_NPROC, (1, 1))
        if os.getuid() == 0:  # there is no limit for root
            os.setuid(65534)
        assert tree.equal(trained(threads=2), one)
        f = fcnn.value_and_grad(model, fcnn.softmax_cross_entropy, threads=2)
        assert len({f(params, *data)[0] for _ in range(5)}) == 1
        assert (square @ square == 300).all()
        """
    )
    assert (done.returncode, done.stderr) == (0, "")
