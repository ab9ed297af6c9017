"""A pool gives the bits of one thread, whoever computes them, and keeps few processes."""

import os
import sys
import threading
import time

import effort
import numpy as np
import pytest
from pools import (
    CALLER,
    Pool,
    X,
    helpers_of,
    in_another_python,
    is_running,
    pool_of,
    process_ids,
)  # fmt: skip

import fcnn
from fcnn import tree
from fcnn.distributed.threads import available_cores

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="processes are for Linux"),
    pytest.mark.usefixtures("no_other_threads"),
]


def test_the_first_calls_are_done_by_threads_and_later_ones_by_processes():
    pool = Pool(process_ids, 3)
    counts = [len(helpers_of(pool)) for _ in range(4)]
    most = min(3, available_cores()) - 1
    assert counts == [0, 0, most, most]


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


def test_a_fast_function_is_really_computed_by_helpers():
    """Through the public function, and call after call: helpers do not wear out."""

    def forward(params, x, rng=None):
        time.sleep(0.005)
        return x, ()

    def backward(cache, dy):
        return np.array(float(os.getpid())), dy

    layer = fcnn.Layer("pid", lambda rng, s: (np.zeros(()), s), forward, backward)
    f = fcnn.value_and_grad(layer, fcnn.softmax_cross_entropy, threads=2)
    x, labels = np.zeros((256, 2)), np.zeros(256, int)
    sums = [float(f(np.zeros(()), x, labels)[1]) for _ in range(30)]
    assert sums[:2] == [8.0 * CALLER] * 2
    (of_both,) = {*sums[3:]}
    assert is_running(int(of_both / 4 - CALLER))  # four shards of the eight are a helper's


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


@pytest.mark.parametrize("why", ["a thread", "another thread", "the environment"])
def test_where_forking_is_not_safe_threads_do_the_work(why):
    script = """
    import os, threading, time
    import numpy as np
    from pools import Pool

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


def test_without_more_processes_threads_go_on(monkeypatch):
    def no_process():
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr("os.fork", no_process)
    pool = pool_of(process_ids)
    for _ in range(3):
        assert helpers_of(pool) == set()
    monkeypatch.undo()
    for _ in range(30):  # it is tried again now and then
        pool.run([X], range(2))
    assert helpers_of(pool)


def test_arrays_of_objects_stay_with_the_threads():
    pool = Pool(lambda arrays, item: [np.array(len(arrays[0][0]))], 2)
    words = np.array(["one", "three"], object)
    for _ in range(4):
        assert [int(r[0]) for r in pool.run([words], range(4))] == [3] * 4


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


@pytest.mark.heavy
def test_functions_that_are_kept_have_no_more_helpers_than_there_are_cores():
    done = in_another_python(
        """
        import os
        import numpy as np
        from pools import Pool
        from fcnn.distributed.threads import available_cores

        def own_function(number):
            return lambda arrays, item: [arrays[0] * number + item]

        def look():
            with open(f"/proc/self/task/{os.getpid()}/children") as children:
                processes = len(children.read().split())
            return processes, len(os.listdir("/proc/self/fd"))

        x = np.arange(6.0)
        pools = [Pool(own_function(number), 2) for number in range(COUNT)]
        seen = []
        for _ in range(2):
            for number, pool in enumerate(pools):
                for _ in range(4):
                    results = pool.run([x], range(4))
                    for item, result in enumerate(results):
                        assert np.array_equal(result[0], x * number + item)
                seen.append(look())
        processes, files = zip(*seen)
        assert max(processes) == available_cores(), processes
        assert max(files) < 10 + 4 * available_cores(), files
        last = pools[-1].pool._helpers
        pools[-2].run([x], range(4))
        pools[-1].run([x], range(4))
        assert pools[-1].pool._helpers is last  # the two that were used last have kept theirs
        """.replace("COUNT", str(effort.times(100)))
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_more_threads_than_cores_have_no_more_helpers_than_there_are_cores():
    pool = pool_of(process_ids, threads=2**31 - 1, items=40)
    assert 0 < len(helpers_of(pool)) <= available_cores()
