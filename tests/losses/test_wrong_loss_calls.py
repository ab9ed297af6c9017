"""Wrong calls of losses, and the exact error that each gets.

A row: what is wrong, the call, the exception's type, its whole text.
"""

import numpy as np
import pytest
from wrong_calls import (
    LABELS,
    V,
    X,
    each_operation,
    each_row,
    ones,
    refuses,
    refuses_what_is_no_array,
)

import fcnn

CROSS_CACHE = fcnn.cross_entropy_forward(V, LABELS)[1]
FUSED_CACHE = fcnn.softmax_cross_entropy_forward(V, LABELS)[1]
SMOOTHED_CACHE = fcnn.smoothed_cross_entropy_forward(V, LABELS)[1]


def cross(labels):
    return fcnn.cross_entropy_forward(V, labels)


def fused(labels):
    return fcnn.softmax_cross_entropy_forward(V, labels)


def smoothed(labels=LABELS, **settings):
    return fcnn.smoothed_cross_entropy_forward(V, labels, **settings)


WRONG_CALLS = [
    ("smoothing that is a text",
     lambda: fcnn.smoothed_cross_entropy(label_smoothing="a"), TypeError,
     "smoothed_cross_entropy: label_smoothing is 'a', expected a number"),
    ("too much smoothing", lambda: smoothed(label_smoothing=1.5), ValueError,
     "smoothed_cross_entropy: label_smoothing is 1.5, expected 0 to 1"),
    ("class weights that are a text",
     lambda: fcnn.smoothed_cross_entropy(class_weights="ab"), TypeError,
     "smoothed_cross_entropy: class_weights are 'ab', expected a number for each class"),
    ("class weights that are texts", lambda: smoothed(class_weights=["1", "2"]), TypeError,
     "smoothed_cross_entropy: class_weights are ['1', '2'], expected a number for each class"),
    ("class weights by class", lambda: smoothed(class_weights={0: 1, 1: 2}), TypeError,
     "smoothed_cross_entropy: class_weights are {0: 1, 1: 2}, expected a number for each class"),
    ("class weights of different lengths",
     lambda: fcnn.smoothed_cross_entropy(class_weights=[[1], [1, 2]]), TypeError,
     "smoothed_cross_entropy: class_weights are [[1], [1, 2]], expected a number for each class"),
    ("masked class weights",
     lambda: smoothed(class_weights=np.ma.array([1.0, 2.0], mask=[0, 1])), TypeError,
     "smoothed_cross_entropy: class_weights is a MaskedArray, expected a plain NumPy array"),
    ("one class weight for all", lambda: smoothed(class_weights=2.0), ValueError,
     "smoothed_cross_entropy: class_weights are 2.0, expected a finite number of at least 0 for "
     "each class, not all 0"),
    ("a class weight too few", lambda: smoothed(class_weights=[1, 2, 3]), ValueError,
     "smoothed_cross_entropy: 3 class weights, but 4 classes"),
    ("a label without a class weight",
     lambda: fcnn.smoothed_cross_entropy(class_weights=[1, 2]).weight(np.array([0, 2])), ValueError,
     "smoothed_cross_entropy: label 2 has no class weight, there are 2"),
    ("a loss of texts", lambda: fcnn.Loss("mine", "forward", "backward"), TypeError,
     "Loss: forward is a str, expected a function"),
    ("a number for the cache of a smoothed loss",
     lambda: fcnn.smoothed_cross_entropy_backward(3), TypeError,
     "smoothed_cross_entropy_backward: cache is an int, expected a SmoothedCache from "
     "smoothed_cross_entropy_forward"),
    ("the gradient by logits of a loss on probabilities",
     lambda: fcnn.softmax_cross_entropy_backward(CROSS_CACHE), TypeError,
     "softmax_cross_entropy_backward: cache is a CrossEntropyCache, expected a "
     "SoftmaxCrossEntropyCache from softmax_cross_entropy_forward"),
    ("the gradient by probabilities of the fused loss",
     lambda: fcnn.cross_entropy_backward(FUSED_CACHE), TypeError,
     "cross_entropy_backward: cache is a SoftmaxCrossEntropyCache, expected a "
     "CrossEntropyCache from cross_entropy_forward"),
    # labels
    ("a label too large", lambda: fused(np.array([0, 4])), ValueError,
     "softmax_cross_entropy: label 4 is outside 0..3"),
    ("a negative label", lambda: cross(np.array([0, -1])), ValueError,
     "cross_entropy: label -1 is outside 0..3"),
    ("a label beyond int64", lambda: cross(np.array([0, 2**64 - 1], np.uint64)), ValueError,
     "cross_entropy: label 18446744073709551615 is outside 0..3"),
    ("float labels", lambda: fused(np.array([0.0, 1.0])), TypeError,
     "softmax_cross_entropy: labels are float64, expected integer class indices"),
    ("bool labels", lambda: fused(np.array([False, True])), TypeError,
     "softmax_cross_entropy: labels are bool, expected integer class indices"),
    ("labels that are times", lambda: fused(np.array([0, 1], "m8[s]")), TypeError,
     "softmax_cross_entropy: labels are timedelta64[s], expected integer class indices"),
    ("labels that are objects", lambda: cross(np.array([0, 1], object)), TypeError,
     "cross_entropy: labels are object, expected integer class indices"),
    ("labels that are texts", lambda: cross(np.array(["0", "1"])), TypeError,
     "cross_entropy: labels are <U1, expected integer class indices"),
    ("labels as a column", lambda: fused(LABELS[:, None]), ValueError,
     "softmax_cross_entropy: labels have shape (2, 1), expected (2,) as (N,)"),
    ("one-hot labels", lambda: fused(np.eye(2, 4, dtype=int)), ValueError,
     "softmax_cross_entropy: labels have shape (2, 4), expected (2,) as (N,)"),
    ("too few labels", lambda: cross(LABELS[:1]), ValueError,
     "cross_entropy: labels have shape (1,), expected (2,) as (N,)"),
    ("labels in a list", lambda: cross([0, 1]), TypeError,
     "cross_entropy: labels is a list, expected a NumPy array"),
    ("masked labels", lambda: cross(np.ma.masked_array(LABELS, mask=[0, 1])), TypeError,
     "cross_entropy: labels is a MaskedArray, expected a plain NumPy array"),
    ("a label without axes", lambda: cross(np.array(1)), ValueError,
     "cross_entropy: labels have shape (), expected (2,) as (N,)"),
    ("integer logits",
     lambda: fcnn.softmax_cross_entropy_forward(ones(2, 4, dtype=int), LABELS), TypeError,
     "softmax_cross_entropy: logits is int64, expected float32 or float64"),
    ("logits of images", lambda: fcnn.softmax_cross_entropy_forward(X, LABELS), ValueError,
     "softmax_cross_entropy: logits has 4 axes (2, 1, 5, 5), expected 2 as (N, K)"),
    ("no examples", lambda: fcnn.softmax_cross_entropy_forward(V[:0], LABELS[:0]), ValueError,
     "softmax_cross_entropy: logits is empty, N=0\n"
     "  logits: (0, 4) as (N, K)"),
]  # fmt: skip


@each_row(WRONG_CALLS)
def test_a_wrong_call_gets_an_error_that_says_what_is_wrong(call, error, text):
    refuses(call, error, text)


# The function, the argument that gets what is no array, the call.
OPERATIONS = [
    (
        "smoothed_cross_entropy",
        "logits",
        lambda z: fcnn.smoothed_cross_entropy_forward(z, LABELS),
    ),
    ("smoothed_cross_entropy", "labels", smoothed),
    ("smoothed_cross_entropy_backward", "cache", fcnn.smoothed_cross_entropy_backward),
    ("cross_entropy", "probabilities", lambda p: fcnn.cross_entropy_forward(p, LABELS)),
    ("softmax_cross_entropy", "logits", lambda z: fcnn.softmax_cross_entropy_forward(z, LABELS)),
    ("cross_entropy", "labels", cross),
    ("softmax_cross_entropy", "labels", fused),
    ("cross_entropy_backward", "cache", fcnn.cross_entropy_backward),
    ("softmax_cross_entropy_backward", "cache", fcnn.softmax_cross_entropy_backward),
]


@each_operation(OPERATIONS)
def test_whatever_is_passed_for_an_array_is_refused_by_function_and_argument(name, argument, call):
    refuses_what_is_no_array(name, argument, call)


def test_what_looks_wrong_and_is_not():
    assert fused(LABELS.astype(">i2"))[0] == fused(LABELS)[0]
    whole = smoothed(class_weights=[10**20, 10**20, 1, 1])[0]
    assert whole == pytest.approx(fused(LABELS)[0])
