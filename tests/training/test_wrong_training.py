"""Wrong calls of what trains, predicts and maps over trees, and the exact error that each gets.

A row: what is wrong, the call, the exception's type, its whole text.
"""

import numpy as np
import pytest

import fcnn
from fcnn import chain, check, conv2d, dense, flatten, models, relu, tree


def ones(*shape, dtype=np.float32):
    return np.ones(shape, dtype)


CONV = fcnn.Conv2dParams(w=ones(2, 1, 3, 3), b=ones(2))
X, V = ones(2, 1, 5, 5), ones(2, 4)
LABELS = np.array([0, 1])
NAN = np.where(np.arange(50).reshape(X.shape) == 32, np.float32(np.nan), X)
RNG = np.random.default_rng(0)
MODEL = chain(flatten, dense(4))
PARAMS, _ = MODEL.init(RNG, (1, 5, 5))
OTHER, _ = models.lines_cnn().init(RNG, (1, 14, 14))
GRADIENT = fcnn.value_and_grad(MODEL, fcnn.softmax_cross_entropy)
SGD = fcnn.sgd(0.1)
STATE = SGD.init(PARAMS)
TREE = {"b": ones(1), "w": ones(2)}
ROUND = []
ROUND.append(ROUND)


def fit(x=X, labels=LABELS, **changed):
    settings = {
        "model": MODEL, "params": PARAMS, "optimizer": SGD, "train": (x, labels),
        "epochs": 1, "batch_size": 2, "seed": 0,
    }  # fmt: skip
    return list(fcnn.fit(**(settings | changed)))


def own(**changed):
    functions = {
        "init": lambda rng, shape: ((), shape),
        "forward": lambda params, x, rng=None: (x, ()),
        "backward": lambda cache, dy: ((), dy),
    }
    return fcnn.Layer("own", **(functions | changed))


def returning(**changed):
    """A layer of which one function always returns the same."""
    ((name, value),) = changed.items()
    return own(**{name: lambda *args: value})


def scale(dparams):
    """A layer with parameters and whatever is given as their gradient."""
    return own(
        forward=lambda params, x, rng=None: (x * params, ()),
        backward=lambda cache, dy: (dparams, dy),
    )


def gradient_of(layer, params=()):
    """The gradient of a network with a layer on top."""
    gradient = fcnn.value_and_grad(chain(dense(4), layer), fcnn.softmax_cross_entropy)
    return gradient((fcnn.DenseParams(w=ones(4, 4), b=ones(4)), params), V, LABELS)


def mine(forward=lambda outputs, labels: (1.0, outputs), backward=lambda cache: cache, **weight):
    """The gradient of a loss of one's own."""
    gradient = fcnn.value_and_grad(chain(dense(4)), fcnn.Loss("mine", forward, backward, **weight))
    return gradient((fcnn.DenseParams(w=ones(4, 4), b=ones(4)),), V, LABELS)


WRONG_CALLS = [
    # training
    ("NaN in the training images", lambda: fit(x=NAN), ValueError,
     "fit: train: x has 1 value that is not finite, the first, nan, at [1, 0, 1, 2]"),
    ("infinity in the training images", lambda: fit(x=np.where(X > 0, np.inf, X)), ValueError,
     "fit: train: x has 50 values that are not finite, the first, inf, at [0, 0, 0, 0]"),
    ("NaN in the test images", lambda: fit(test=(NAN, LABELS)), ValueError,
     "fit: test: x has 1 value that is not finite, the first, nan, at [1, 0, 1, 2]"),
    ("more inputs than labels", lambda: fit(x=ones(3, 1, 5, 5)), ValueError,
     "fit: train: 3 inputs, but 2 labels"),
    ("inputs in a list", lambda: fit(x=X.tolist()), TypeError,
     "fit: train: x is a list, expected a batch as a NumPy array"),
    ("no training examples", lambda: fit(x=X[:0], labels=LABELS[:0]), ValueError,
     "fit: train: the batch is empty, N=0"),
    ("integer training images", lambda: fit(x=X.astype(int)), TypeError,
     "flatten: x is int64, expected float32 or float64\n"
     "in chain layer 0 (flatten)"),
    ("float training labels", lambda: fit(labels=np.array([0.0, 1.0])), TypeError,
     "fit: train: labels are float64, expected integer class indices"),
    ("negative training labels", lambda: fit(labels=np.array([0, -1])), ValueError,
     "fit: train: label -1 is below 0"),
    ("training labels as a column", lambda: fit(labels=LABELS[:, None]), ValueError,
     "fit: train: labels have shape (2, 1), expected (2,) as (N,)"),
    ("more classes than the model has", lambda: fit(labels=np.array([0, 4])), ValueError,
     "softmax_cross_entropy: label 4 is outside 0..3"),
    ("more classes in the test set", lambda: fit(test=(X, np.array([0, 4]))), ValueError,
     "fit: test: label 4 is outside 0..3"),
    ("test labels as a column", lambda: fit(test=(X, LABELS[:, None])), ValueError,
     "fit: test: labels have shape (2, 1), expected (2,) as (N,)"),
    ("no pair of training data", lambda: fit(train=X), TypeError,
     "fit: train is an ndarray, expected a pair (x, labels)"),
    ("three arrays of training data", lambda: fit(train=(X, LABELS, LABELS)), TypeError,
     "fit: train is a tuple of 3, expected a pair (x, labels)"),
    ("no training data", lambda: fit(train=None), TypeError,
     "fit: train is None, expected a pair (x, labels)"),
    ("an empty test set", lambda: fit(test=()), TypeError,
     "fit: test is a tuple of 0, expected a pair (x, labels)"),
    ("a batch larger than the data", lambda: fit(batch_size=3), ValueError,
     "fit: batch_size is 3, but there are 2 examples"),
    ("a batch of none", lambda: fit(batch_size=0), ValueError,
     "fit: batch_size is 0, expected at least 1"),
    ("half a batch", lambda: fit(batch_size=0.5), TypeError,
     "fit: batch_size is 0.5, expected an int"),
    ("no epochs", lambda: fit(epochs=0), ValueError,
     "fit: epochs is 0, expected at least 1"),
    ("epochs that are a bool", lambda: fit(epochs=True), TypeError,
     "fit: epochs is True, expected an int"),
    ("a negative seed", lambda: fit(seed=-1), ValueError,
     "fit: seed is -1, expected at least 0"),
    ("a seed that is a float", lambda: fit(seed=1.0), TypeError,
     "fit: seed is 1.0, expected an int"),
    ("no seed", lambda: fit(seed=None), TypeError,
     "fit: seed is None, expected an int"),
    ("no threads", lambda: fit(threads=0), ValueError,
     "fit: threads is 0, expected at least 1"),
    ("threads that are a text", lambda: fit(threads="2"), TypeError,
     "fit: threads is '2', expected an int"),
    ("a loss by its name", lambda: fit(loss="cross_entropy"), TypeError,
     "fit: loss is a str, expected a Loss"),
    ("a function for a loss", lambda: fit(loss=fcnn.softmax_cross_entropy_forward), TypeError,
     "fit: loss is a function, expected a Loss"),
    ("a learning rate for an optimizer", lambda: fit(optimizer=0.1), TypeError,
     "fit: optimizer is a float, expected an Optimizer"),
    ("a function for a model", lambda: fit(model=models.linear), TypeError,
     "fit: model is a function, expected a Layer"),
    ("a tree to start from", lambda: fit(start=PARAMS), TypeError,
     "fit: start is a tuple, expected an Epoch"),
    ("no function to call after a batch", lambda: fit(on_batch="print"), TypeError,
     "fit: on_batch is a str, expected a function"),
    ("training examples that weigh nothing",
     lambda: fit(loss=fcnn.smoothed_cross_entropy(class_weights=[0, 0, 1, 1])), ValueError,
     "fit: train: the examples weigh 0.0 in all, expected more than 0"),
    ("a loss that weighs in texts",
     lambda: fit(loss=fcnn.Loss("mine", print, print, lambda labels: "all")), TypeError,
     "mine: the weight is 'all', expected a number"),
    ("a number for an augmentation", lambda: fit(augment=5), TypeError,
     "fit: augment is an int, expected a function"),
    ("an augmentation to another dtype",
     lambda: fit(augment=lambda rng, x: x * rng.random(1)), TypeError,
     "fit: augment makes float64 of float32 inputs, expected the same dtype"),
    ("an augmentation that loses images", lambda: fit(augment=lambda rng, x: x[1:]), ValueError,
     "fit: augment makes shape (1, 1, 5, 5) of inputs of shape (2, 1, 5, 5), expected the same "
     "shape"),
    ("an augmentation that crops", lambda: fit(augment=lambda rng, x: x[..., 1:]), ValueError,
     "fit: augment makes shape (2, 1, 5, 4) of inputs of shape (2, 1, 5, 5), expected the same "
     "shape"),
    ("an augmentation that returns nothing", lambda: fit(augment=lambda rng, x: None), TypeError,
     "fit: what augment returns is None, expected a NumPy array"),
    ("an augmentation that returns its generator too",
     lambda: fit(augment=lambda rng, x: (x, rng)), TypeError,
     "fit: what augment returns is a tuple, expected a NumPy array"),
    ("a model that gives images", lambda: fit(model=conv2d(2), params=CONV), ValueError,
     "softmax_cross_entropy: logits has 4 axes (2, 2, 3, 3), expected 2 as (N, K)"),
    ("a model that does not fit the data",
     lambda: fit(model=models.lines_cnn(), params=OTHER), ValueError,
     "dense: x has D=16 values, but w expects D=144\n"
     "  x: (2, 16)   as (N, D)\n"
     "  w: (144, 32) as (D, K)\n"
     "in chain layer 7 (dense)"),
    # gradients, predictions and evaluations
    ("inputs without axes", lambda: GRADIENT(PARAMS, np.array(1, np.float32), LABELS), ValueError,
     "value_and_grad: x has no axes, expected a batch (N, ...)"),
    ("shards of none", lambda: fcnn.value_and_grad(MODEL, fcnn.cross_entropy, shard=0), ValueError,
     "value_and_grad: shard is 0, expected at least 1"),
    ("threads without end",
     lambda: fcnn.value_and_grad(MODEL, fcnn.cross_entropy, threads=10**20), ValueError,
     "value_and_grad: threads is 100000000000000000000, expected at most 2,147,483,647"),
    ("a seed for a generator of a step", lambda: GRADIENT(PARAMS, X, LABELS, 0), TypeError,
     "value_and_grad: rng is an int, expected a Generator"),
    ("more labels than inputs", lambda: GRADIENT(PARAMS, X, np.array([0, 1, 2])), ValueError,
     "value_and_grad: 2 inputs, but 3 labels"),
    ("an empty step", lambda: GRADIENT(PARAMS, X[:0], LABELS[:0]), ValueError,
     "value_and_grad: the batch is empty, N=0"),
    ("a prediction of nothing", lambda: fcnn.predict(MODEL, PARAMS, X[:0]), ValueError,
     "predict: x is empty, N=0, expected at least one example"),
    ("a prediction of a list", lambda: fcnn.predict(MODEL, PARAMS, [X]), TypeError,
     "predict: x is a list, expected a batch as a NumPy array"),
    ("a prediction of masked images",
     lambda: fcnn.predict(MODEL, PARAMS, np.ma.masked_array(X)), TypeError,
     "predict: x is a MaskedArray, expected a batch as a plain NumPy array"),
    ("a prediction by a class", lambda: fcnn.predict(fcnn.Layer, PARAMS, X), TypeError,
     "predict: model is a type, expected a Layer"),
    ("a prediction of bytes", lambda: fcnn.predict(MODEL, PARAMS, X.astype(np.uint8)), TypeError,
     "flatten: x is uint8, expected float32 or float64\n"
     "in chain layer 0 (flatten)"),
    ("one image without batch",
     lambda: fcnn.predict(models.lines_cnn(), OTHER, ones(1, 14, 14)), ValueError,
     "conv2d: x has 3 axes (1, 14, 14), expected 4 as (N, C, H, W)\n"
     "in chain layer 0 (conv2d)"),
    ("NaN in evaluated images", lambda: fcnn.evaluate(MODEL, PARAMS, NAN, LABELS), ValueError,
     "evaluate: x has 1 value that is not finite, the first, nan, at [1, 0, 1, 2]"),
    ("an evaluated label too large",
     lambda: fcnn.evaluate(MODEL, PARAMS, X, np.array([0, 4])), ValueError,
     "evaluate: label 4 is outside 0..3"),
    ("evaluated labels that are bools",
     lambda: fcnn.evaluate(MODEL, PARAMS, X, np.array([False, True])), TypeError,
     "evaluate: labels are bool, expected integer class indices"),
    ("an evaluated model that gives images",
     lambda: fcnn.evaluate(conv2d(2), CONV, X, LABELS), ValueError,
     "evaluate: the output has 4 axes (2, 2, 3, 3), expected 2 as (N, K)"),
    ("an evaluation with an optimizer",
     lambda: fcnn.evaluate(MODEL, PARAMS, X, LABELS, loss=SGD), TypeError,
     "evaluate: loss is an Optimizer, expected a Loss"),
    # sgd
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
    # layers and losses of one's own
    ("an output without a cache", lambda: gradient_of(returning(forward=V)), TypeError,
     "own: forward must return the tuple (output, cache), not an ndarray\n"
     "in chain layer 1 (own)"),
    ("an output, a cache and more", lambda: gradient_of(returning(forward=(V, (), ()))), TypeError,
     "own: forward must return the tuple (output, cache), not a tuple of 3\n"
     "in chain layer 1 (own)"),
    ("an output that is a list",
     lambda: gradient_of(returning(forward=(V.tolist(), ()))), TypeError,
     "own: the output is a list, expected a NumPy array\n"
     "in chain layer 1 (own)"),
    ("an output that is a number",
     lambda: fcnn.predict(returning(forward=(1.0, ())), (), V), TypeError,
     "own: the output is a float, expected a NumPy array"),
    ("an output of fewer examples",
     lambda: fcnn.predict(returning(forward=(V[:1], ())), (), V), ValueError,
     "predict: own gives outputs of shape (1, 4) for 2 examples"),
    ("an output of another dtype",
     lambda: gradient_of(returning(forward=(V.astype(float), ()))), TypeError,
     "dense_backward: dy is float64, but the output was float32\n"
     "in chain layer 0 (dense)"),
    ("gradients in another order", lambda: gradient_of(returning(backward=(V, ()))), TypeError,
     "own: dx is a tuple, expected a NumPy array\n"
     "in chain layer 1 (own)"),
    ("no gradient by x", lambda: gradient_of(returning(backward=((), None))), TypeError,
     "own: dx is None, expected a NumPy array\n"
     "in chain layer 1 (own)"),
    ("a gradient by x of another shape",
     lambda: gradient_of(returning(backward=((), V[:1]))), ValueError,
     "dense_backward: dy has shape (1, 4), the output had (2, 4)\n"
     "in chain layer 0 (dense)"),
    ("a gradient of one value", lambda: gradient_of(scale(ones(1)), ones(4)), ValueError,
     "value_and_grad: the gradient at [1] has shape (1,), the parameter (4,)"),
    ("a gradient of another dtype", lambda: gradient_of(scale(np.ones(4)), ones(4)), TypeError,
     "value_and_grad: the gradient at [1] is float64, the parameter float32"),
    ("a gradient that is no array", lambda: gradient_of(scale([1.0]), ones(4)), ValueError,
     "value_and_grad: parameters and gradient differ at [1]: a leaf against a list of 1"),
    ("a gradient that is a number", lambda: gradient_of(scale(1.0), ones(4)), TypeError,
     "value_and_grad: the gradient at [1] is a float, expected a NumPy array"),
    ("an init without a shape",
     lambda: chain(flatten, returning(init=())).init(RNG, (1, 5, 5)), TypeError,
     "own: init must return the tuple (params, out_shape), not a tuple of 0\n"
     "in chain layer 1 (own)"),
    ("an init that announces no shape",
     lambda: chain(returning(init=((), None)), dense(2)).init(RNG, (4,)), TypeError,
     "own: out_shape is None, expected a tuple of ints\n"
     "in chain layer 0 (own)"),
    ("a loss without a cache", lambda: mine(lambda outputs, labels: 1.0), TypeError,
     "mine: forward must return the tuple (loss, cache), not a float"),
    ("a loss that is an array",
     lambda: mine(lambda outputs, labels: (np.ones(2), outputs)), TypeError,
     "mine: the loss is array([1., 1.]), expected a number"),
    ("a loss that is complex", lambda: mine(lambda outputs, labels: (1j, outputs)), TypeError,
     "mine: the loss is 1j, expected a number"),
    ("a loss without a gradient", lambda: mine(backward=lambda cache: None), TypeError,
     "mine: the gradient is None, expected a NumPy array"),
    ("a loss whose gradient has another shape",
     lambda: mine(backward=lambda cache: cache[:1]), ValueError,
     "mine: the gradient has shape (1, 4), the outputs (2, 4)"),
    ("a loss whose gradient has another dtype",
     lambda: mine(backward=lambda cache: cache.astype(float)), TypeError,
     "mine: the gradient is float64, the outputs float32"),
    ("a loss of negative weight", lambda: mine(weight=lambda labels: -1), ValueError,
     "mine: the weight is -1.0, expected finite and at least 0"),
    ("a loss without weight", lambda: mine(weight=lambda labels: 0), ValueError,
     "value_and_grad: the examples weigh 0.0 in all, expected more than 0"),
    # trees
    ("trees of other keys",
     lambda: tree.map(np.add, TREE, {"w": ones(2), "c": ones(1)}), ValueError,
     "tree.map: the trees differ at ['b']: a leaf against nothing"),
    ("a list for a dict", lambda: tree.map(np.add, TREE, [ones(1), ones(2)]), ValueError,
     "tree.map: the trees differ at the root: a dict of 2 against a list of 2"),
    ("a leaf for a tree", lambda: tree.map(np.add, TREE, ones(2)), ValueError,
     "tree.map: the trees differ at the root: a dict of 2 against a leaf"),
    ("a longer tuple", lambda: tree.map(np.add, (1, 2), (1, 2, 3)), ValueError,
     "tree.map: the trees differ at [2]: nothing against a leaf"),
    ("None for a leaf", lambda: tree.map_with_path(print, (1, (2, 3)), (1, (2, None))), ValueError,
     "tree.map_with_path: the trees differ at [1][1]: a leaf against None"),
    ("no function to map", lambda: tree.map(None, TREE), TypeError,
     "tree.map: f is None, expected a function"),
    ("keys without order", lambda: tree.leaves({1: 2, "a": 3}), TypeError,
     "tree: the keys of a dict have no order: [1, 'a']"),
    ("a node that holds itself", lambda: tree.leaves(ROUND), ValueError,
     "tree: it is too deep, or a node of it holds itself"),
    ("nothing to reduce", lambda: tree.reduce(max, ()), ValueError,
     "tree.reduce: the tree has no leaves, and there is no initializer"),
    ("no function to reduce by", lambda: tree.reduce("max", TREE), TypeError,
     "tree.reduce: f is a str, expected a function"),
    ("an array for a truth value", lambda: tree.all((np.array([True, False]),)), ValueError,
     "tree.all: [0] is an ndarray, expected one truth value"),
    ("too few leaves", lambda: tree.unflatten(tree.structure(TREE), [1]), ValueError,
     "tree.unflatten: 1 leaves for 2 places"),
    ("too many leaves", lambda: tree.unflatten(tree.structure(TREE), [1, 2, 3]), ValueError,
     "tree.unflatten: 3 leaves for 2 places"),
    ("a tree for a structure", lambda: tree.unflatten(TREE, [1, 2]), TypeError,
     "tree.unflatten: structure is a dict, expected a Structure"),
    ("an array for leaves", lambda: tree.unflatten(tree.structure(TREE), ones(2)), TypeError,
     "tree.unflatten: leaves is an ndarray, expected a list of leaves"),
    ("a set of leaves", lambda: tree.unflatten(tree.structure(TREE), {1, 2}), TypeError,
     "tree.unflatten: leaves is a set, expected a list of leaves"),
    ("texts that are close", lambda: tree.allclose(("a",), ("a",)), TypeError,
     "tree.allclose: [0] is not an array of numbers"),
    ("trees of other structures that are close", lambda: tree.allclose(TREE, (1,)), ValueError,
     "tree.allclose: the trees differ at the root: a dict of 2 against a tuple of 1"),
    ("a negative tolerance", lambda: tree.allclose(TREE, TREE, rtol=-1), ValueError,
     "tree.allclose: rtol is -1.0, expected finite and at least 0"),
    # the gradient checker
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


@pytest.mark.parametrize(
    ("call", "error", "text"), [row[1:] for row in WRONG_CALLS], ids=[row[0] for row in WRONG_CALLS]
)
def test_a_wrong_call_gets_an_error_that_says_what_is_wrong(call, error, text):
    with pytest.raises(error) as caught:
        call()
    assert type(caught.value) is error
    assert str(caught.value) == text


@pytest.mark.parametrize(
    "wrong",
    [
        {"x": NAN}, {"test": (NAN, LABELS)}, {"validation": (NAN, LABELS)},
        {"labels": LABELS[:, None]}, {"labels": -LABELS},
        {"test": (X, LABELS * 1.0)}, {"batch_size": 3}, {"epochs": 0}, {"train": X}, {"seed": -1},
        {"threads": 0}, {"start": PARAMS}, {"on_batch": 3}, {"augment": 5},
        {"loss": None}, {"params": ("a",)},
    ],
)  # fmt: skip
def test_fit_refuses_at_once_and_not_when_the_first_record_is_asked_for(wrong):
    given = dict(wrong)
    settings = {
        "train": (given.pop("x", X), given.pop("labels", LABELS)),
        "model": MODEL, "params": PARAMS, "optimizer": SGD, "epochs": 1, "batch_size": 2, "seed": 0,
    }  # fmt: skip
    with pytest.raises((TypeError, ValueError)):
        fcnn.fit(**(settings | given))


@pytest.mark.parametrize("name", ["test", "validation"])
def test_a_label_that_the_model_does_not_know_is_noticed_at_the_first_step(name):
    steps = []
    with pytest.raises(ValueError, match=f"fit: {name}: label 4"):
        fit(
            x=ones(8, 1, 5, 5), labels=np.zeros(8, int), **{name: (X, np.array([0, 4]))},
            on_batch=lambda step, steps_in_all: steps.append(step),
        )  # fmt: skip
    assert steps == []


def test_nan_goes_in_and_comes_out_of_a_single_step_and_a_prediction():
    outputs = fcnn.predict(MODEL, PARAMS, NAN)
    assert np.isfinite(outputs[0]).all()
    assert np.isnan(outputs[1]).all()
    value, grads = GRADIENT(PARAMS, NAN, LABELS)
    assert np.isnan(value)
    assert np.isnan(grads[1].b).all()


def test_what_looks_wrong_and_is_not(tmp_path):
    with np.errstate(all="ignore"):
        greatest = X * np.finfo(np.float32).max  # finite, though the sum is not
        assert not np.isfinite(fcnn.evaluate(MODEL, PARAMS, greatest, LABELS).loss)
    np.save(tmp_path / "x.npy", X)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    (record,) = fit(x=mapped, labels=LABELS.astype(np.uint8), train=[mapped, LABELS])
    assert record.train_loss == fit()[0].train_loss
    rate = fcnn.sgd(lambda step: np.array(0.1), momentum=np.float32(0.5))
    assert tree.equal(rate.step(PARAMS, PARAMS, STATE)[0], SGD.step(PARAMS, PARAMS, STATE)[0])
    gradient = fcnn.value_and_grad(scale(ones()), fcnn.softmax_cross_entropy, shard=1)
    _, grads = gradient(ones(), V, LABELS)
    assert type(grads) is np.ndarray
    assert grads.shape == ()
    embedding = own(backward=lambda cache, dy: ((), None))  # on integers, say, there is no dx
    assert fcnn.value_and_grad(embedding, fcnn.softmax_cross_entropy)((), V, LABELS)[1] == ()
