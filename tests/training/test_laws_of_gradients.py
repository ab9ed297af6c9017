"""Laws of value_and_grad and predict, tried on drawn networks and batches."""

import numpy as np
import pytest
import strategies as some
from hypothesis import given
from hypothesis import strategies as st
from strategies import FLOAT64, copies, few, near, networks

import fcnn
from fcnn import tree

LOSS = fcnn.softmax_cross_entropy


@given(networks(), st.integers(1, 9), st.integers(2, 4))
def test_bits_do_not_depend_on_threads(network, shard, threads):
    arguments = network.params, network.x, network.labels
    one, other = (
        fcnn.value_and_grad(network.model, LOSS, threads=t, shard=shard)(*arguments)
        for t in (1, threads)
    )
    assert tree.equal(one, other)
    one, other = (
        fcnn.predict(network.model, network.params, network.x, threads=t) for t in (1, threads)
    )
    assert tree.equal(one, other)


@few
@given(networks(), st.integers(1, 4))
def test_bits_do_not_depend_on_helper_processes(network, shard):
    """They come in after a few calls."""
    f = fcnn.value_and_grad(network.model, LOSS, threads=2, shard=shard)
    results = [f(network.params, network.x, network.labels) for _ in range(4)]
    assert all(tree.equal(result, results[0]) for result in results)


@given(some.others("flatten", 3), some.SEEDS, st.data())
def test_bits_do_not_depend_on_gaps_between_the_pixels_nor_on_their_direction(case, seed, data):
    """Helper processes have a copy without them."""
    rng, model = np.random.default_rng(seed), fcnn.chain(fcnn.flatten, fcnn.dense(3))
    params, _ = model.init(rng, case.in_shape)
    f = fcnn.value_and_grad(model, LOSS, threads=1, shard=data.draw(some.sizes(1, 3)))
    pixels = some.real(rng, (case.batch, *case.in_shape), np.float32)
    turned = np.flip(np.array(np.flip(pixels, (2, 3))), (2, 3))
    for x in (turned, data.draw(some.lying_anyhow(pixels))):
        copy = np.empty_like(x)
        copy[...] = x
        one, other = (f(params, images, np.arange(len(x)) % 3) for images in (x, copy))
        assert tree.equal(one, other)


@given(networks(dtypes=FLOAT64), st.integers(1, 25))
def test_any_shards_give_the_gradient_of_the_batch_to_rounding(network, shard):
    y, cache = network.model.forward(network.params, network.x)
    value, loss_cache = LOSS.forward(y, network.labels)
    grads, _ = network.model.backward(cache, LOSS.backward(loss_cache))
    f = fcnn.value_and_grad(network.model, LOSS, shard=shard)
    found_value, found = f(network.params, network.x, network.labels)
    assert type(found_value) is float
    assert found_value == pytest.approx(value, rel=1e-12, abs=1e-14)
    assert near(found, grads, ulps=2048)


@given(networks(dtypes=FLOAT64), st.integers(1, 25))
def test_shards_weigh_what_the_loss_says(network, shard):
    """A loss that is not a mean of equals: examples weigh their label and one."""

    def forward(outputs, labels):
        weights = (labels + 1.0) / (labels + 1.0).sum()
        return float(weights @ (outputs**2).sum(1)), (outputs, weights)

    def backward(cache):
        outputs, weights = cache
        return 2 * outputs * weights[:, None]

    loss = fcnn.Loss("weighted", forward, backward, weight=lambda labels: (labels + 1.0).sum())
    arguments = network.params, network.x, network.labels
    whole_value, whole = fcnn.value_and_grad(network.model, loss, shard=99)(*arguments)
    value, grads = fcnn.value_and_grad(network.model, loss, shard=shard)(*arguments)
    assert value == pytest.approx(whole_value, rel=1e-12, abs=1e-14)
    assert near(grads, whole, ulps=2048)


@given(networks(dtypes=FLOAT64), st.integers(1, 9), st.randoms())
def test_the_order_of_a_batch_is_a_matter_of_rounding(network, shard, random):
    order = random.sample(range(len(network.x)), len(network.x))
    f = fcnn.value_and_grad(network.model, LOSS, shard=shard)
    value, grads = f(network.params, network.x, network.labels)
    moved_value, moved = f(network.params, network.x[order], network.labels[order])
    assert moved_value == pytest.approx(value, rel=1e-12, abs=1e-14)
    assert near(moved, grads, ulps=2048)


@given(networks(), st.integers(1, 9))
def test_value_and_grad_is_pure_and_its_gradients_are_like_the_parameters(network, shard):
    arguments = network.params, network.x, network.labels
    before = copies(arguments)
    f = fcnn.value_and_grad(network.model, LOSS, shard=shard)
    first = f(*arguments)
    kept = copies(first)
    f(tree.map(lambda a: a + 1, network.params), network.x, network.labels)
    assert tree.equal(f(*arguments), first)
    assert tree.equal(first, kept)
    assert tree.equal(arguments, before)
    zeros = tree.map(np.zeros_like, network.params)
    assert tree.equal(tree.map(np.zeros_like, first[1]), zeros)


@given(networks(), st.integers(1, 9), st.integers(2, 4), some.SEEDS)
def test_random_layers_draw_the_same_on_any_threads(network, shard, threads, seed):
    noise = fcnn.Layer(
        "noise",
        lambda rng, in_shape: ((), in_shape),
        lambda params, x, rng=None: (x + rng.standard_normal(x.shape).astype(x.dtype), ()),
        lambda cache, dy: ((), dy),
    )
    model = fcnn.chain(noise, *network.layers)
    one, other = (
        fcnn.value_and_grad(model, LOSS, threads=t, shard=shard)(
            ((), *network.params), network.x, network.labels, np.random.default_rng(seed)
        )
        for t in (1, threads)
    )
    assert tree.equal(one, other)


@given(networks(most=140))
def test_predictions_are_the_outputs(network):
    outputs, _ = network.model.forward(network.params, network.x)
    assert near(fcnn.predict(network.model, network.params, network.x), outputs)
