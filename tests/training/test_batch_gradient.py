"""value_and_grad: the sum of its shards, whatever the threads."""

import os
import threading
import warnings

import numpy as np
import pytest

import fcnn
from fcnn import tree

MODEL = fcnn.models.lines_cnn()
PARAMS, _ = MODEL.init(np.random.default_rng(0), (1, 14, 14))
LOSS = fcnn.softmax_cross_entropy


def batch(n, dtype=np.float32):
    rng = np.random.default_rng(1)
    return rng.random((n, 1, 14, 14)).astype(dtype), rng.integers(0, 3, n)


def by_hand(params, x, labels):
    y, cache = MODEL.forward(params, x)
    value, loss_cache = LOSS.forward(y, labels)
    return value, MODEL.backward(cache, LOSS.backward(loss_cache))[0]


@pytest.mark.parametrize("n", [1, 31, 32, 33, 64, 70])
def test_shards_add_up_to_the_whole_batch(n):
    params = tree.map(lambda a: a.astype(np.float64), PARAMS)
    x, labels = batch(n, np.float64)
    value, grads = fcnn.value_and_grad(MODEL, LOSS)(params, x, labels)
    expected_value, expected = by_hand(params, x, labels)
    assert value == pytest.approx(expected_value, rel=1e-13)
    assert type(value) is float
    assert tree.allclose(grads, expected, rtol=1e-10, atol=1e-14)


def test_bits_do_not_depend_on_threads():
    x, labels = batch(150)
    results = [
        fcnn.value_and_grad(MODEL, LOSS, threads=threads, shard=20)(PARAMS, x, labels)
        for threads in (1, 2, 3, 8, None)
    ]
    for value, grads in results[1:]:
        assert value == results[0][0]
        assert tree.equal(grads, results[0][1])


def test_a_loss_says_what_its_shards_weigh():
    importance = np.array([1.0, 5.0, 0.5])

    def forward(outputs, labels):
        w = importance[labels]
        value, cache = LOSS.forward(outputs, labels)
        shifted = outputs - outputs.max(1, keepdims=True)
        log_p = shifted - np.log(np.exp(shifted).sum(1, keepdims=True))
        value = -(w * log_p[np.arange(len(w)), labels]).sum() / w.sum()
        return float(value), (cache, w)

    def backward(cache):
        inner, w = cache
        return LOSS.backward(inner) * (len(w) * w / w.sum())[:, None]

    weighted = fcnn.Loss("weighted", forward, backward, lambda y: float(importance[y].sum()))
    params = tree.map(lambda a: a.astype(np.float64), PARAMS)
    x, labels = batch(70, np.float64)
    whole = fcnn.value_and_grad(MODEL, weighted, shard=70)(params, x, labels)
    parts = fcnn.value_and_grad(MODEL, weighted, shard=16)(params, x, labels)
    assert parts[0] == pytest.approx(whole[0], rel=1e-12)
    assert tree.allclose(parts[1], whole[1], rtol=1e-9, atol=1e-13)


def test_random_layers_draw_the_same_whatever_the_threads():
    def forward(params, x, rng=None):
        mask = np.ones_like(x) if rng is None else (rng.random(x.shape) < 0.5).astype(x.dtype)
        return x * mask, mask

    noise = fcnn.Layer(
        "mask", lambda rng, shape: ((), shape), forward, lambda mask, dy: ((), dy * mask)
    )
    model = fcnn.chain(fcnn.flatten, noise, fcnn.dense(3))
    params, _ = model.init(np.random.default_rng(0), (1, 14, 14))
    x, labels = batch(100)
    a, b, other = (
        fcnn.value_and_grad(model, LOSS, threads=threads)(
            params, x, labels, np.random.default_rng(seed)
        )
        for threads, seed in ((1, 5), (3, 5), (1, 6))
    )
    assert tree.equal(a, b)
    assert not tree.equal(a, other)


def test_batches_that_do_not_fit_are_refused():
    f = fcnn.value_and_grad(MODEL, LOSS)
    x, labels = batch(4)
    with pytest.raises(ValueError, match="4 inputs, but 3 labels"):
        f(PARAMS, x, labels[:3])
    with pytest.raises(ValueError, match="x is empty, N=0"):
        f(PARAMS, x[:0], labels[:0])
    with pytest.raises(TypeError, match="labels is a list"):
        f(PARAMS, x, labels.tolist())
    with pytest.raises(ValueError, match="shard is 0"):
        fcnn.value_and_grad(MODEL, LOSS, shard=0)
    with pytest.raises(ValueError, match="value_and_grad: threads is 0"):
        fcnn.value_and_grad(MODEL, LOSS, threads=0)
    nothing = fcnn.Loss("nothing", LOSS.forward, LOSS.backward, lambda labels: 0)
    with pytest.raises(ValueError, match="the examples weigh 0"):
        fcnn.value_and_grad(MODEL, nothing)(PARAMS, x, labels)
    with pytest.raises(ValueError, match=r"in chain layer 0 \(conv2d\)"):
        fcnn.value_and_grad(MODEL, LOSS, shard=2)(PARAMS, np.ones((4, 2, 14, 14), "f4"), labels)


def test_calls_from_several_threads_at_a_time_do_not_disturb_each_other():
    x, labels = batch(64)
    f = fcnn.value_and_grad(MODEL, LOSS, threads=2)
    expected = f(PARAMS, x, labels)
    results = []
    callers = [
        threading.Thread(target=lambda: results.append(f(PARAMS, x, labels))) for _ in range(6)
    ]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert len(results) == 6
    assert all(tree.equal(result, expected) for result in results)


def test_a_gradient_inside_a_gradient_does_not_wait_for_itself():
    x, labels = batch(64)
    inner = fcnn.value_and_grad(MODEL, LOSS, threads=2)

    def forward(params, x, rng=None):
        inner(PARAMS, *batch(64))
        return MODEL.forward(params, x, rng)

    outer = fcnn.Layer("outer", MODEL.init, forward, MODEL.backward)
    value, _ = fcnn.value_and_grad(outer, LOSS, threads=2)(PARAMS, x, labels)
    assert value == fcnn.value_and_grad(MODEL, LOSS)(PARAMS, x, labels)[0]


def test_blas_threads_are_given_back():
    from threadpoolctl import threadpool_info

    def blas():
        return [info["num_threads"] for info in threadpool_info() if info["user_api"] == "blas"]

    before = blas()
    fcnn.value_and_grad(MODEL, LOSS, threads=2)(PARAMS, *batch(64))
    assert blas() == before


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_computes_on_its_own_threads():
    x, labels = batch(64)
    f = fcnn.value_and_grad(MODEL, LOSS, threads=2)
    expected = f(PARAMS, x, labels)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # forking with threads: the point
        child = os.fork()
    if child == 0:
        os._exit(0 if tree.equal(f(PARAMS, x, labels), expected) else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


@pytest.mark.parametrize("threads", [1, 2])
def test_error_states_of_the_caller_hold_in_every_thread(threads):
    x, labels = batch(64)
    params = tree.map(lambda p: p * np.float32(1e30), PARAMS)
    f = fcnn.value_and_grad(MODEL, LOSS, threads=threads)
    with np.errstate(all="raise"), pytest.raises(FloatingPointError):
        f(params, x, labels)
    with np.errstate(all="ignore"):
        f(params, x, labels)


def test_an_error_in_one_shard_reaches_the_caller_and_the_pool_goes_on():
    x, labels = batch(64)
    labels[40] = 7
    f = fcnn.value_and_grad(MODEL, LOSS, threads=2)
    for _ in range(3):
        with pytest.raises(ValueError, match=r"label 7 is outside 0\.\.2"):
            f(PARAMS, x, labels)
    labels[40] = 0
    f(PARAMS, x, labels)


def test_gradients_that_a_layer_keeps_are_not_added_to():
    kept = np.arange(3, dtype=np.float32)
    model = fcnn.Layer(
        "mine",
        lambda rng, shape: (np.ones(3, np.float32), shape),
        lambda params, x, rng=None: (x, ()),
        lambda cache, dy: (kept, dy),
    )
    x, labels = np.ones((4, 3), np.float32), np.array([0, 1, 2, 0])
    f = fcnn.value_and_grad(model, fcnn.softmax_cross_entropy, shard=1)
    for n in (2, 3, 4):
        _, grads = f(np.ones(3, np.float32), x[:n], labels[:n])
        assert kept.tolist() == [0, 1, 2]
        assert grads.tolist() == [0, n, 2 * n]
    kept.flags.writeable = False
    f(np.ones(3, np.float32), x, labels)
