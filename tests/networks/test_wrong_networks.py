"""Wrong calls of networks, and the exact error that each gets.

A row: what is wrong, the call, the exception's type, its whole text.
"""

from wrong_calls import MODEL, PARAMS, RNG, V, X, each_row, ones, refuses

import fcnn
from fcnn import chain, conv2d, dense, flatten, models

POOL_CACHE = fcnn.max_pool2d_forward(X)[1]
CHAIN_CACHE = MODEL.forward(PARAMS, X)[1]

WRONG_CALLS = [
    ("classes that are a text", lambda: models.linear("10"), TypeError,
     "dense: features is '10', expected an int"),
    ("a network too deep for its images",
     lambda: models.mnist_cnn().init(RNG, (1, 3, 3)), ValueError,
     "max_pool2d: the window 2x2 exceeds the image 1x1 with padding 0x0\n"
     "in chain layer 5 (max_pool2d)"),
    ("a chain of a function", lambda: chain(flatten, conv2d), TypeError,
     "chain: layer 1 is a function, expected a Layer"),
    ("a list for a chain", lambda: chain([flatten, dense(2)]), TypeError,
     "chain: layer 0 is a list, expected a Layer"),
    ("a list of parameters", lambda: MODEL.forward(list(PARAMS), X), ValueError,
     "chain: 2 layers need a tuple of as many parameters, got a list"),
    ("too few parameters", lambda: MODEL.forward(PARAMS[:1], X), ValueError,
     "chain: 2 layers need a tuple of as many parameters, got 1"),
    ("dy for a chain", lambda: MODEL.backward(CHAIN_CACHE, ones(2, 5)), ValueError,
     "dense_backward: dy has shape (2, 5), the output (2, 4)\n"
     "in chain layer 1 (dense)"),
    ("a cache of a pool for a chain", lambda: MODEL.backward(POOL_CACHE, V), TypeError,
     "chain_backward: cache is a MaxPoolCache, expected a CombinatorCache from chain_forward"),
    ("a cache of a shorter chain",
     lambda: MODEL.backward_params(chain(flatten).forward(((),), X)[1], V), ValueError,
     "chain_backward: cache is that of a chain of 1 layers, expected a chain of 2"),
]  # fmt: skip


@each_row(WRONG_CALLS)
def test_a_wrong_call_gets_an_error_that_says_what_is_wrong(call, error, text):
    refuses(call, error, text)
