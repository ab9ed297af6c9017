"""What all functions refuse that write a model, in the same words; then they write nothing."""

import attrs
import numpy as np
import pytest
from wrong_calls import MODEL, PARAMS, ones, own, refuses

import fcnn
from fcnn import tree
from fcnn.exchange import save_onnx, save_page, save_safetensors, save_script

SAVING = [fcnn.save_model, save_onnx, save_page, save_safetensors, save_script]
IN_SHAPE = (1, 5, 5)
GAIN = attrs.evolve(own(), name="gain")


def saves(function, path="model.file", model=MODEL, params=PARAMS, in_shape=IN_SHAPE, **options):
    return lambda: function(path, model, params, in_shape, **options)


def of_dense(w, b):
    return ((), fcnn.DenseParams(w, b))


def each_of(functions):
    return pytest.mark.parametrize("save", functions, ids=lambda function: function.__name__)


# What is wrong, what is given, the exception, its text after the name of the function.
WRONG = [
    ("a path that is none", {"path": 3}, TypeError, "path is an int, expected a path"),
    ("an empty path", {"path": ""}, ValueError, "path is empty, expected a path"),
    ("a model that is none", {"model": 3}, TypeError, "model is an int, expected a Layer"),
    ("a number as shape", {"in_shape": 5}, TypeError, "in_shape is 5, expected a tuple of ints"),
    ("a negative size", {"in_shape": (1, -5, 5)}, ValueError,
     "in_shape is (1, -5, 5), expected sizes of at least 1"),
    ("no axis", {"in_shape": ()}, ValueError, "in_shape is (), expected at least one axis"),
    ("parameters for another shape", {"in_shape": (1, 6, 5)}, ValueError,
     "params are not those of the model: [1].w: float32[25,4] against float32[30,4]"),
    ("parameters of another shape", {"params": of_dense(ones(25, 2), ones(2))}, ValueError,
     "params are not those of the model: [1].w: float32[25,2] against float32[25,4]"),
    ("parameters that are a number", {"params": 3}, ValueError,
     "params are not those of the model: the root: a leaf against a tuple of 2"),
    ("those of one layer", {"params": PARAMS[1]}, ValueError,
     "params are not those of the model: the root: DenseParams against a tuple of 2"),
    ("no parameters", {"params": ()}, ValueError,
     "params are not those of the model: [0]: nothing against a tuple of 0"),
    ("a number among them", {"params": of_dense(ones(25, 4), 0.0)}, TypeError,
     "the parameter at [1].b is a float, expected a NumPy array"),
    ("integers among them", {"params": of_dense(ones(25, 4, dtype=np.int64), ones(4))}, ValueError,
     "params are not those of the model: [1].w: int64[25,4] against float32[25,4]"),
    ("too many labels", {"labels": [*"abcde"]}, ValueError,
     "there are 5 labels, but the model gives outputs (4,)"),
    ("no labels", {"labels": []}, ValueError,
     "there are 0 labels, but the model gives outputs (4,)"),
    ("labels of images", {"model": fcnn.relu, "params": (), "labels": ["a"]}, ValueError,
     "there are 1 labels, but the model gives outputs (1, 5, 5)"),
    ("labels that are no texts", {"labels": [1, 2]}, TypeError,
     "labels, the names of classes, must be texts"),
    ("a text as labels", {"labels": "abcd"}, TypeError,
     "labels, the names of classes, must be texts"),
    ("labels twice", {"labels": ["a", "a"]}, ValueError, "labels: two classes are called 'a'"),
    ("labels with a new line", {"labels": ["a\nb"]}, ValueError,
     "labels: 'a\\nb' is no printable name of a class"),
    ("an unknown preparation", {"preparation": "cifar"}, ValueError,
     "preparation is 'cifar', expected mnist or None"),
    ("outputs that are no numbers", {"params": tree.map(lambda a: a * np.float32(np.nan), PARAMS)},
     ValueError, "nothing is written: the network itself gives outputs that are not finite"),
]  # fmt: skip


@each_of(SAVING)
@pytest.mark.parametrize(
    ("given", "error", "text"), [row[1:] for row in WRONG], ids=[row[0] for row in WRONG]
)
def test_wrong_calls_write_nothing(elsewhere, save, given, error, text):
    refuses(saves(save, **given), error, f"{save.__name__}: {text}")
    assert not [*elsewhere.iterdir()]


@each_of(SAVING)
def test_a_folder_that_is_not_there(elsewhere, save):
    text = "[Errno 2] cannot write no/such.file: No such file or directory"
    refuses(saves(save, path="no/such.file"), FileNotFoundError, text)
    assert not [*elsewhere.iterdir()]


LACKING = {
    save_onnx: "ONNX has no operator for",
    save_page: "the page cannot compute",
    save_script: "a script has no function for",
}


@each_of(LACKING)
@pytest.mark.parametrize(
    ("model", "params", "name", "place"),
    [
        (GAIN, (), "gain", ""),
        (fcnn.chain(fcnn.relu, fcnn.residual(fcnn.chain(fcnn.relu, GAIN))), ((), ((), ())), "gain",
         "\nin chain layer 1 (gain)\nin residual layer 0 (chain)\nin chain layer 1 (residual)"),
        (attrs.evolve(fcnn.leaky_relu(0.5), make=None), (), "leaky_relu", ""),
    ],
    ids=["by itself", "in the depth of a network", "called like another"],
)  # fmt: skip
def test_layers_of_ones_own_are_named_with_their_place(elsewhere, save, model, params, name, place):
    lacking = f"{name} is a layer of one's own, which {LACKING[save]}{place}"
    refuses(saves(save, model=model, params=params), ValueError, f"{save.__name__}: {lacking}")
    assert not [*elsewhere.iterdir()]
