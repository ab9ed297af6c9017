"""Layers that draw: each shard, step and epoch has a generator of its own."""

import numpy as np
import pytest

import fcnn
from fcnn import tree
from fcnn.numerics import random_streams as streams

X = np.arange(100, dtype=np.float32)[:, None] * np.ones(3, np.float32)
LABELS = np.arange(100) % 3
LOSS = fcnn.softmax_cross_entropy


def spy(look):
    """A layer that hands its input and its generator to `look`."""

    def forward(params, x, rng=None):
        look(x, rng)
        return x, ()

    return fcnn.Layer("spy", lambda rng, shape: ((), shape), forward, lambda cache, dy: ((), dy))


def dropout():
    def forward(params, x, rng=None):
        mask = np.ones_like(x) if rng is None else (rng.random(x.shape) < 0.5).astype(x.dtype)
        return x * mask, mask

    return fcnn.Layer(
        "dropout", lambda rng, shape: ((), shape), forward, lambda mask, dy: ((), dy * mask)
    )


@pytest.mark.parametrize("threads", [1, 2])
def test_every_shard_has_its_own_child_of_the_generator(threads):
    drawn = {}
    model = spy(lambda x, rng: drawn.update({x[0, 0]: (rng, rng.random(4))}))
    f = fcnn.value_and_grad(model, LOSS, threads=threads, shard=32)
    f((), X, LABELS, np.random.default_rng(5))
    shards = [drawn[first] for first in sorted(drawn)]
    assert len({id(rng) for rng, _ in shards}) == 4
    children = np.random.default_rng(5).spawn(4)
    for (_, numbers), child in zip(shards, children, strict=True):
        assert np.array_equal(numbers, child.random(4))


def test_without_a_generator_no_shard_has_one():
    seen = []
    fcnn.value_and_grad(spy(lambda x, rng: seen.append(rng)), LOSS)((), X, LABELS)
    assert seen == [None] * 4


def test_every_epoch_has_its_own_order_and_its_own_generator_for_random_layers():
    seen = []

    def look(x, rng):
        if rng is not None:
            seen.append((x[:, 0].astype(int), rng.random(4)))

    settings = {"epochs": 3, "batch_size": 25, "seed": 9, "threads": 1}
    list(fcnn.fit(spy(look), (), fcnn.sgd(0.1), (X, LABELS), **settings))
    assert len(seen) == 12
    for epoch in (1, 2, 3):
        order = streams.generator(9, streams.ORDER, epoch).permutation(100)
        forward = streams.generator(9, streams.FORWARD, epoch)
        for step, (batch, numbers) in enumerate(seen[4 * epoch - 4 : 4 * epoch]):
            assert np.array_equal(batch, order[25 * step : 25 * step + 25])
            assert np.array_equal(numbers, forward.spawn(1)[0].random(4))
    assert len({numbers.tobytes() for _, numbers in seen}) == 12


def test_a_run_with_a_random_layer_that_goes_on_is_the_run_that_was_never_stopped():
    model = fcnn.chain(dropout(), fcnn.dense(8), fcnn.relu, dropout(), fcnn.dense(3))
    params, _ = model.init(np.random.default_rng(0), (3,))

    def run(start=None):
        return list(
            fcnn.fit(
                model, params, fcnn.sgd(1e-4, momentum=0.9), (X, LABELS),
                epochs=3, batch_size=40, seed=0, test=(X, LABELS), start=start,
            )
        )  # fmt: skip

    whole = run()
    for stopped in (0, 1):
        for a, b in zip(run(whole[stopped]), whole[stopped + 1 :], strict=True):
            assert tree.equal((a.params, a.state), (b.params, b.state))
            assert (a.epoch, a.train_loss, a.test_loss) == (b.epoch, b.train_loss, b.test_loss)
