"""Laws of chains, tried on drawn networks."""

import numpy as np
from hypothesis import given
from strategies import networks

import fcnn
from fcnn import tree


@given(networks())
def test_a_chain_is_one_layer_after_the_other_and_chains_nest(network):
    layers, params = network.layers, network.params
    y, caches = network.x, []
    for layer, own in zip(layers, params, strict=True):
        y, cache = layer.forward(own, y)
        caches.append(cache)
    dy = np.ones_like(y)
    grads, dx = [], dy
    for layer, cache in zip(reversed(layers), reversed(caches), strict=True):
        own, dx = layer.backward(cache, dx)
        grads.insert(0, own)
    chained, cache = network.model.forward(params, network.x)
    assert tree.equal((chained, network.model.backward(cache, dy)), (y, (tuple(grads), dx)))
    middle = len(layers) // 2
    nested = fcnn.chain(fcnn.chain(*layers[:middle]), fcnn.chain(*layers[middle:]))
    halves = (params[:middle], params[middle:])
    nested_y, nested_cache = nested.forward(halves, network.x)
    expected = ((tuple(grads[:middle]), tuple(grads[middle:])), dx)
    assert tree.equal((nested_y, nested.backward(nested_cache, dy)), (y, expected))


@given(networks())
def test_gradients_of_chains_are_derivatives(network):
    shape = network.x.shape[1:]
    assert fcnn.check.layer(network.model, shape, batch=2).worst < 1e-6
