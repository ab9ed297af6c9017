"""Wrong calls of what trains, predicts and evaluates, and the exact error that each gets.

A row: what is wrong, the call, the exception's type, its whole text.
"""

import numpy as np
import pytest
from wrong_calls import (
    CONV,
    GRADIENT,
    LABELS,
    MODEL,
    NO_FLOATS,
    NORM,
    OTHER,
    PARAMS,
    RNG,
    V,
    X,
    each_row,
    ones,
    own,
    refuses,
)

import fcnn
from fcnn import chain, conv2d, dense, flatten, models, softmax, tree

NAN = np.where(np.arange(50).reshape(X.shape) == 32, np.float32(np.nan), X)
SGD = fcnn.sgd(0.1)
STATE = SGD.init(PARAMS)


def calibrate_of(result):
    layer = own(calibrate=lambda params, x: result)
    return fcnn.calibrate(chain(layer), ((),), V)


def fit(x=X, labels=LABELS, **changed):
    settings = {
        "model": MODEL, "params": PARAMS, "optimizer": SGD, "train": (x, labels),
        "epochs": 1, "batch_size": 2, "seed": 0,
    }  # fmt: skip
    return list(fcnn.fit(**(settings | changed)))


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


def weighted_by(each):
    """Training with weights, by a loss that says so of what each example adds."""
    soft = fcnn.softmax_cross_entropy
    mine = fcnn.Loss("mine", soft.forward, soft.backward, each=each)
    return fit(weights=np.array([1.0, 2.0]), loss=mine)


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
     "fit: train: x is empty, N=0, expected at least one example"),
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
    ("a weight too few", lambda: fit(weights=ones(1)), ValueError,
     "fit: weights have shape (1,), expected (2,) as (N,)"),
    ("weights as a column", lambda: fit(weights=ones(2, 1)), ValueError,
     "fit: weights have shape (2, 1), expected (2,) as (N,)"),
    ("a negative weight", lambda: fit(weights=np.array([1, -1])), ValueError,
     "fit: the weight of example 1 is -1.0, expected finite and at least 0"),
    ("a weight that is not a number", lambda: fit(weights=np.array([np.nan, 1])), ValueError,
     "fit: the weight of example 0 is nan, expected finite and at least 0"),
    ("an infinite weight", lambda: fit(weights=np.array([1, np.inf])), ValueError,
     "fit: the weight of example 1 is inf, expected finite and at least 0"),
    ("weights of nothing", lambda: fit(weights=np.zeros(2)), ValueError,
     "fit: weights: the examples weigh 0.0 in all, expected more than 0"),
    ("weights in a list", lambda: fit(weights=[1.0, 2.0]), TypeError,
     "fit: weights is a list, expected a NumPy array"),
    ("masked weights", lambda: fit(weights=np.ma.masked_array([1.0, 2.0])), TypeError,
     "fit: weights is a MaskedArray, expected a plain NumPy array"),
    ("weights that are bools", lambda: fit(weights=np.array([True, False])), TypeError,
     "fit: weights are bool, expected numbers"),
    ("weights that are complex", lambda: fit(weights=np.array([1j, 1])), TypeError,
     "fit: weights are complex128, expected numbers"),
    ("weights of a loss that does not say what an example adds",
     lambda: fit(weights=ones(2), loss=fcnn.Loss("mine", print, print)), ValueError,
     "mine: has no `each`, and so examples cannot have weights"),
    ("a loss that says it in another shape", lambda: weighted_by(lambda y, t: y), ValueError,
     "mine: what each returns has shape (2, 4), expected (2,) as (N,)"),
    ("a loss that says it in a list", lambda: weighted_by(lambda y, t: [1.0, 2.0]), TypeError,
     "mine: what each returns is a list, expected a NumPy array"),
    ("a loss that says it in whole numbers", lambda: weighted_by(lambda y, t: t), TypeError,
     "mine: what each returns is int64, expected float32 or float64"),
    ("a number for what an example adds", lambda: weighted_by(1.0), TypeError,
     "Loss: each is a float, expected a function"),
    ("a number for an augmentation", lambda: fit(augment=5), TypeError,
     "fit: augment is an int, expected a function"),
    ("an augmentation to another dtype",
     lambda: fit(augment=lambda rng, x: x * rng.random(1)), TypeError,
     "fit: what augment returns is float64, what it was given float32"),
    ("an augmentation that loses images", lambda: fit(augment=lambda rng, x: x[1:]), ValueError,
     "fit: what augment returns has shape (1, 1, 5, 5), what it was given (2, 1, 5, 5)"),
    ("an augmentation that crops", lambda: fit(augment=lambda rng, x: x[..., 1:]), ValueError,
     "fit: what augment returns has shape (2, 1, 5, 4), what it was given (2, 1, 5, 5)"),
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
     "value_and_grad: x is empty, N=0, expected at least one example"),
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
    # parameters
    ("an epsilon of a layer that is 0 in float32",
     lambda: fcnn.predict(fcnn.batch_norm(epsilon=1e-50), NORM, X), ValueError,
     "batch_norm: epsilon is 1e-50, which is 0.0 in float32"),
    ("a calibration without parameters", lambda: calibrate_of(V), TypeError,
     "own: calibrate must return the tuple (params, output), not an ndarray\n"
     "in chain layer 0 (own)"),
    ("a calibration without an output", lambda: calibrate_of(((), None)), TypeError,
     "own: the output is None, expected a NumPy array\n"
     "in chain layer 0 (own)"),
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
     "dense_backward: dy is float64, the output float32\n"
     "in chain layer 0 (dense)"),
    ("gradients in another order", lambda: gradient_of(returning(backward=(V, ()))), TypeError,
     "own: dx is a tuple, expected a NumPy array\n"
     "in chain layer 1 (own)"),
    ("no gradient by x", lambda: gradient_of(returning(backward=((), None))), TypeError,
     "own: dx is None, expected a NumPy array\n"
     "in chain layer 1 (own)"),
    ("a gradient by x of another shape",
     lambda: gradient_of(returning(backward=((), V[:1]))), ValueError,
     "dense_backward: dy has shape (1, 4), the output (2, 4)\n"
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
]  # fmt: skip


@each_row(WRONG_CALLS)
def test_a_wrong_call_gets_an_error_that_says_what_is_wrong(call, error, text):
    refuses(call, error, text)


# These leave the dtype to the layers and losses that they run.
RUNNERS = [
    ("predict", lambda x: fcnn.predict(softmax, (), x)),
    ("value_and_grad", lambda x: GRADIENT(PARAMS, x, LABELS)),
    ("value_and_grad", lambda labels: GRADIENT(PARAMS, X, labels)),
    ("evaluate", lambda x: fcnn.evaluate(MODEL, PARAMS, x, LABELS)),
    ("evaluate", lambda labels: fcnn.evaluate(MODEL, PARAMS, X, labels)),
]


@pytest.mark.parametrize(("name", "call"), RUNNERS)
def test_whatever_is_passed_for_examples_is_refused_by_what_runs_or_by_a_layer(name, call):
    inside = ("flatten: ", "dense: ", "softmax: ", "softmax_cross_entropy: ")
    for value in NO_FLOATS:
        with pytest.raises((TypeError, ValueError)) as caught:
            call(value)
        assert type(caught.value) in (TypeError, ValueError)
        assert str(caught.value).startswith((f"{name}: ", *inside))


@pytest.mark.parametrize(
    "wrong",
    [
        {"x": NAN}, {"test": (NAN, LABELS)}, {"validation": (NAN, LABELS)},
        {"labels": LABELS[:, None]}, {"labels": -LABELS},
        {"test": (X, LABELS * 1.0)}, {"batch_size": 3}, {"epochs": 0}, {"train": X}, {"seed": -1},
        {"threads": 0}, {"start": PARAMS}, {"on_batch": 3}, {"augment": 5},
        {"loss": None}, {"params": ("a",)}, {"weights": ones(3)}, {"weights": -ones(2)},
        {"weights": [1.0, 2.0]}, {"weights": np.zeros(2)},
        {"weights": ones(2), "loss": fcnn.Loss("mine", print, print)},
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
    assert type(fcnn.predict(MODEL, PARAMS, mapped)) is np.ndarray
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
