"""Wrong calls of the gradient checker, and the exact error that each gets.

A row: what is wrong, the call, the exception's type, its whole text.
"""

import numpy as np
from wrong_calls import LABELS, each_row, refuses

import fcnn
from fcnn import check, relu

WRONG_CALLS = [
    ("checking a function", lambda: check.layer(fcnn.relu_forward, (3,)), TypeError,
     "check.layer: layer is a function, expected a Layer"),
    ("checking no examples", lambda: check.layer(relu, (3,), batch=0), ValueError,
     "check.layer: batch is 0, expected at least 1"),
    ("checking on a list", lambda: check.layer(relu, (2,), x=[[1.0, 2.0]]), TypeError,
     "check.layer: x is a list, expected a NumPy array"),
    ("checking with a tolerance of NaN",
     lambda: check.layer(relu, (3,), tolerance=float("nan")), ValueError,
     "check.layer: tolerance is nan, expected finite and at least 0"),
    ("checking with a negative seed", lambda: check.layer(relu, (3,), seed=-1), ValueError,
     "check.layer: seed is -1, expected at least 0"),
    ("checking a layer as a loss", lambda: check.loss(relu, np.ones((2, 3)), LABELS), TypeError,
     "check.loss: loss is a Layer, expected a Loss"),
    ("checking with labels out of range",
     lambda: check.loss(fcnn.cross_entropy, np.ones((2, 3)), np.array([0, 3])), ValueError,
     "cross_entropy: label 3 is outside 0..2"),
    ("checking a text", lambda: check.function("f", "forward", "backward", np.ones(2)), TypeError,
     "check.function: forward is a str, expected a function"),
    ("checking what gives no array",
     lambda: check.function("f", lambda a: (1.0, ()), print, np.ones(2)), TypeError,
     "check: f: the output is a float, expected a NumPy array"),
]  # fmt: skip


@each_row(WRONG_CALLS)
def test_a_wrong_call_gets_an_error_that_says_what_is_wrong(call, error, text):
    refuses(call, error, text)
