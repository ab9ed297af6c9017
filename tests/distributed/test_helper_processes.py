"""Helper processes: the bits of one thread, and no trace of them whatever goes wrong."""

import gc
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
import warnings

import numpy as np
import pytest

import fcnn
from fcnn import tree
from fcnn.distributed.helper_processes import can_fork
from fcnn.distributed.pool import Pool

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processes are for Linux")

CALLER = os.getpid()
X = np.arange(6.0)


@pytest.fixture(autouse=True)
def no_other_threads():
    """Threads that earlier tests have left, in another library too, would keep us from forking."""
    assert can_fork()


def pool_of(function, threads=2, items=4):
    """A pool whose helpers are at work: the first calls are done by threads."""
    pool = Pool(function, threads)
    for _ in range(2):
        pool.run([X], range(items))
    return pool


def process_ids(arrays, item):
    time.sleep(0.02)  # so that each process gets its share
    return [np.array(os.getpid())]


def is_running(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def helpers_of(pool):
    pids = {int(result[0]) for result in pool.run([X], range(8))}
    return pids - {CALLER}


def in_another_python(script, **environment):
    """The standard output and error of a script in a process of its own."""
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(script)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, **environment},
    )


def test_the_first_calls_are_done_by_threads_and_later_ones_by_processes():
    pool = Pool(process_ids, 3)
    counts = [len(helpers_of(pool)) for _ in range(4)]
    assert counts == [0, 0, 2, 2]


@pytest.mark.parametrize("threads", [2, 3])
def test_a_training_step_has_the_bits_of_one_thread(threads):
    model = fcnn.models.mnist_cnn()
    params, _ = model.init(np.random.default_rng(0), (1, 28, 28))
    rng = np.random.default_rng(1)
    one = fcnn.value_and_grad(model, fcnn.softmax_cross_entropy, threads=1)
    many = fcnn.value_and_grad(model, fcnn.softmax_cross_entropy, threads=threads)
    orders = [(0, 1, 2, 3), (2, 1, 3, 0), (3, 2, 1, 0)]
    for step, n in enumerate([64, 64, 64, 40, 100, 33, 300, 64]):  # growing and shrinking
        order = orders[step % 3]
        x = rng.random([(n, 1, 28, 28)[axis] for axis in order], np.float32)
        x = x.transpose(np.argsort(order))[:, :, ::-1]
        labels = rng.integers(0, 10, n)
        value, grads = one(params, x, labels)
        assert tree.equal((value, grads), many(params, x, labels))
        params = tree.map(lambda p, g: p - np.float32(0.1) * g, params, grads)


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


def test_a_turned_image_has_the_bits_of_its_copy():
    model = fcnn.chain(fcnn.flatten, fcnn.dense(3))
    params, _ = model.init(np.random.default_rng(0), (1, 2, 4))
    rng, labels = np.random.default_rng(1), np.array([0, 0, 2, 1])
    f = fcnn.value_and_grad(model, fcnn.softmax_cross_entropy, threads=1, shard=1)
    for _ in range(20):
        x = rng.standard_normal((4, 1, 2, 4)).astype(np.float32)
        turned = np.array(x[:, :, ::-1, ::-1])[:, :, ::-1, ::-1]
        assert tree.equal(f(params, turned, labels), f(params, x, labels))


def test_each_shard_has_a_random_stream_of_its_own_wherever_it_is_computed():
    def forward(params, x, rng=None):
        noise = rng.random(x.shape)
        return x + noise, ()

    noisy = fcnn.Layer("noisy", lambda rng, shape: ((), shape), forward, lambda cache, dy: ((), dy))
    model = fcnn.chain(noisy, fcnn.dense(3))
    params = tree.map(lambda a: a.astype(float), model.init(np.random.default_rng(0), (4,))[0])
    x, labels = np.ones((96, 4)), np.arange(96) % 3
    results = []
    for threads in (1, 2):
        f = fcnn.value_and_grad(model, fcnn.softmax_cross_entropy, threads=threads)
        rng = np.random.default_rng(7)
        results.append([f(params, x, labels, rng) for _ in range(5)])
    assert tree.equal(*results)
    assert results[0][0][0] != results[0][1][0]


def test_a_run_has_the_bits_of_one_thread():
    train, test = fcnn.data.synthetic_lines(seed=0)
    model = fcnn.models.lines_cnn()
    params, _ = model.init(np.random.default_rng(0), (1, 14, 14))
    runs = []
    for threads in (1, 2):
        records = fcnn.fit(
            model, params, fcnn.sgd(0.01, momentum=0.9), train, epochs=2, batch_size=250,
            seed=0, test=test, threads=threads,
        )  # fmt: skip
        runs.append([(r.params, r.state, r.train_loss, r.test_loss) for r in records])
    assert tree.equal(*runs)


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


def test_a_result_larger_than_ever_before_is_computed_by_the_caller():
    pool = pool_of(lambda arrays, item: [np.full(10 if item < 4 else 10**6, item)], items=4)
    for _ in range(2):
        assert [r[0].size for r in pool.run([X], range(8))] == [10] * 4 + [10**6] * 4


def test_arrays_of_objects_stay_with_the_threads():
    pool = Pool(lambda arrays, item: [np.array(len(arrays[0][0]))], 2)
    words = np.array(["one", "three"], object)
    for _ in range(4):
        assert [int(r[0]) for r in pool.run([words], range(4))] == [3] * 4


def test_helpers_end_with_the_function_they_work_for():
    pool = pool_of(process_ids)
    (pid,) = helpers_of(pool)
    assert is_running(pid)
    del pool
    gc.collect()
    assert not is_running(pid)


def test_calls_from_several_threads_at_a_time_get_their_own_results():
    pool = pool_of(lambda arrays, item: [arrays[0] * item])
    wrong = []

    def call(factor):
        for _ in range(50):
            results = [r[0].copy() for r in pool.run([X * factor], range(4))]
            if not all(np.array_equal(r, X * factor * i) for i, r in enumerate(results)):
                wrong.append(factor)

    calls = [threading.Thread(target=call, args=(factor,)) for factor in (2.0, 3.0, 5.0)]
    for thread in calls:
        thread.start()
    for thread in calls:
        thread.join()
    assert not wrong


def test_a_call_from_inside_of_a_call_is_done_by_threads():
    inside = []

    def function(arrays, item):
        if os.getpid() == CALLER and item == 99:
            inside.extend(pool.run([X], range(8)))
        time.sleep(0.01)
        return [np.array(os.getpid())]

    pool = pool_of(function)
    assert len(helpers_of(pool)) == 1
    pool.run([X], [99] * 8)
    assert {int(result[0]) for result in inside} == {CALLER}


@pytest.mark.parametrize("why", ["a thread", "another thread", "the environment"])
def test_where_forking_is_not_safe_threads_do_the_work(why):
    script = """
    import os, threading, time
    import numpy as np
    from fcnn.distributed.pool import Pool

    def process_ids(arrays, item):
        time.sleep(0.02)
        return [np.array(os.getpid())]

    def try_it():
        pool = Pool(process_ids, 2)
        for _ in range(4):
            pids = {int(r[0]) for r in pool.run([np.ones(1)], range(8))}
        print(len(pids), flush=True)

    why = WHY
    if why == "a thread":
        stop = threading.Event()
        threading.Thread(target=stop.wait).start()
        try_it()
        stop.set()
    elif why == "another thread":
        thread = threading.Thread(target=try_it)
        thread.start()
        thread.join()
    else:
        try_it()
    """
    environment = {"FCNN_PROCESSES": "0"} if why == "the environment" else {}
    done = in_another_python(script.replace("WHY", repr(why)), **environment)
    assert (done.stdout, done.stderr) == ("1\n", "")


BUSY = """
import os, signal, sys, time
import numpy as np
from fcnn.distributed.pool import Pool

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


def gone_within(seconds, pid):
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if not is_running(pid):
            return True
        time.sleep(0.02)
    return False


@pytest.mark.parametrize("when", ["between calls", "in a call"])
def test_helpers_do_not_outlive_a_caller_that_is_killed(when):
    wait = "time.sleep(60)" if when == "between calls" else "pool.run([np.ones(1)], range(999))"
    caller = subprocess.Popen(
        [sys.executable, "-c", BUSY + wait], stdout=subprocess.PIPE, text=True
    )
    with caller:
        pid = int(caller.stdout.readline())
        time.sleep(0.2)
        caller.kill()
    assert gone_within(10, pid)


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


def test_a_fast_function_is_really_computed_by_helpers():
    """Through the public function, and call after call: helpers do not wear out."""
    pids = set()

    def forward(params, x, rng=None):
        time.sleep(0.005)
        return x + os.getpid(), ()

    layer = fcnn.Layer("pid", lambda rng, s: ((), s), forward, lambda cache, dy: ((), dy))
    from fcnn.training.batch_gradient import batch_gradients

    f = batch_gradients(layer, fcnn.softmax_cross_entropy, threads=2)
    x, labels = np.zeros((256, 2)), np.zeros(256, int)
    for step in range(30):
        outputs = f((), x, labels, None).outputs
        if step > 3:
            pids = {int(y[0, 0]) for y in outputs}
            assert len(pids) == 2
    assert CALLER in pids


def test_results_of_one_thread_are_not_those_of_another():
    """What is combined is combined before another call may write to the shared memory."""
    pool = pool_of(lambda arrays, item: [arrays[0] * item])
    inside, wrong = threading.Event(), []

    def slowly(results):
        inside.set()
        time.sleep(0.3)
        return [r[0].copy() for r in results]

    def other():
        inside.wait()
        pool.run([X * 7], range(4))

    thread = threading.Thread(target=other)
    thread.start()
    results = pool.run([X], range(4), slowly)
    thread.join()
    wrong = [i for i, r in enumerate(results) if not np.array_equal(r, X * i)]
    assert not wrong


def test_labels_that_become_objects_go_to_threads():
    pool = Pool(lambda arrays, item: [np.array(len(arrays[1]))], 2)
    for labels in (np.arange(4), np.array([{}, [], "a", None], object), np.zeros(4, "i4,f8")):
        for _ in range(4):
            assert [int(r[0]) for r in pool.run([X, labels], range(4))] == [4] * 4


def test_unaligned_arrays_are_computed_alike_everywhere():
    raw = np.frombuffer(b"x" + np.arange(6.0).tobytes(), np.uint8)[1:].view(float)
    pool = Pool(
        lambda arrays, item: [np.array(arrays[0].flags.aligned), *process_ids(arrays, item)], 2
    )
    for _ in range(4):
        assert all(result[0] for result in pool.run([raw], range(8)))


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


def test_without_more_processes_threads_go_on(monkeypatch):
    def no_process():
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr("os.fork", no_process)
    pool = pool_of(process_ids)
    for _ in range(3):
        assert helpers_of(pool) == set()


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


def test_a_layer_may_train_another_network_inside_of_a_prediction():
    done = in_another_python(
        """
        import numpy as np, fcnn

        inner = fcnn.dense(2)
        params, _ = inner.init(np.random.default_rng(0), (3,))
        f = fcnn.value_and_grad(inner, fcnn.softmax_cross_entropy, threads=2)
        x, labels = np.ones((64, 3), np.float32), np.zeros(64, int)

        def forward(params_, x_, rng=None):
            for _ in range(4):
                f(params, x, labels)
            return x_, ()

        outer = fcnn.Layer("outer", lambda rng, s: ((), s), forward, lambda cache, dy: ((), dy))
        print(fcnn.predict(outer, (), np.ones((256, 1), np.float32), threads=2).sum())
        """
    )
    assert (done.stdout, done.stderr) == ("256.0\n", "")
