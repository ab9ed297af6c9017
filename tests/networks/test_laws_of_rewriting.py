"""What rewriting for speed claims of a network, tried on drawn ones: nothing but time changes."""

import numpy as np
from hypothesis import assume, given, settings
from strategies import networks_to_rewrite

import fcnn
from fcnn import tree
from fcnn.layers.layer import call_apply, parameter_gradients
from fcnn.networks.rewriting import faster

# They are small, and few of them have two layers that must not change places.
many = settings(max_examples=10 * settings.default.max_examples)


def results(layer, params, x, rng):
    """All that a layer gives: in training with rng, otherwise in inference."""
    y, cache = layer.forward(params, x, rng)
    dy = np.random.default_rng(0).standard_normal(y.shape).astype(y.dtype)
    return y, *layer.backward(cache, dy), parameter_gradients(layer, cache, dy)


@many
@given(networks_to_rewrite())
def test_a_faster_network_gives_the_same_bits_in_training(network):
    model, params, x = network
    expected = results(model, params, x, np.random.default_rng(1))
    assert tree.equal(results(faster(model), params, x, np.random.default_rng(1)), expected)


@many
@given(networks_to_rewrite())
def test_a_faster_network_gives_the_same_bits_in_inference(network):
    model, params, x = network
    expected = results(model, params, x, None)
    assert tree.equal(results(faster(model), params, x, None), expected)
    assert tree.equal(call_apply(faster(model), params, x), expected[0])
    assert tree.equal(fcnn.predict(model, params, x, threads=1), expected[0])


@many
@given(networks_to_rewrite())
def test_a_faster_network_is_calibrated_alike(network):
    model, params, x = network
    assume(model.calibrate is not None)
    expected = model.calibrate(params, x)
    assert tree.equal(faster(model).calibrate(params, x), expected)
