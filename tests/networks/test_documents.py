"""Networks as documents, by which they are saved and pickled."""

import copy
import json
import pickle
import re

import attrs
import numpy as np
import pytest
from layer_cases import CASES
from wrong_calls import own

import fcnn
from fcnn.networks.documents import LAYERS, code_of, document, layer_of, public_name

NETWORK = fcnn.chain(
    fcnn.conv2d(4, (3, 1), padding="same", bias=False, initializer=fcnn.glorot_uniform),
    fcnn.batch_norm(epsilon=1e-3),
    fcnn.residual(fcnn.chain(fcnn.conv2d(4, 3, padding=1), fcnn.leaky_relu(0.2))),
    fcnn.parallel(fcnn.max_pool2d(2), fcnn.avg_pool2d(2), merge="add"),
    fcnn.dropout(0.25),
    fcnn.flatten,
    fcnn.dense(3),
    fcnn.softmax,
)


def gain(initial=2.0):
    return attrs.evolve(fcnn.relu, name="gain", settings={"initial": initial})


def again(layer, layers=None):
    return layer_of(json.loads(json.dumps(document(layer))), layers)


def test_every_public_layer_is_known():
    layers = [name for name in fcnn.__all__ if isinstance(getattr(fcnn, name), fcnn.Layer)]
    assert set(layers) < LAYERS.keys()
    assert {name: getattr(fcnn, name) for name in LAYERS} == LAYERS


@pytest.mark.parametrize(
    "layer", {str(case.case.layer()): case.case.layer() for case in CASES}.values(), ids=str
)
def test_every_layer_comes_back_from_its_document(layer):
    assert repr(again(layer)) == repr(layer)
    assert document(again(layer)) == document(layer)
    assert code_of(again(layer)) == code_of(layer)


@pytest.mark.parametrize("how", [again, lambda layer: pickle.loads(pickle.dumps(layer))])
def test_a_network_comes_back_and_computes_the_same(how):
    found = how(NETWORK)
    assert repr(found) == repr(NETWORK)
    (params, out_shape), (again_params, again_shape) = (
        layer.init(np.random.default_rng(0), (2, 8, 8)) for layer in (NETWORK, found)
    )
    assert out_shape == again_shape
    assert fcnn.tree.equal(params, again_params)
    x = np.random.default_rng(1).standard_normal((3, 2, 8, 8)).astype(np.float32)
    assert np.array_equal(fcnn.predict(NETWORK, params, x), fcnn.predict(found, params, x))


def test_a_layer_without_settings_is_itself_again():
    assert again(fcnn.relu) is fcnn.relu
    assert pickle.loads(pickle.dumps(fcnn.flatten)) is fcnn.flatten
    assert copy.deepcopy(NETWORK) is NETWORK
    assert copy.copy(NETWORK) is NETWORK
    mine = own()
    assert copy.copy(mine) is copy.deepcopy(mine) is mine


def test_a_name_alone_makes_no_layer_of_fcnn():
    assert public_name(fcnn.conv2d(4)) == "conv2d"
    assert public_name(attrs.evolve(fcnn.conv2d(4), name="first")) == "conv2d"
    assert public_name(attrs.evolve(fcnn.relu, name="tanh")) is None
    assert public_name(attrs.evolve(own(), name="conv2d", make=lambda: own())) is None


def test_layers_of_ones_own_come_back_where_they_are_given():
    network = fcnn.chain(fcnn.flatten, gain(3.0), own(), fcnn.dense(2, initializer=little))
    found = again(network, {"gain": gain, "own": own(), "little": little})
    assert repr(found) == repr(network)
    assert found.children[1].settings == {"initial": 3.0}
    for layers, missing in (
        ({}, "layer gain"),
        ({"gain": gain, "own": own()}, "initializer little"),
    ):
        with pytest.raises(ValueError, match=f"the {missing} is one of one's own"):
            again(network, layers)


def little(rng, shape, fan_in, fan_out):
    return rng.random(shape)


def test_a_layer_of_ones_own_is_not_pickled():
    network = fcnn.chain(fcnn.relu, fcnn.residual(gain()))
    with pytest.raises(TypeError, match=r"^gain is one of one's own, and is not pickled"):
        pickle.dumps(network)


def test_a_setting_that_json_does_not_have_is_refused_with_its_place():
    odd = attrs.evolve(own(), settings={"table": {}})
    text = (
        "the setting table of own is a dict, which a document cannot hold\n"
        "in chain layer 0 (own)\nin chain layer 1 (chain)"
    )
    with pytest.raises(ValueError, match=rf"^{re.escape(text)}$"):
        document(fcnn.chain(fcnn.relu, fcnn.chain(odd)))


def nested(depth):
    found = {"layer": "relu"}
    for _ in range(depth):
        found = {"layer": "chain", "children": [found]}
    return found


@pytest.mark.parametrize(
    ("found", "text"),
    [
        (None, "it is no layer of a document"),
        ([], "it is no layer of a document"),
        ({}, "it is no layer of a document"),
        ({"layer": "relu", "own": "relu"}, "it is no layer of a document"),
        ({"layer": ["relu"]}, "layer is a list, expected str"),
        ({"layer": "rleu"}, "unknown layer 'rleu'; did you mean 'relu'"),
        ({"layer": "relu", "code": "1"}, "unknown key 'code'"),
        ({"layer": "relu", "settings": {"slope": 1}}, "relu has no settings"),
        ({"layer": "relu", "children": [{"layer": "relu"}]}, "relu has no layers in it"),
        ({"layer": "dense", "children": [{"layer": "relu"}]}, "dense has no layers in it"),
        ({"layer": "dense", "settings": []}, "settings is a list, expected dict"),
        ({"layer": "dense"}, "dense: dense() missing 1 required positional argument"),
        ({"layer": "dense", "settings": {"features": "3"}}, "dense: features is '3'"),
        ({"layer": "dense", "settings": {"features": 3, "size": 1}}, "unexpected keyword"),
        ({"layer": "dense", "settings": {"features": 3, "initializer": ["x"]}}, "one of one's own"),
        ({"layer": "residual"}, "residual: residual() missing 1 required"),
        ({"own": "print", "settings": {"sep": ""}}, "the layer print is one of one's own"),
        ({"layer": "chain", "children": [3]}, "in chain layer 0 (an int)"),
        (nested(100_000), "the network is nested too deeply"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_what_is_no_document_is_refused(found, text):
    with pytest.raises(ValueError, match=re.escape(text)):
        layer_of(found)


def test_a_layer_whose_functions_were_replaced_is_not_pickled_as_what_made_it():
    other = attrs.evolve(fcnn.conv2d(2), forward=fcnn.relu.forward)
    for layer in (other, fcnn.chain(fcnn.relu, fcnn.residual(other))):
        with pytest.raises(TypeError, match="has not the functions of what made it"):
            pickle.dumps(layer)
