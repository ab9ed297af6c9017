"""Wrong calls of optimizers, and the exact error that each gets.

A row: what is wrong, the call, the exception's type, its whole text.
"""

import numpy as np
from wrong_calls import OTHER, PARAMS, each_row, ones, refuses

import fcnn
from fcnn import tree

SGD = fcnn.sgd(0.1)
STATE = SGD.init(PARAMS)
TREE = {"b": ones(1), "w": ones(2)}

WRONG_CALLS = [
    ("a learning rate of NaN", lambda: fcnn.sgd(float("nan")), ValueError,
     "sgd: learning rate is nan, expected finite and at least 0"),
    ("an infinite learning rate", lambda: fcnn.sgd(float("inf")), ValueError,
     "sgd: learning rate is inf, expected finite and at least 0"),
    ("a negative learning rate", lambda: fcnn.sgd(-0.1), ValueError,
     "sgd: learning rate is -0.1, expected finite and at least 0"),
    ("a learning rate that is a text", lambda: fcnn.sgd("0.1"), TypeError,
     "sgd: learning rate is '0.1', expected a number or a function of the step count"),
    ("no learning rate", lambda: fcnn.sgd(None), TypeError,
     "sgd: learning rate is None, expected a number or a function of the step count"),
    ("a learning rate that is a bool", lambda: fcnn.sgd(True), TypeError,
     "sgd: learning rate is True, expected a number or a function of the step count"),
    ("a learning rate per parameter", lambda: fcnn.sgd(np.array([0.1, 0.2])), TypeError,
     "sgd: learning rate is array([0.1, 0.2]), expected a number or a function of the step "
     "count"),
    ("a learning rate beyond floats", lambda: fcnn.sgd(10**400), ValueError,
     "sgd: learning rate is inf, expected finite and at least 0"),
    ("momentum one", lambda: fcnn.sgd(0.1, 1), ValueError,
     "sgd: momentum is 1.0, expected at least 0 and below 1"),
    ("momentum of NaN", lambda: fcnn.sgd(0.1, momentum=float("nan")), ValueError,
     "sgd: momentum is nan, expected at least 0 and below 1"),
    ("a momentum that is a text", lambda: fcnn.sgd(0.1, momentum="0.9"), TypeError,
     "sgd: momentum is '0.9', expected a number"),
    ("a schedule that gives NaN",
     lambda: fcnn.sgd(lambda step: float("nan")).step(PARAMS, PARAMS, STATE), ValueError,
     "sgd: the learning rate of step 0 is nan, expected finite and at least 0"),
    ("a schedule that goes below zero",
     lambda: fcnn.sgd(lambda step: -1).step(PARAMS, PARAMS, STATE), ValueError,
     "sgd: the learning rate of step 0 is -1.0, expected finite and at least 0"),
    ("a schedule that gives nothing",
     lambda: fcnn.sgd(lambda step: None).step(PARAMS, PARAMS, STATE), TypeError,
     "sgd: the learning rate of step 0 is None, expected a number"),
    ("parameters that are texts", lambda: SGD.init(("a",)), TypeError,
     "sgd: the parameter at [0] is a str, expected a NumPy array"),
    ("integer parameters", lambda: SGD.init((np.arange(3),)), TypeError,
     "sgd: the parameter at [0] is int64, expected float32 or float64"),
    ("gradients of another model", lambda: SGD.step(PARAMS, OTHER, STATE), ValueError,
     "sgd: parameters and gradient differ at [0]: a tuple of 0 against Conv2dParams"),
    ("gradients in a list", lambda: SGD.step(PARAMS, list(PARAMS), STATE), ValueError,
     "sgd: parameters and gradient differ at the root: a tuple of 2 against a list of 2"),
    ("too few gradients", lambda: SGD.step(PARAMS, PARAMS[:1], STATE), ValueError,
     "sgd: parameters and gradient differ at [1]: DenseParams against nothing"),
    ("gradients of another shape",
     lambda: SGD.step(PARAMS, tree.map(lambda a: a[:1], PARAMS), STATE), ValueError,
     "sgd: the gradient at [1].w has shape (1, 4), the parameter (25, 4)"),
    ("gradients of another dtype",
     lambda: SGD.step(PARAMS, tree.map(np.float64, PARAMS), STATE), TypeError,
     "sgd: the gradient at [1].w is float64, the parameter float32"),
    ("gradients that are numbers",
     lambda: SGD.step(PARAMS, tree.map(lambda a: 1.0, PARAMS), STATE), TypeError,
     "sgd: the gradient at [1].w is a float, expected a NumPy array"),
    ("parameters for a state", lambda: SGD.step(PARAMS, PARAMS, PARAMS), TypeError,
     "sgd: state is a tuple, expected a SgdState"),
    ("the state of another model", lambda: SGD.step(PARAMS, PARAMS, SGD.init(OTHER)), ValueError,
     "sgd: parameters and velocity differ at [0]: a tuple of 0 against Conv2dParams"),
    ("momentum of Nesterov by a text", lambda: fcnn.sgd(0.1, 0.9, nesterov="no"), TypeError,
     "sgd: nesterov is 'no', expected True or False"),
    ("an optimizer without a step", lambda: fcnn.Optimizer(print, None), TypeError,
     "Optimizer: step is None, expected a function"),
    ("an optimizer that trains a text", lambda: fcnn.Optimizer(print, print, "all"), TypeError,
     "Optimizer: trained is a str, expected a function"),
    ("a mask for no optimizer", lambda: fcnn.masked(0.1, lambda path: True), TypeError,
     "masked: optimizer is a float, expected an Optimizer"),
    ("a mask of numbers", lambda: fcnn.masked(SGD, {"b": True, "w": 1}), TypeError,
     "masked: trained at ['w'] is 1, expected True or False"),
    ("a mask of a text", lambda: fcnn.masked(SGD, "[1]"), TypeError,
     "masked: trained at the root is '[1]', expected True or False"),
    ("a mask of another model",
     lambda: fcnn.masked(SGD, {"b": True, "v": True}).init(TREE), ValueError,
     "masked: parameters and trained: the trees differ at ['w']: a leaf against nothing"),
    ("a mask that leaves nothing", lambda: fcnn.masked(SGD, lambda path: False).init(TREE),
     ValueError, "masked: none is trained of ['b'], ['w']"),
    ("masked gradients of another model",
     lambda: fcnn.masked(SGD, lambda path: True).step(PARAMS, OTHER, STATE), ValueError,
     "masked: parameters and gradient differ at [0]: a tuple of 0 against Conv2dParams"),
    ("a masked optimizer that gives something else",
     lambda: fcnn.masked(fcnn.Optimizer(lambda p: (), lambda p, g, s: ((), s)), lambda path: True)
     .step(TREE, TREE, ()), ValueError,
     "masked: the optimizer within: the trees differ at the root: a dict of 2 against a tuple of "
     "0"),
]  # fmt: skip


@each_row(WRONG_CALLS)
def test_a_wrong_call_gets_an_error_that_says_what_is_wrong(call, error, text):
    refuses(call, error, text)
