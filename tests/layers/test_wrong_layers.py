"""Layers that cannot be: their settings, shapes and functions, and the exact error of each.

A row: what is wrong, the call, the exception's type, its whole text.
"""

import numpy as np
import pytest
from wrong_calls import RNG, X, each_row, own, refuses

import fcnn
from fcnn import conv2d, dense, flatten, max_pool2d, relu, softmax

WRONG_CALLS = [
    ("the same size with a stride", lambda: conv2d(2, padding="same", stride=(1, 2)), ValueError,
     "conv2d: padding 'same' needs a stride of 1, got (1, 2)"),
    ("no groups", lambda: conv2d(2, groups=0), ValueError,
     "conv2d: groups is 0, expected at least 1"),
    ("groups that do not divide the features", lambda: conv2d(3, groups=2), ValueError,
     "conv2d: 2 groups do not divide 3 features"),
    ("groups that do not divide the channels",
     lambda: conv2d(2, groups=2).init(RNG, (3, 5, 5)), ValueError,
     "conv2d: 2 groups do not divide C=3 channels"),
    ("a bias that is no bool", lambda: conv2d(2, bias=0.5), TypeError,
     "conv2d: bias is 0.5, expected True or False"),
    ("a bias of a dense layer that is an array", lambda: dense(2, bias=np.zeros(2)), TypeError,
     "dense: bias is array([0., 0.]), expected True or False"),
    ("a mean with too much padding", lambda: fcnn.avg_pool2d(2, padding=2), ValueError,
     "avg_pool2d: padding (2, 2) exceeds half of the window (2, 2), rounded down"),
    ("a mean of vectors", lambda: fcnn.global_avg_pool.init(RNG, (5,)), ValueError,
     "global_avg_pool: expects images (C, H, W), got (5,)"),
    ("a slope above one", lambda: fcnn.leaky_relu(1.5), ValueError,
     "leaky_relu: slope is 1.5, expected 0 to 1"),
    ("a slope that is no number", lambda: fcnn.leaky_relu(float("nan")), ValueError,
     "leaky_relu: slope is nan, expected 0 to 1"),
    ("a slope that is a string", lambda: fcnn.leaky_relu("0.1"), TypeError,
     "leaky_relu: slope is '0.1', expected a number"),
    ("an epsilon that is a text", lambda: fcnn.batch_norm(epsilon="x"), TypeError,
     "batch_norm: epsilon is 'x', expected a number"),
    ("no epsilon", lambda: fcnn.batch_norm(epsilon=None), TypeError,
     "batch_norm: epsilon is None, expected a number"),
    ("an infinite epsilon", lambda: fcnn.batch_norm(epsilon=float("inf")), ValueError,
     "batch_norm: epsilon is inf, expected finite and above 0"),
    ("statistics of an int", lambda: fcnn.batch_norm().init(RNG, 5), TypeError,
     "batch_norm: in_shape is 5, expected a tuple of ints"),
    ("statistics of half a channel", lambda: fcnn.batch_norm().init(RNG, (1.5,)), TypeError,
     "batch_norm: in_shape is (1.5,), expected a tuple of ints"),
    ("a rate that is a text", lambda: fcnn.dropout("a"), TypeError,
     "dropout: rate is 'a', expected a number"),
    ("a rate that is a bool", lambda: fcnn.dropout(False), TypeError,
     "dropout: rate is False, expected a number"),
    ("dropout of sizes below one", lambda: fcnn.dropout(0.5).init(RNG, (0, -3)), ValueError,
     "dropout: in_shape is (0, -3), expected sizes of at least 1"),
    ("no features", lambda: conv2d(0), ValueError,
     "conv2d: features is 0, expected at least 1"),
    ("half a feature", lambda: dense(2.5), TypeError,
     "dense: features is 2.5, expected an int"),
    ("features that are a bool", lambda: dense(True), TypeError,
     "dense: features is True, expected an int"),
    ("features without end", lambda: dense(10**12), ValueError,
     "dense: features is 1000000000000, expected at most 2,147,483,647"),
    ("a kernel of three sizes", lambda: conv2d(2, (3, 3, 3)), TypeError,
     "conv2d: kernel is (3, 3, 3), expected an int or a pair of ints"),
    ("a kernel of size zero", lambda: conv2d(2, 0), ValueError,
     "conv2d: kernel is 0, expected at least 1"),
    ("an initializer by name", lambda: conv2d(2, initializer="he_normal"), TypeError,
     "conv2d: initializer is a str, expected a function"),
    ("an initializer that draws texts",
     lambda: dense(2, initializer=lambda *a: np.array("x")).init(RNG, (3,)), TypeError,
     "initializer: drew <U1, asked for real numbers"),
    ("an initializer that draws another shape",
     lambda: dense(2, initializer=lambda *a: np.ones(3)).init(RNG, (3,)), ValueError,
     "initializer: drew (3,), asked for (3, 2)"),
    ("an initializer that draws NaN",
     lambda: dense(2, initializer=lambda *a: np.full((3, 2), np.nan)).init(RNG, (3,)), ValueError,
     "initializer: drew values that are not finite"),
    ("a seed for a generator", lambda: dense(2).init(0, (3,)), TypeError,
     "init: rng is an int, expected a Generator"),
    ("an old generator", lambda: conv2d(2).init(np.random.RandomState(0), (1, 5, 5)), TypeError,
     "init: rng is a RandomState, expected a Generator"),
    ("a shape that is None", lambda: conv2d(2).init(RNG, None), TypeError,
     "conv2d: in_shape is None, expected a tuple of ints"),
    ("a shape that is an int", lambda: dense(2).init(RNG, 5), TypeError,
     "dense: in_shape is 5, expected a tuple of ints"),
    ("a shape of floats", lambda: max_pool2d(2).init(RNG, (1, 5.0, 5)), TypeError,
     "max_pool2d: in_shape is (1, 5.0, 5), expected a tuple of ints"),
    ("a shape that is a text", lambda: relu.init(RNG, "155"), TypeError,
     "relu: in_shape is '155', expected a tuple of ints"),
    ("an image for a shape", lambda: flatten.init(RNG, X), TypeError,
     "flatten: in_shape is an ndarray, expected a tuple of ints"),
    ("a shape with the batch", lambda: conv2d(2).init(RNG, (2, 1, 5, 5)), ValueError,
     "conv2d: expects images (C, H, W), got (2, 1, 5, 5)"),
    ("a shape without channels", lambda: max_pool2d(2).init(RNG, (5, 5)), ValueError,
     "max_pool2d: expects images (C, H, W), got (5, 5)"),
    ("a shape with a zero", lambda: conv2d(2).init(RNG, (1, 0, 5)), ValueError,
     "conv2d: expects images (C, H, W), got (1, 0, 5)"),
    ("images for a dense layer", lambda: dense(2).init(RNG, (1, 5, 5)), ValueError,
     "dense: expects vectors (D,), got (1, 5, 5); put flatten before it"),
    ("softmax of scalars", lambda: softmax.init(RNG, ()), ValueError,
     "softmax: in_shape is (), expected at least one axis"),
    ("flattening scalars", lambda: flatten.init(RNG, ()), ValueError,
     "flatten: in_shape is (), expected at least one axis"),
    ("a negative size", lambda: relu.init(RNG, (-1, 5)), ValueError,
     "relu: in_shape is (-1, 5), expected sizes of at least 1"),
    ("a layer without functions", lambda: fcnn.Layer("own", None, None, None), TypeError,
     "Layer: init is None, expected a function"),
    ("a layer without a name", lambda: fcnn.Layer(3, print, print, print), TypeError,
     "Layer: name is an int, expected a str"),
    ("a layer that is calibrated by a number", lambda: own(calibrate=5), TypeError,
     "Layer: calibrate is an int, expected a function"),
    ("a layer made again by its name", lambda: own(make="own"), TypeError,
     "Layer: make is a str, expected a function"),
]  # fmt: skip


@each_row(WRONG_CALLS)
def test_a_wrong_call_gets_an_error_that_says_what_is_wrong(call, error, text):
    refuses(call, error, text)


def test_what_looks_wrong_and_is_not():
    assert relu.init(None, ())[1] == ()
    assert dense(2).init(RNG, [np.int64(3)])[1] == (2,)


@pytest.mark.parametrize("in_shape", [(0, 5, 5), (1, 0, 5), (1, 5, 0), (5, 5), (1, 1, 5, 5)])
@pytest.mark.parametrize("layer", [fcnn.conv2d(2, 1, padding=1), fcnn.max_pool2d(2, padding=1)])
def test_empty_images_are_refused_by_init(layer, in_shape):
    with pytest.raises(ValueError, match=rf"{layer.name}: expects images \(C, H, W\), got"):
        layer.init(np.random.default_rng(0), in_shape)


def test_empty_vectors_are_refused_by_init():
    with pytest.raises(ValueError, match=r"dense: expects vectors \(D,\), got \(0,\)"):
        fcnn.dense(2).init(np.random.default_rng(0), (0,))
