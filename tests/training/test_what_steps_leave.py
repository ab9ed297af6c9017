"""What a step leaves behind: nothing."""

import tracemalloc
import weakref

import numpy as np
import pytest

import fcnn


def watched(references):
    """A relu that remembers its caches, weakly."""

    def forward(params, x, rng=None):
        y, cache = fcnn.relu.forward(params, x, rng)
        references.append(weakref.ref(cache[0]))
        return y, cache

    return fcnn.Layer("watched", fcnn.relu.init, forward, fcnn.relu.backward)


@pytest.mark.parametrize("threads", [1, 2])
def test_caches_of_a_finished_step_are_gone(threads):
    references = []
    model = fcnn.chain(fcnn.dense(4), watched(references), fcnn.dense(3))
    params, _ = model.init(np.random.default_rng(0), (5,))
    f = fcnn.value_and_grad(model, fcnn.softmax_cross_entropy, threads=threads)
    x, labels = np.ones((64, 5), np.float32), np.arange(64) % 3
    kept = [f(params, x, labels) for _ in range(4)]
    fcnn.predict(model, params, x, threads=threads)
    assert len(kept) == 4
    assert len(references) >= 4
    assert [reference() for reference in references] == [None] * len(references)


def test_memory_does_not_grow_from_epoch_to_epoch():
    train, test = fcnn.data.synthetic_lines(seed=0)
    model = fcnn.models.lines_cnn()
    params, _ = model.init(np.random.default_rng(0), (1, 14, 14))
    optimizer = fcnn.sgd(0.01, momentum=0.9)

    def sizes(epochs):
        for _ in fcnn.fit(
            model, params, optimizer, train, epochs=epochs, batch_size=60, seed=0, test=test
        ):
            yield tracemalloc.get_traced_memory()[0]

    list(sizes(3))  # what is kept for good, NumPy's small shapes for one, is there then
    tracemalloc.start()
    found = list(sizes(8))
    tracemalloc.stop()
    assert len(found) == 8
    assert found[-1] - found[2] < 20_000, found  # one velocity alone has 40,000 bytes
