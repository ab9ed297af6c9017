"""Wrong calls of the backward functions of layers, and the exact error that each gets.

A row: what is wrong, the call, the exception's type, its whole text.
"""

import numpy as np
from wrong_calls import (
    CONV,
    DENSE,
    MODEL,
    NORM,
    PARAMS,
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

CONV_CACHE = fcnn.conv2d_forward(CONV, X)[1]
DENSE_CACHE = fcnn.dense_forward(DENSE, V)[1]
RELU_CACHE = fcnn.relu_forward(V)[1]
POOL_CACHE = fcnn.max_pool2d_forward(X)[1]
MEAN_CACHE = fcnn.avg_pool2d_forward(X)[1]
WHOLE_CACHE = fcnn.global_avg_pool_forward(X)[1]
LEAKY_CACHE = fcnn.leaky_relu_forward(V)[1]
GELU_CACHE = fcnn.gelu_forward(V)[1]
NORM_CACHE = fcnn.batch_norm_forward(NORM, X)[1]
DROPOUT_CACHE = fcnn.dropout_forward(V, RNG, rate=0.5)[1]
FLATTEN_CACHE = fcnn.flatten_forward(X)[1]
SOFTMAX_CACHE = fcnn.softmax_forward(V)[1]
CHAIN_CACHE = MODEL.forward(PARAMS, X)[1]

WRONG_CALLS = [
    ("dy of another shape", lambda: fcnn.conv2d_backward(CONV_CACHE, ones(2, 2, 5, 5)), ValueError,
     "conv2d_backward: dy has shape (2, 2, 5, 5), the output (2, 2, 3, 3)"),
    ("dy of one example", lambda: fcnn.dense_backward(DENSE_CACHE, ones(1, 3)), ValueError,
     "dense_backward: dy has shape (1, 3), the output (2, 3)"),
    ("dy without batch", lambda: fcnn.relu_backward(RELU_CACHE, ones(4)), ValueError,
     "relu_backward: dy has shape (4,), the output (2, 4)"),
    ("dy as a column", lambda: fcnn.softmax_backward(SOFTMAX_CACHE, ones(2, 1)), ValueError,
     "softmax_backward: dy has shape (2, 1), the output (2, 4)"),
    ("dy without axes",
     lambda: fcnn.max_pool2d_backward(POOL_CACHE, np.array(1, np.float32)), ValueError,
     "max_pool2d_backward: dy has shape (), the output (2, 1, 2, 2)"),
    ("dy of images for flatten", lambda: fcnn.flatten_backward(FLATTEN_CACHE, X), ValueError,
     "flatten_backward: dy has shape (2, 1, 5, 5), the output (2, 25)"),
    ("dy of another dtype", lambda: fcnn.dense_backward(DENSE_CACHE, np.ones((2, 3))), TypeError,
     "dense_backward: dy is float64, the output float32"),
    ("dy of integers",
     lambda: fcnn.relu_backward(RELU_CACHE, ones(2, 4, dtype=np.int64)), TypeError,
     "relu_backward: dy is int64, the output float32"),
    ("dy that is a number", lambda: fcnn.softmax_backward(SOFTMAX_CACHE, 1.0), TypeError,
     "softmax_backward: dy is a float, expected a NumPy array"),
    ("dy that is a masked array",
     lambda: fcnn.relu_backward(RELU_CACHE, np.ma.masked_array(V)), TypeError,
     "relu_backward: dy is a MaskedArray, expected a plain NumPy array"),
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
     "max_pool2d_backward: cache is a CombinatorCache, expected a MaxPoolCache from "
     "max_pool2d_forward"),
    ("a cache of relu for softmax", lambda: fcnn.softmax_backward(RELU_CACHE, V), TypeError,
     "softmax_backward: cache is a ReluCache, expected a NumPy array, the output of "
     "softmax_forward"),
    ("arguments in the wrong order",
     lambda: fcnn.conv2d_backward(ones(2, 2, 3, 3), CONV_CACHE), TypeError,
     "conv2d_backward: cache is an ndarray, expected a Conv2dCache from conv2d_forward"),
    ("a number for the cache of a normalisation",
     lambda: fcnn.batch_norm_backward(3, X), TypeError,
     "batch_norm_backward: cache is an int, expected a BatchNormCache from batch_norm_forward"),
    ("a number for the cache of dropout", lambda: fcnn.dropout_backward(3, V), TypeError,
     "dropout_backward: cache is an int, expected a DropoutCache from dropout_forward"),
    ("no cache", lambda: fcnn.max_pool2d_backward(None, V), TypeError,
     "max_pool2d_backward: cache is None, expected a MaxPoolCache from max_pool2d_forward"),
]  # fmt: skip


@each_row(WRONG_CALLS)
def test_a_wrong_call_gets_an_error_that_says_what_is_wrong(call, error, text):
    refuses(call, error, text)


# The function, the argument that gets what is no array, the call.
OPERATIONS = [
    ("batch_norm_backward", "dy", lambda dy: fcnn.batch_norm_backward(NORM_CACHE, dy)),
    ("dropout_backward", "dy", lambda dy: fcnn.dropout_backward(DROPOUT_CACHE, dy)),
    ("batch_norm_backward", "cache", lambda cache: fcnn.batch_norm_backward(cache, X)),
    ("dropout_backward", "cache", lambda cache: fcnn.dropout_backward(cache, V)),
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
]


@each_operation(OPERATIONS)
def test_whatever_is_passed_for_an_array_is_refused_by_function_and_argument(name, argument, call):
    refuses_what_is_no_array(name, argument, call)
