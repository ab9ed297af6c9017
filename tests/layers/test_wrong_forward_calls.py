"""Wrong calls of the forward functions of layers, and the exact error that each gets.

A row: what is wrong, the call, the exception's type, its whole text.
"""

import attrs
import numpy as np
from wrong_calls import (
    CONV,
    DENSE,
    NORM,
    RNG,
    V,
    X,
    each_operation,
    each_row,
    ones,
    refuses,
    refuses_what_is_no_array,
)

import fcnn
from fcnn import tree


def conv(w=CONV.w, b=CONV.b, x=X, **settings):
    return fcnn.conv2d_forward(fcnn.Conv2dParams(w, b), x, **settings)


def product(w=DENSE.w, b=DENSE.b):
    return fcnn.dense_forward(fcnn.DenseParams(w, b), V)


def pool(**settings):
    return fcnn.max_pool2d_forward(X, **settings)


def norm(**settings):
    return fcnn.batch_norm_forward(NORM, X, **settings)


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
    ("weights without outputs", lambda: product(w=ones(4, 0), b=ones(0)), ValueError,
     "dense: w is empty, K=0\n"
     "  w: (4, 0) as (D, K)"),
    ("weights of rank 3", lambda: product(w=ones(4, 3, 1)), ValueError,
     "dense: w has 3 axes (4, 3, 1), expected 2 as (D, K)"),
    ("a bias of one value", lambda: conv(b=ones(1)), ValueError,
     "conv2d: w has F=2 features, but b expects F=1\n"
     "  w: (2, 1, 3, 3) as (F, C, KH, KW)\n"
     "  b: (1,)         as (F)"),
    ("a bias as a column", lambda: conv(b=ones(2, 1)), ValueError,
     "conv2d: b has 2 axes (2, 1), expected 1 as (F)"),
    ("a dense bias of one value", lambda: product(b=ones(1)), ValueError,
     "dense: w has K=3 features, but b expects K=1\n"
     "  w: (4, 3) as (D, K)\n"
     "  b: (1,)   as (K)"),
    ("a dense bias as a row", lambda: product(b=ones(1, 3)), ValueError,
     "dense: b has 2 axes (1, 3), expected 1 as (K)"),
    ("a bias without axes", lambda: product(b=np.array(1, np.float32)), ValueError,
     "dense: b has 0 axes (), expected 1 as (K)"),
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
    ("the same size with a stride, of the function", lambda: conv(padding="same", stride=2),
     ValueError, "conv2d: padding 'same' needs a stride of 1, got (2, 2)"),
    ("a dilation of zero", lambda: conv(dilation=0), ValueError,
     "conv2d: dilation is 0, expected at least 1"),
    ("a dilation beyond the image", lambda: conv(dilation=(1, 3)), ValueError,
     "conv2d: the dilated kernel 3x7 exceeds the image 5x5 with padding 0x0"),
    ("half a group", lambda: conv(groups=0.5), TypeError, "conv2d: groups is 0.5, expected an int"),
    ("groups of other channels", lambda: conv(groups=2, x=ones(2, 3, 5, 5)), ValueError,
     "conv2d: x has C=3 channels, but w expects C=2, 1 in each of 2 groups\n"
     "  x: (2, 3, 5, 5) as (N, C, H, W)\n"
     "  w: (2, 1, 3, 3) as (F, C/G, KH, KW)"),
    ("groups that do not divide the kernel",
     lambda: conv(w=ones(3, 1, 3, 3), b=None, groups=2, x=ones(2, 2, 5, 5)), ValueError,
     "conv2d: 2 groups do not divide F=3 features"),
    ("a mean over more than the image", lambda: fcnn.avg_pool2d_forward(X, window=6), ValueError,
     "avg_pool2d: the window 6x6 exceeds the image 5x5 with padding 0x0"),
    ("a slope below zero", lambda: fcnn.leaky_relu_forward(V, slope=-0.1), ValueError,
     "leaky_relu: slope is -0.1, expected 0 to 1"),
    ("an epsilon that is a bool", lambda: norm(epsilon=True), TypeError,
     "batch_norm: epsilon is True, expected a number"),
    ("an infinite epsilon of the function", lambda: norm(epsilon=float("inf")), ValueError,
     "batch_norm: epsilon is inf, expected finite and above 0"),
    ("a negative epsilon", lambda: norm(epsilon=-1), ValueError,
     "batch_norm: epsilon is -1.0, expected finite and above 0"),
    ("an epsilon that is 0 in float32", lambda: norm(training=True, epsilon=1e-50), ValueError,
     "batch_norm: epsilon is 1e-50, which is 0.0 in float32"),
    ("an epsilon that is infinite in float32", lambda: norm(epsilon=1e50), ValueError,
     "batch_norm: epsilon is 1e+50, which is inf in float32"),
    ("training that is a text", lambda: norm(training="no"), TypeError,
     "batch_norm: training is 'no', expected True or False"),
    ("a rate above one", lambda: fcnn.dropout_forward(V, RNG, rate=1.5), ValueError,
     "dropout: rate is 1.5, expected at least 0 and below 1"),
    ("a rate above one in inference", lambda: fcnn.dropout_forward(V, rate=1.5), ValueError,
     "dropout: rate is 1.5, expected at least 0 and below 1"),
    ("a seed for a generator of dropout", lambda: fcnn.dropout_forward(V, 7, rate=0.5), TypeError,
     "dropout: rng is an int, expected a Generator"),
    ("an empty batch for dropout", lambda: fcnn.dropout_forward(V[:0], rate=0.5), ValueError,
     "dropout: x has shape (0, 4), expected (N, ...), not empty"),
    # parameters of another kind
    ("parameters of a dense layer for a convolution",
     lambda: fcnn.conv2d_forward(DENSE, X), TypeError,
     "conv2d: params is a DenseParams, expected a Conv2dParams"),
    ("a pair for parameters", lambda: fcnn.dense_forward((DENSE.w, DENSE.b), V), TypeError,
     "dense: params is a tuple, expected a DenseParams"),
    ("a dict for parameters",
     lambda: fcnn.dense_forward({"w": DENSE.w, "b": DENSE.b}, V), TypeError,
     "dense: params is a dict, expected a DenseParams"),
]  # fmt: skip


@each_row(WRONG_CALLS)
def test_a_wrong_call_gets_an_error_that_says_what_is_wrong(call, error, text):
    refuses(call, error, text)


# The function, the argument that gets what is no array, the call.
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
]


@each_operation(OPERATIONS)
def test_whatever_is_passed_for_an_array_is_refused_by_function_and_argument(name, argument, call):
    refuses_what_is_no_array(name, argument, call)


def test_what_looks_wrong_and_is_not():
    y, _ = fcnn.conv2d_forward(CONV, X, stride=[np.int8(1), 2], padding=np.uint64(1))
    assert y.shape == (2, 2, 5, 3)
    assert fcnn.conv2d_forward(CONV, X, stride=2**31 - 1)[0].shape == (2, 2, 1, 1)
    exact = tree.map(np.float64, NORM)
    normalised, _ = fcnn.batch_norm_forward(exact, np.float64(X), training=True, epsilon=1e-50)
    assert np.array_equal(normalised, np.ones(X.shape))  # the shift
    assert fcnn.dropout_forward(V, RNG, rate=np.float32(0))[0].all()


def test_an_array_in_a_file_is_an_array(tmp_path):
    np.save(tmp_path / "x.npy", X)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    assert np.array_equal(fcnn.conv2d_forward(CONV, mapped)[0], fcnn.conv2d_forward(CONV, X)[0])
