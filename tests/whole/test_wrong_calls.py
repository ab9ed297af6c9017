"""Wrong calls of operations and layers, and the exact error that each gets.

A row: what is wrong, the call, the exception's type, its whole text.
"""

import attrs
import numpy as np
import pytest

import fcnn
from fcnn import chain, conv2d, dense, flatten, max_pool2d, models, relu, softmax, tree


def ones(*shape, dtype=np.float32):
    return np.ones(shape, dtype)


CONV = fcnn.Conv2dParams(w=ones(2, 1, 3, 3), b=ones(2))
DENSE = fcnn.DenseParams(w=ones(4, 3), b=ones(3))
X, V = ones(2, 1, 5, 5), ones(2, 4)
LABELS = np.array([0, 1])
RNG = np.random.default_rng(0)
MODEL = chain(flatten, dense(4))
PARAMS, _ = MODEL.init(RNG, (1, 5, 5))
OTHER, _ = models.lines_cnn().init(RNG, (1, 14, 14))
GRADIENT = fcnn.value_and_grad(MODEL, fcnn.softmax_cross_entropy)

CONV_CACHE = fcnn.conv2d_forward(CONV, X)[1]
DENSE_CACHE = fcnn.dense_forward(DENSE, V)[1]
RELU_CACHE = fcnn.relu_forward(V)[1]
POOL_CACHE = fcnn.max_pool2d_forward(X)[1]
MEAN_CACHE = fcnn.avg_pool2d_forward(X)[1]
WHOLE_CACHE = fcnn.global_avg_pool_forward(X)[1]
LEAKY_CACHE = fcnn.leaky_relu_forward(V)[1]
GELU_CACHE = fcnn.gelu_forward(V)[1]
NORM = fcnn.BatchNormParams(scale=ones(1), shift=ones(1), mean=ones(1), var=ones(1))
NORM_CACHE = fcnn.batch_norm_forward(NORM, X)[1]
DROPOUT_CACHE = fcnn.dropout_forward(V, RNG, rate=0.5)[1]
SMOOTHED_CACHE = fcnn.smoothed_cross_entropy_forward(V, LABELS)[1]
FLATTEN_CACHE = fcnn.flatten_forward(X)[1]
SOFTMAX_CACHE = fcnn.softmax_forward(V)[1]
CROSS_CACHE = fcnn.cross_entropy_forward(V, LABELS)[1]
FUSED_CACHE = fcnn.softmax_cross_entropy_forward(V, LABELS)[1]
CHAIN_CACHE = MODEL.forward(PARAMS, X)[1]


def conv(w=CONV.w, b=CONV.b, x=X, **settings):
    return fcnn.conv2d_forward(fcnn.Conv2dParams(w, b), x, **settings)


def product(w=DENSE.w, b=DENSE.b):
    return fcnn.dense_forward(fcnn.DenseParams(w, b), V)


def pool(**settings):
    return fcnn.max_pool2d_forward(X, **settings)


def cross(labels):
    return fcnn.cross_entropy_forward(V, labels)


def fused(labels):
    return fcnn.softmax_cross_entropy_forward(V, labels)


def norm(**settings):
    return fcnn.batch_norm_forward(NORM, X, **settings)


def smoothed(labels=LABELS, **settings):
    return fcnn.smoothed_cross_entropy_forward(V, labels, **settings)


def calibrate_of(result):
    layer = own(calibrate=lambda params, x: result)
    return fcnn.calibrate(chain(layer), ((),), V)


def own(**changed):
    functions = {
        "init": lambda rng, shape: ((), shape),
        "forward": lambda params, x, rng=None: (x, ()),
        "backward": lambda cache, dy: ((), dy),
    }
    return fcnn.Layer("own", **(functions | changed))


WRONG_CALLS = [
    # arrays
    ("a list for images", lambda: fcnn.conv2d_forward(CONV, X.tolist()), TypeError,
     "conv2d: x is a list, expected a NumPy array"),
    ("None for images", lambda: fcnn.max_pool2d_forward(None), TypeError,
     "max_pool2d: x is None, expected a NumPy array"),
    ("integer images",
     lambda: fcnn.conv2d_forward(CONV, ones(2, 1, 5, 5, dtype=np.uint8)), TypeError,
     "conv2d: x is uint8, expected float32 or float64"),
    ("bool images", lambda: fcnn.relu_forward(ones(2, 3, dtype=np.bool_)), TypeError,
     "relu: x is bool, expected float32 or float64"),
    ("half precision", lambda: fcnn.dense_forward(DENSE, ones(2, 4, dtype=np.float16)), TypeError,
     "dense: x is float16, expected float32 or float64"),
    ("complex numbers", lambda: fcnn.softmax_forward(ones(2, 4, dtype=np.complex64)), TypeError,
     "softmax: x is complex64, expected float32 or float64"),
    ("objects", lambda: fcnn.relu_forward(ones(2, 4, dtype=object)), TypeError,
     "relu: x is object, expected float32 or float64"),
    ("floats of the other byte order",
     lambda: fcnn.flatten_forward(ones(2, 4, dtype=">f4")), TypeError,
     "flatten: x is >f4, expected float32 or float64"),
    ("a structured dtype",
     lambda: fcnn.relu_forward(np.zeros((2, 4), [("a", np.float32)])), TypeError,
     "relu: x is [('a', '<f4')], expected float32 or float64"),
    ("dates", lambda: fcnn.relu_forward(np.zeros((2, 4), "M8[s]")), TypeError,
     "relu: x is datetime64[s], expected float32 or float64"),
    ("texts", lambda: fcnn.softmax_forward(np.array([["a", "b"]])), TypeError,
     "softmax: x is <U1, expected float32 or float64"),
    ("a masked array",
     lambda: fcnn.dense_forward(DENSE, np.ma.masked_array(V, mask=V > 0)), TypeError,
     "dense: x is a MaskedArray, expected a plain NumPy array"),
    ("a matrix", lambda: fcnn.softmax_forward(V.view(np.matrix)), TypeError,
     "softmax: x is a matrix, expected a plain NumPy array"),
    ("a subclass of arrays", lambda: fcnn.relu_forward(V.view(np.recarray)), TypeError,
     "relu: x is a recarray, expected a plain NumPy array"),
    ("a NumPy scalar", lambda: fcnn.relu_forward(np.float32(1)), TypeError,
     "relu: x is a float32, expected a NumPy array"),
    ("an array without axes", lambda: fcnn.relu_forward(np.array(1.0)), ValueError,
     "relu: x has shape (), expected (N, ...), not empty"),
    ("mixed dtypes",
     lambda: fcnn.conv2d_forward(CONV, ones(2, 1, 5, 5, dtype=np.float64)), TypeError,
     "conv2d: x is float64, but w is float32; all must be float32 or all float64"),
    ("a bias of another dtype", lambda: product(b=np.ones(3)), TypeError,
     "dense: x is float32, but b is float64; all must be float32 or all float64"),
    ("a masked kernel", lambda: conv(w=np.ma.masked_array(CONV.w)), TypeError,
     "conv2d: w is a MaskedArray, expected a plain NumPy array"),
    ("a kernel that is a list", lambda: conv(w=[[1.0]]), TypeError,
     "conv2d: w is a list, expected a NumPy array"),
    # ranks, channels, sizes
    ("images without batch", lambda: fcnn.conv2d_forward(CONV, X[0]), ValueError,
     "conv2d: x has 3 axes (1, 5, 5), expected 4 as (N, C, H, W)"),
    ("images without channels", lambda: fcnn.max_pool2d_forward(ones(2, 5, 5)), ValueError,
     "max_pool2d: x has 3 axes (2, 5, 5), expected 4 as (N, C, H, W)"),
    ("images of five axes", lambda: fcnn.max_pool2d_forward(X[None]), ValueError,
     "max_pool2d: x has 5 axes (1, 2, 1, 5, 5), expected 4 as (N, C, H, W)"),
    ("one vector", lambda: fcnn.dense_forward(DENSE, ones(4)), ValueError,
     "dense: x has 1 axis (4,), expected 2 as (N, D)"),
    ("images for dense", lambda: fcnn.dense_forward(DENSE, X), ValueError,
     "dense: x has 4 axes (2, 1, 5, 5), expected 2 as (N, D)"),
    ("vectors of one axis for flatten", lambda: fcnn.flatten_forward(ones(4)), ValueError,
     "flatten: x has shape (4,), expected (N, ...), not empty"),
    ("other channels", lambda: fcnn.conv2d_forward(CONV, ones(2, 3, 5, 5)), ValueError,
     "conv2d: x has C=3 channels, but w expects C=1\n"
     "  x: (2, 3, 5, 5) as (N, C, H, W)\n"
     "  w: (2, 1, 3, 3) as (F, C, KH, KW)"),
    ("channels last", lambda: fcnn.conv2d_forward(CONV, ones(2, 5, 5, 1)), ValueError,
     "conv2d: x has C=5 channels, but w expects C=1\n"
     "  x: (2, 5, 5, 1) as (N, C, H, W)\n"
     "  w: (2, 1, 3, 3) as (F, C, KH, KW)"),
    ("other features", lambda: fcnn.dense_forward(DENSE, ones(2, 5)), ValueError,
     "dense: x has D=5 values, but w expects D=4\n"
     "  x: (2, 5) as (N, D)\n"
     "  w: (4, 3) as (D, K)"),
    ("an empty batch", lambda: fcnn.conv2d_forward(CONV, X[:0]), ValueError,
     "conv2d: x is empty, N=0\n"
     "  x: (0, 1, 5, 5) as (N, C, H, W)"),
    ("an empty image", lambda: fcnn.max_pool2d_forward(X[:, :, :0]), ValueError,
     "max_pool2d: x is empty, H=0\n"
     "  x: (2, 1, 0, 5) as (N, C, H, W)"),
    ("no channels", lambda: fcnn.conv2d_forward(CONV, X[:, :0]), ValueError,
     "conv2d: x is empty, C=0\n"
     "  x: (2, 0, 5, 5) as (N, C, H, W)"),
    ("empty vectors", lambda: fcnn.dense_forward(DENSE, V[:, :0]), ValueError,
     "dense: x is empty, D=0\n"
     "  x: (2, 0) as (N, D)"),
    ("an empty batch for relu", lambda: fcnn.relu_forward(V[:0]), ValueError,
     "relu: x has shape (0, 4), expected (N, ...), not empty"),
    ("an empty batch for softmax", lambda: fcnn.softmax_forward(V[:0]), ValueError,
     "softmax: x has shape (0, 4), expected (..., K), not empty"),
    ("an empty batch for flatten", lambda: fcnn.flatten_forward(X[:0]), ValueError,
     "flatten: x has shape (0, 1, 5, 5), expected (N, ...), not empty"),
    ("softmax of no classes", lambda: fcnn.softmax_forward(V[:, :0]), ValueError,
     "softmax: x has shape (2, 0), expected (..., K), not empty"),
    ("a kernel of rank 2", lambda: conv(w=ones(3, 3)), ValueError,
     "conv2d: w has 2 axes (3, 3), expected 4 as (F, C, KH, KW)"),
    ("an empty kernel", lambda: conv(w=ones(2, 1, 0, 3)), ValueError,
     "conv2d: w is empty, KH=0\n"
     "  w: (2, 1, 0, 3) as (F, C, KH, KW)"),
    ("weights of rank 3", lambda: product(w=ones(4, 3, 1)), ValueError,
     "dense: w has 3 axes (4, 3, 1), expected 2 as (D, K)"),
    ("a bias of one value", lambda: conv(b=ones(1)), ValueError,
     "conv2d: w has F=2 features, but b does not\n"
     "  w: (2, 1, 3, 3) as (F, C, KH, KW)\n"
     "  b: (1,)         as (F)"),
    ("a bias as a column", lambda: conv(b=ones(2, 1)), ValueError,
     "conv2d: w has F=2 features, but b does not\n"
     "  w: (2, 1, 3, 3) as (F, C, KH, KW)\n"
     "  b: (2, 1)       as (F)"),
    ("a dense bias of one value", lambda: product(b=ones(1)), ValueError,
     "dense: w has K=3 features, but b does not\n"
     "  w: (4, 3) as (D, K)\n"
     "  b: (1,)   as (K)"),
    ("a dense bias as a row", lambda: product(b=ones(1, 3)), ValueError,
     "dense: w has K=3 features, but b does not\n"
     "  w: (4, 3) as (D, K)\n"
     "  b: (1, 3) as (K)"),
    ("a bias without axes", lambda: product(b=np.array(1, np.float32)), ValueError,
     "dense: w has K=3 features, but b does not\n"
     "  w: (4, 3) as (D, K)\n"
     "  b: ()     as (K)"),
    ("a kernel larger than the image",
     lambda: fcnn.conv2d_forward(CONV, ones(2, 1, 2, 2)), ValueError,
     "conv2d: the kernel 3x3 exceeds the image 2x2 with padding 0x0"),
    ("a kernel larger than the padded image",
     lambda: fcnn.conv2d_forward(CONV, ones(2, 1, 5, 1), padding=(1, 0)), ValueError,
     "conv2d: the kernel 3x3 exceeds the image 5x1 with padding 1x0"),
    ("a window larger than the image", lambda: pool(window=6), ValueError,
     "max_pool2d: the window 6x6 exceeds the image 5x5 with padding 0x0"),
    # strides, paddings, windows
    ("stride zero", lambda: conv(stride=0), ValueError,
     "conv2d: stride is 0, expected at least 1"),
    ("a negative stride", lambda: conv(stride=(1, -1)), ValueError,
     "conv2d: stride is (1, -1), expected at least 1"),
    ("a stride that is a bool", lambda: conv(stride=True), TypeError,
     "conv2d: stride is True, expected an int or a pair of ints"),
    ("a stride that is a float", lambda: pool(stride=2.0), TypeError,
     "max_pool2d: stride is 2.0, expected an int or a pair of ints"),
    ("a stride that is a text", lambda: pool(stride="2"), TypeError,
     "max_pool2d: stride is '2', expected an int or a pair of ints"),
    ("a stride that is bytes", lambda: conv(stride=b"11"), TypeError,
     "conv2d: stride is b'11', expected an int or a pair of ints"),
    ("a stride of three", lambda: conv(stride=(1, 1, 1)), TypeError,
     "conv2d: stride is (1, 1, 1), expected an int or a pair of ints"),
    ("a stride of one in a tuple", lambda: conv(stride=(1,)), TypeError,
     "conv2d: stride is (1,), expected an int or a pair of ints"),
    ("a stride of an int and a float", lambda: conv(stride=(1, 1.5)), TypeError,
     "conv2d: stride is (1, 1.5), expected an int or a pair of ints"),
    ("a stride that is an array", lambda: conv(stride=np.array([1, 1])), TypeError,
     "conv2d: stride is array([1, 1]), expected an int or a pair of ints"),
    ("a stride beyond all images", lambda: conv(stride=10**20), ValueError,
     "conv2d: stride is 100000000000000000000, expected at most 2,147,483,647"),
    ("no stride for a convolution", lambda: conv(stride=None), TypeError,
     "conv2d: stride is None, expected an int or a pair of ints"),
    ("a negative padding", lambda: conv(padding=-1), ValueError,
     "conv2d: padding is -1, expected at least 0"),
    ("a padding that is a text", lambda: conv(padding="1"), TypeError,
     "conv2d: padding is '1', expected an int, a pair of ints or 'same'"),
    ("too much padding of a pool", lambda: pool(window=3, padding=2), ValueError,
     "max_pool2d: padding (2, 2) exceeds half of the window (3, 3), rounded down"),
    ("window zero", lambda: pool(window=0), ValueError,
     "max_pool2d: window is 0, expected at least 1"),
    ("a window of NaN", lambda: pool(window=float("nan")), TypeError,
     "max_pool2d: window is nan, expected an int or a pair of ints"),
    # dilation, groups, "same", and averages
    ("padding that is no word", lambda: conv(padding="valid"), TypeError,
     "conv2d: padding is 'valid', expected an int, a pair of ints or 'same'"),
    ("the same size with a stride", lambda: conv2d(2, padding="same", stride=(1, 2)), ValueError,
     "conv2d: padding 'same' needs a stride of 1, got (1, 2)"),
    ("the same size with a stride, of the function", lambda: conv(padding="same", stride=2),
     ValueError, "conv2d: padding 'same' needs a stride of 1, got (2, 2)"),
    ("a dilation of zero", lambda: conv(dilation=0), ValueError,
     "conv2d: dilation is 0, expected at least 1"),
    ("a dilation beyond the image", lambda: conv(dilation=(1, 3)), ValueError,
     "conv2d: the dilated kernel 3x7 exceeds the image 5x5 with padding 0x0"),
    ("no groups", lambda: conv2d(2, groups=0), ValueError,
     "conv2d: groups is 0, expected at least 1"),
    ("half a group", lambda: conv(groups=0.5), TypeError, "conv2d: groups is 0.5, expected an int"),
    ("groups that do not divide the features", lambda: conv2d(3, groups=2), ValueError,
     "conv2d: 2 groups do not divide 3 features"),
    ("groups that do not divide the channels",
     lambda: conv2d(2, groups=2).init(RNG, (3, 5, 5)), ValueError,
     "conv2d: 2 groups do not divide C=3 channels"),
    ("groups of other channels", lambda: conv(groups=2, x=ones(2, 3, 5, 5)), ValueError,
     "conv2d: x has C=3 channels, but w expects C=2, 1 in each of 2 groups\n"
     "  x: (2, 3, 5, 5) as (N, C, H, W)\n"
     "  w: (2, 1, 3, 3) as (F, C/G, KH, KW)"),
    ("groups that do not divide the kernel",
     lambda: conv(w=ones(3, 1, 3, 3), b=None, groups=2, x=ones(2, 2, 5, 5)), ValueError,
     "conv2d: 2 groups do not divide F=3 features"),
    ("a bias that is no bool", lambda: conv2d(2, bias=0.5), TypeError,
     "conv2d: bias is 0.5, expected True or False"),
    ("a bias of a dense layer that is an array", lambda: dense(2, bias=np.zeros(2)), TypeError,
     "dense: bias is array([0., 0.]), expected True or False"),
    ("a mean with too much padding", lambda: fcnn.avg_pool2d(2, padding=2), ValueError,
     "avg_pool2d: padding (2, 2) exceeds half of the window (2, 2), rounded down"),
    ("a mean over more than the image", lambda: fcnn.avg_pool2d_forward(X, window=6), ValueError,
     "avg_pool2d: the window 6x6 exceeds the image 5x5 with padding 0x0"),
    ("a mean of vectors", lambda: fcnn.global_avg_pool.init(RNG, (5,)), ValueError,
     "global_avg_pool: expects images (C, H, W), got (5,)"),
    ("a slope above one", lambda: fcnn.leaky_relu(1.5), ValueError,
     "leaky_relu: slope is 1.5, expected at least 0 and at most 1"),
    ("a slope below zero", lambda: fcnn.leaky_relu_forward(V, slope=-0.1), ValueError,
     "leaky_relu: slope is -0.1, expected at least 0 and at most 1"),
    ("a slope that is no number", lambda: fcnn.leaky_relu(float("nan")), ValueError,
     "leaky_relu: slope is nan, expected at least 0 and at most 1"),
    ("a slope that is a string", lambda: fcnn.leaky_relu("0.1"), TypeError,
     "leaky_relu: slope is '0.1', expected a number"),
    # batch normalisation, dropout, smoothed losses
    ("an epsilon that is a text", lambda: fcnn.batch_norm(epsilon="x"), TypeError,
     "batch_norm: epsilon is 'x', expected a number"),
    ("no epsilon", lambda: fcnn.batch_norm(epsilon=None), TypeError,
     "batch_norm: epsilon is None, expected a number"),
    ("an epsilon that is a bool", lambda: norm(epsilon=True), TypeError,
     "batch_norm: epsilon is True, expected a number"),
    ("an infinite epsilon", lambda: fcnn.batch_norm(epsilon=float("inf")), ValueError,
     "batch_norm: epsilon is inf, expected finite and above 0"),
    ("an infinite epsilon of the function", lambda: norm(epsilon=float("inf")), ValueError,
     "batch_norm: epsilon is inf, expected finite and above 0"),
    ("a negative epsilon", lambda: norm(epsilon=-1), ValueError,
     "batch_norm: epsilon is -1.0, expected finite and above 0"),
    ("an epsilon that is 0 in float32", lambda: norm(training=True, epsilon=1e-50), ValueError,
     "batch_norm: epsilon is 1e-50, which is 0.0 in float32"),
    ("an epsilon that is infinite in float32", lambda: norm(epsilon=1e50), ValueError,
     "batch_norm: epsilon is 1e+50, which is inf in float32"),
    ("an epsilon of a layer that is 0 in float32",
     lambda: fcnn.predict(fcnn.batch_norm(epsilon=1e-50), NORM, X), ValueError,
     "batch_norm: epsilon is 1e-50, which is 0.0 in float32"),
    ("training that is a text", lambda: norm(training="no"), TypeError,
     "batch_norm: training is 'no', expected True or False"),
    ("statistics of an int", lambda: fcnn.batch_norm().init(RNG, 5), TypeError,
     "batch_norm: in_shape is 5, expected a tuple of ints"),
    ("statistics of half a channel", lambda: fcnn.batch_norm().init(RNG, (1.5,)), TypeError,
     "batch_norm: in_shape is (1.5,), expected a tuple of ints"),
    ("a rate that is a text", lambda: fcnn.dropout("a"), TypeError,
     "dropout: rate is 'a', expected a number"),
    ("a rate that is a bool", lambda: fcnn.dropout(False), TypeError,
     "dropout: rate is False, expected a number"),
    ("a rate above one", lambda: fcnn.dropout_forward(V, RNG, rate=1.5), ValueError,
     "dropout: rate is 1.5, expected at least 0 and below 1"),
    ("a rate above one in inference", lambda: fcnn.dropout_forward(V, rate=1.5), ValueError,
     "dropout: rate is 1.5, expected at least 0 and below 1"),
    ("a seed for a generator of dropout", lambda: fcnn.dropout_forward(V, 7, rate=0.5), TypeError,
     "dropout: rng is an int, expected a Generator"),
    ("dropout of sizes below one", lambda: fcnn.dropout(0.5).init(RNG, (0, -3)), ValueError,
     "dropout: in_shape is (0, -3), expected sizes of at least 1"),
    ("an empty batch for dropout", lambda: fcnn.dropout_forward(V[:0], rate=0.5), ValueError,
     "dropout: x has shape (0, 4), expected (N, ...), not empty"),
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
    ("one class weight for all", lambda: smoothed(class_weights=2.0), ValueError,
     "smoothed_cross_entropy: class_weights are 2.0, expected a finite number of at least 0 for "
     "each class, not all 0"),
    ("a class weight too few", lambda: smoothed(class_weights=[1, 2, 3]), ValueError,
     "smoothed_cross_entropy: 3 class weights, but 4 classes"),
    ("a label without a class weight",
     lambda: fcnn.smoothed_cross_entropy(class_weights=[1, 2]).weight(np.array([0, 2])), ValueError,
     "smoothed_cross_entropy: label 2 has no class weight, there are 2"),
    ("momentum of Nesterov by a text", lambda: fcnn.sgd(0.1, 0.9, nesterov="no"), TypeError,
     "sgd: nesterov is 'no', expected True or False"),
    # layers and their shapes
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
    ("classes that are a text", lambda: models.linear("10"), TypeError,
     "dense: features is '10', expected an int"),
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
    ("a network too deep for its images",
     lambda: models.mnist_cnn().init(RNG, (1, 3, 3)), ValueError,
     "max_pool2d: the window 2x2 exceeds the image 1x1 with padding 0x0\n"
     "in chain layer 5 (max_pool2d)"),
    ("a chain of a function", lambda: chain(flatten, conv2d), TypeError,
     "chain: layer 1 is a function, expected a Layer"),
    ("a list for a chain", lambda: chain([flatten, dense(2)]), TypeError,
     "chain: layer 0 is a list, expected a Layer"),
    ("a layer without functions", lambda: fcnn.Layer("own", None, None, None), TypeError,
     "Layer: init is None, expected a function"),
    ("a layer without a name", lambda: fcnn.Layer(3, print, print, print), TypeError,
     "Layer: name is an int, expected a str"),
    ("a layer that is calibrated by a number", lambda: own(calibrate=5), TypeError,
     "Layer: calibrate is an int, expected a function"),
    ("a layer made again by its name", lambda: own(combinator="own"), TypeError,
     "Layer: combinator is a str, expected a function"),
    ("a calibration without parameters", lambda: calibrate_of(V), TypeError,
     "own: calibrate must return the tuple (params, output), not an ndarray\n"
     "in chain layer 0 (own)"),
    ("a calibration without an output", lambda: calibrate_of(((), None)), TypeError,
     "own: the output is None, expected a NumPy array\n"
     "in chain layer 0 (own)"),
    ("a loss of texts", lambda: fcnn.Loss("mine", "forward", "backward"), TypeError,
     "Loss: forward is a str, expected a function"),
    ("an optimizer without a step", lambda: fcnn.Optimizer(print, None), TypeError,
     "Optimizer: step is None, expected a function"),
    # parameters
    ("parameters of a dense layer for a convolution",
     lambda: fcnn.conv2d_forward(DENSE, X), TypeError,
     "conv2d: params is a DenseParams, expected a Conv2dParams"),
    ("a pair for parameters", lambda: fcnn.dense_forward((DENSE.w, DENSE.b), V), TypeError,
     "dense: params is a tuple, expected a DenseParams"),
    ("a dict for parameters",
     lambda: fcnn.dense_forward({"w": DENSE.w, "b": DENSE.b}, V), TypeError,
     "dense: params is a dict, expected a DenseParams"),
    ("a list of parameters", lambda: MODEL.forward(list(PARAMS), X), ValueError,
     "chain: 2 layers need a tuple of as many parameters, got a list"),
    ("too few parameters", lambda: MODEL.forward(PARAMS[:1], X), ValueError,
     "chain: 2 layers need a tuple of as many parameters, got 1"),
    ("no parameters", lambda: fcnn.predict(MODEL, None, X), ValueError,
     "chain: 2 layers need a tuple of as many parameters, got None"),
    ("what init returns for parameters", lambda: fcnn.predict(MODEL, (PARAMS, (4,)), X), TypeError,
     "dense: params is a tuple, expected a DenseParams\n"
     "in chain layer 1 (dense)"),
    ("parameters in another order", lambda: fcnn.predict(MODEL, PARAMS[::-1], X), TypeError,
     "dense: params is a tuple, expected a DenseParams\n"
     "in chain layer 1 (dense)"),
    ("parameters of another model", lambda: GRADIENT(OTHER, X, LABELS), ValueError,
     "chain: 2 layers need a tuple of as many parameters, got 10"),
    ("parameters for other images",
     lambda: fcnn.predict(MODEL, PARAMS, ones(2, 1, 6, 6)), ValueError,
     "dense: x has D=36 values, but w expects D=25\n"
     "  x: (2, 36) as (N, D)\n"
     "  w: (25, 4) as (D, K)\n"
     "in chain layer 1 (dense)"),
    ("parameters of another dtype",
     lambda: fcnn.predict(MODEL, tree.map(np.float64, PARAMS), X), TypeError,
     "dense: x is float32, but w is float64; all must be float32 or all float64\n"
     "in chain layer 1 (dense)"),
    ("parameters that are floats",
     lambda: fcnn.value_and_grad(own(), fcnn.cross_entropy)((1.0,), V, LABELS), TypeError,
     "value_and_grad: the parameter at [0] is a float, expected a NumPy array"),
    # gradients and caches
    ("dy of another shape", lambda: fcnn.conv2d_backward(CONV_CACHE, ones(2, 2, 5, 5)), ValueError,
     "conv2d_backward: dy has shape (2, 2, 5, 5), the output had (2, 2, 3, 3)"),
    ("dy of one example", lambda: fcnn.dense_backward(DENSE_CACHE, ones(1, 3)), ValueError,
     "dense_backward: dy has shape (1, 3), the output had (2, 3)"),
    ("dy without batch", lambda: fcnn.relu_backward(RELU_CACHE, ones(4)), ValueError,
     "relu_backward: dy has shape (4,), the output had (2, 4)"),
    ("dy as a column", lambda: fcnn.softmax_backward(SOFTMAX_CACHE, ones(2, 1)), ValueError,
     "softmax_backward: dy has shape (2, 1), the output had (2, 4)"),
    ("dy without axes",
     lambda: fcnn.max_pool2d_backward(POOL_CACHE, np.array(1, np.float32)), ValueError,
     "max_pool2d_backward: dy has shape (), the output had (2, 1, 2, 2)"),
    ("dy of images for flatten", lambda: fcnn.flatten_backward(FLATTEN_CACHE, X), ValueError,
     "flatten_backward: dy has shape (2, 1, 5, 5), the output had (2, 25)"),
    ("dy of another dtype", lambda: fcnn.dense_backward(DENSE_CACHE, np.ones((2, 3))), TypeError,
     "dense_backward: dy is float64, but the output was float32"),
    ("dy of integers",
     lambda: fcnn.relu_backward(RELU_CACHE, ones(2, 4, dtype=np.int64)), TypeError,
     "relu_backward: dy is int64, expected float32 or float64"),
    ("dy that is a number", lambda: fcnn.softmax_backward(SOFTMAX_CACHE, 1.0), TypeError,
     "softmax_backward: dy is a float, expected a NumPy array"),
    ("dy that is a masked array",
     lambda: fcnn.relu_backward(RELU_CACHE, np.ma.masked_array(V)), TypeError,
     "relu_backward: dy is a MaskedArray, expected a plain NumPy array"),
    ("dy for a chain", lambda: MODEL.backward(CHAIN_CACHE, ones(2, 5)), ValueError,
     "dense_backward: dy has shape (2, 5), the output had (2, 4)\n"
     "in chain layer 1 (dense)"),
    ("a cache of dense for a convolution",
     lambda: fcnn.conv2d_backward(DENSE_CACHE, ones(2, 2, 3, 3)), TypeError,
     "conv2d_backward: cache is a DenseCache, expected a Conv2dCache from conv2d_forward"),
    ("a cache of relu for dense", lambda: fcnn.dense_backward(RELU_CACHE, ones(2, 3)), TypeError,
     "dense_backward: cache is a ReluCache, expected a DenseCache from dense_forward"),
    ("a cache of flatten for relu", lambda: fcnn.relu_backward(FLATTEN_CACHE, V), TypeError,
     "relu_backward: cache is a FlattenCache, expected a ReluCache from relu_forward"),
    ("a cache of relu for flatten", lambda: fcnn.flatten_backward(RELU_CACHE, V), TypeError,
     "flatten_backward: cache is a ReluCache, expected a FlattenCache from flatten_forward"),
    ("a cache of a chain for a pool", lambda: fcnn.max_pool2d_backward(CHAIN_CACHE, V), TypeError,
     "max_pool2d_backward: cache is a ChainCache, expected a MaxPoolCache from "
     "max_pool2d_forward"),
    ("a cache of relu for softmax", lambda: fcnn.softmax_backward(RELU_CACHE, V), TypeError,
     "softmax_backward: cache is a ReluCache, expected a NumPy array, the output of "
     "softmax_forward"),
    ("a cache of a pool for a chain", lambda: MODEL.backward(POOL_CACHE, V), TypeError,
     "chain_backward: cache is a MaxPoolCache, expected a ChainCache from chain_forward"),
    ("a cache of a shorter chain",
     lambda: MODEL.backward_params(chain(flatten).forward(((),), X)[1], V), ValueError,
     "chain_backward: cache is of a chain of length 1, expected 2"),
    ("arguments in the wrong order",
     lambda: fcnn.conv2d_backward(ones(2, 2, 3, 3), CONV_CACHE), TypeError,
     "conv2d_backward: cache is an ndarray, expected a Conv2dCache from conv2d_forward"),
    ("a number for the cache of a normalisation",
     lambda: fcnn.batch_norm_backward(3, X), TypeError,
     "batch_norm_backward: cache is an int, expected a BatchNormCache from batch_norm_forward"),
    ("a number for the cache of dropout", lambda: fcnn.dropout_backward(3, V), TypeError,
     "dropout_backward: cache is an int, expected a DropoutCache from dropout_forward"),
    ("a number for the cache of a smoothed loss",
     lambda: fcnn.smoothed_cross_entropy_backward(3), TypeError,
     "smoothed_cross_entropy_backward: cache is an int, expected a SmoothedCache from "
     "smoothed_cross_entropy_forward"),
    ("no cache", lambda: fcnn.max_pool2d_backward(None, V), TypeError,
     "max_pool2d_backward: cache is None, expected a MaxPoolCache from max_pool2d_forward"),
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


@pytest.mark.parametrize(
    ("call", "error", "text"), [row[1:] for row in WRONG_CALLS], ids=[row[0] for row in WRONG_CALLS]
)
def test_a_wrong_call_gets_an_error_that_says_what_is_wrong(call, error, text):
    with pytest.raises(error) as caught:
        call()
    assert type(caught.value) is error
    assert str(caught.value) == text


NO_FLOATS = [
    None, 3, 1.5, 1j, "abc", b"abc", (), [], {}, {1, 2}, object(), len, np.float64(1), np.int64(3),
    [[1.0, 2.0]], ones(2, 4, dtype=np.int8), ones(2, 4, dtype=np.bool_), ones(2, 4, dtype=">f8"),
    ones(2, 4, dtype=object), ones(2, 4, dtype=np.complex128), np.ma.masked_array(V),
    V.view(np.matrix), V.view(np.recarray), np.zeros((2, 4), "m8[s]"), np.array("a"), np.array([]),
    np.zeros((), np.float32), V[:0], V[:, :0], X[:0], X[..., :0],
]  # fmt: skip

# The function, the argument that gets one of these values, the call.
OPERATIONS = [
    ("conv2d", "x", lambda x: fcnn.conv2d_forward(CONV, x)),
    ("conv2d", "w", lambda w: conv(w=w)),
    ("conv2d", "b", lambda b: conv(b=b)),
    ("dense", "x", lambda x: fcnn.dense_forward(DENSE, x)),
    ("dense", "w", lambda w: product(w=w)),
    ("dense", "b", lambda b: product(b=b)),
    ("relu", "x", fcnn.relu_forward),
    ("leaky_relu", "x", fcnn.leaky_relu_forward),
    ("sigmoid", "x", fcnn.sigmoid_forward),
    ("tanh", "x", fcnn.tanh_forward),
    ("gelu", "x", fcnn.gelu_forward),
    ("max_pool2d", "x", fcnn.max_pool2d_forward),
    ("avg_pool2d", "x", fcnn.avg_pool2d_forward),
    ("global_avg_pool", "x", fcnn.global_avg_pool_forward),
    ("flatten", "x", fcnn.flatten_forward),
    ("softmax", "x", fcnn.softmax_forward),
    ("batch_norm", "x", lambda x: fcnn.batch_norm_forward(NORM, x)),
    ("batch_norm", "scale", lambda a: fcnn.batch_norm_forward(attrs.evolve(NORM, scale=a), X)),
    ("batch_norm", "var", lambda a: fcnn.batch_norm_forward(attrs.evolve(NORM, var=a), X)),
    ("dropout", "x", lambda x: fcnn.dropout_forward(x, rate=0.5)),
    ("dropout", "x", lambda x: fcnn.dropout_forward(x, RNG, rate=0.5)),
    (
        "smoothed_cross_entropy",
        "logits",
        lambda z: fcnn.smoothed_cross_entropy_forward(z, LABELS),
    ),
    ("smoothed_cross_entropy", "labels", smoothed),
    ("batch_norm_backward", "dy", lambda dy: fcnn.batch_norm_backward(NORM_CACHE, dy)),
    ("dropout_backward", "dy", lambda dy: fcnn.dropout_backward(DROPOUT_CACHE, dy)),
    ("batch_norm_backward", "cache", lambda cache: fcnn.batch_norm_backward(cache, X)),
    ("dropout_backward", "cache", lambda cache: fcnn.dropout_backward(cache, V)),
    ("smoothed_cross_entropy_backward", "cache", fcnn.smoothed_cross_entropy_backward),
    ("cross_entropy", "probabilities", lambda p: fcnn.cross_entropy_forward(p, LABELS)),
    ("softmax_cross_entropy", "logits", lambda z: fcnn.softmax_cross_entropy_forward(z, LABELS)),
    ("cross_entropy", "labels", cross),
    ("softmax_cross_entropy", "labels", fused),
    ("conv2d_backward", "dy", lambda dy: fcnn.conv2d_backward(CONV_CACHE, dy)),
    ("dense_backward", "dy", lambda dy: fcnn.dense_backward(DENSE_CACHE, dy)),
    ("relu_backward", "dy", lambda dy: fcnn.relu_backward(RELU_CACHE, dy)),
    ("leaky_relu_backward", "dy", lambda dy: fcnn.leaky_relu_backward(LEAKY_CACHE, dy)),
    ("sigmoid_backward", "dy", lambda dy: fcnn.sigmoid_backward(V, dy)),
    ("tanh_backward", "dy", lambda dy: fcnn.tanh_backward(V, dy)),
    ("gelu_backward", "dy", lambda dy: fcnn.gelu_backward(GELU_CACHE, dy)),
    ("avg_pool2d_backward", "dy", lambda dy: fcnn.avg_pool2d_backward(MEAN_CACHE, dy)),
    ("global_avg_pool_backward", "dy", lambda dy: fcnn.global_avg_pool_backward(WHOLE_CACHE, dy)),
    ("max_pool2d_backward", "dy", lambda dy: fcnn.max_pool2d_backward(POOL_CACHE, dy)),
    ("flatten_backward", "dy", lambda dy: fcnn.flatten_backward(FLATTEN_CACHE, dy)),
    ("softmax_backward", "dy", lambda dy: fcnn.softmax_backward(SOFTMAX_CACHE, dy)),
    ("conv2d_backward", "cache", lambda cache: fcnn.conv2d_backward(cache, ones(2, 2, 3, 3))),
    ("dense_backward", "cache", lambda cache: fcnn.dense_backward(cache, ones(2, 3))),
    ("relu_backward", "cache", lambda cache: fcnn.relu_backward(cache, V)),
    ("leaky_relu_backward", "cache", lambda cache: fcnn.leaky_relu_backward(cache, V)),
    ("gelu_backward", "cache", lambda cache: fcnn.gelu_backward(cache, V)),
    ("avg_pool2d_backward", "cache", lambda cache: fcnn.avg_pool2d_backward(cache, X[..., 1:, 1:])),
    (
        "global_avg_pool_backward",
        "cache",
        lambda cache: fcnn.global_avg_pool_backward(cache, ones(2, 1)),
    ),
    ("max_pool2d_backward", "cache", lambda cache: fcnn.max_pool2d_backward(cache, X[..., 1:, 1:])),
    ("flatten_backward", "cache", lambda cache: fcnn.flatten_backward(cache, ones(2, 25))),
    ("cross_entropy_backward", "cache", fcnn.cross_entropy_backward),
    ("softmax_cross_entropy_backward", "cache", fcnn.softmax_cross_entropy_backward),
]

# These leave the dtype to the layers and losses that they run.
RUNNERS = [
    ("predict", lambda x: fcnn.predict(softmax, (), x)),
    ("value_and_grad", lambda x: GRADIENT(PARAMS, x, LABELS)),
    ("value_and_grad", lambda labels: GRADIENT(PARAMS, X, labels)),
    ("evaluate", lambda x: fcnn.evaluate(MODEL, PARAMS, x, LABELS)),
    ("evaluate", lambda labels: fcnn.evaluate(MODEL, PARAMS, X, labels)),
]


@pytest.mark.parametrize(
    ("name", "argument", "call"), OPERATIONS, ids=[" ".join(row[:2]) for row in OPERATIONS]
)
def test_whatever_is_passed_for_an_array_is_refused_by_function_and_argument(name, argument, call):
    for value in NO_FLOATS[1:] if argument == "b" else NO_FLOATS:  # a bias may be None
        with pytest.raises((TypeError, ValueError)) as caught:
            call(value)
        assert type(caught.value) in (TypeError, ValueError)
        assert str(caught.value).startswith(f"{name}: ")
        assert f" {argument} " in str(caught.value)


@pytest.mark.parametrize(("name", "call"), RUNNERS)
def test_whatever_is_passed_for_examples_is_refused_by_what_runs_or_by_a_layer(name, call):
    inside = ("flatten: ", "dense: ", "softmax: ", "softmax_cross_entropy: ")
    for value in NO_FLOATS:
        with pytest.raises((TypeError, ValueError)) as caught:
            call(value)
        assert type(caught.value) in (TypeError, ValueError)
        assert str(caught.value).startswith((f"{name}: ", *inside))


def test_what_looks_wrong_and_is_not(tmp_path):
    np.save(tmp_path / "x.npy", X)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    y, _ = fcnn.conv2d_forward(CONV, mapped, stride=[np.int8(1), 2], padding=np.uint64(1))
    assert y.shape == (2, 2, 5, 3)
    assert type(fcnn.predict(MODEL, PARAMS, mapped)) is np.ndarray
    assert fcnn.conv2d_forward(CONV, X, stride=2**31 - 1)[0].shape == (2, 2, 1, 1)
    assert fused(LABELS.astype(">i2"))[0] == fused(LABELS)[0]
    assert relu.init(None, ())[1] == ()
    exact = tree.map(np.float64, NORM)
    normalised, _ = fcnn.batch_norm_forward(exact, np.float64(X), training=True, epsilon=1e-50)
    assert np.array_equal(normalised, np.ones(X.shape))  # the shift
    assert fcnn.dropout_forward(V, RNG, rate=np.float32(0))[0].all()
    whole = smoothed(class_weights=[10**20, 10**20, 1, 1])[0]
    assert whole == pytest.approx(fused(LABELS)[0])
    assert dense(2).init(RNG, [np.int64(3)])[1] == (2,)
