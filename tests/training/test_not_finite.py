"""Which layer went wrong first: found in the output, the gradient, the parameters, anywhere."""

import numpy as np
import pytest

import fcnn
from fcnn import tree
from fcnn.training.not_finite import are_finite, first_not_finite

X, LABELS = np.random.default_rng(0).random((8, 1, 6, 6)).astype(np.float32), np.arange(8) % 3


def broken(where, value=np.nan):
    def forward(params, x, rng=None):
        return x * (value if where == "output" else 1), ()

    def backward(cache, dy):
        return (), dy * (value if where == "gradient" else 1)

    return fcnn.Layer("broken", lambda rng, shape: ((), shape), forward, backward)


def network(layer):
    inner = fcnn.chain(fcnn.relu, layer)
    return fcnn.chain(fcnn.conv2d(2, 3), inner, fcnn.flatten, fcnn.dense(3))


def found(model, params=None, x=X, loss=fcnn.softmax_cross_entropy):
    params = model.init(np.random.default_rng(0), (1, 6, 6))[0] if params is None else params
    halves = [(loss, x[:4], LABELS[:4], None), (loss, x[4:], LABELS[4:], None)]
    return first_not_finite(model, params, halves)


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("where", ["output", "gradient"])
def test_outputs_and_gradients_are_named_with_their_place(where, value):
    assert found(network(broken(where, value))) == f"the {where} of layer 1.1, broken"


def test_inputs_parameters_and_losses_are_told_apart():
    model = network(fcnn.relu)
    params, _ = model.init(np.random.default_rng(0), (1, 6, 6))
    x = X.copy()
    x[7, 0, 2, 2] = np.inf
    assert found(model, x=x) == "the inputs"
    spoilt = tree.map_with_path(
        lambda path, a: a * np.float32(np.nan) if path == "[3].b" else a, params
    )
    assert found(model, spoilt) == "the parameters of layer 3, dense(3)"
    fused = fcnn.softmax_cross_entropy
    endless = fcnn.Loss("endless", lambda y, t: (np.inf, fused.forward(y, t)[1]), fused.backward)
    assert found(model, loss=endless) == "the loss, endless"
    steep = fcnn.Loss("steep", fused.forward, lambda cache: fused.backward(cache) * np.inf)
    with np.errstate(invalid="ignore"):
        assert found(model, loss=steep) == "the gradient of the loss, steep"
    assert found(model) == "the sum over the shards of the batch"


def test_sums_that_overflow_are_still_finite_arrays():
    assert are_finite((np.full(9, 3e38, np.float32), np.zeros(0)))
    assert not are_finite([np.array([np.inf, -np.inf])])
    assert not are_finite({"a": np.array([1.0, np.nan])})


def test_fit_names_the_epoch_and_the_step_and_replays_what_was_drawn():
    def forward(params, x, rng=None):
        bad = rng is not None and rng.random() < 0.05
        return x * (np.nan if bad else 1), ()

    rare = fcnn.Layer("rare", lambda rng, shape: ((), shape), forward, lambda cache, dy: ((), dy))
    model = fcnn.chain(fcnn.flatten, rare, fcnn.dense(3))
    params, _ = model.init(np.random.default_rng(0), (1, 6, 6))
    train = np.tile(X, (40, 1, 1, 1)), np.tile(LABELS, 40)
    places = set()
    for seed in range(6):
        records = fcnn.fit(
            model, params, fcnn.sgd(0.01), train, epochs=99, batch_size=70, seed=seed, threads=1
        )
        with pytest.raises(fcnn.NotFiniteError) as error:
            list(records)
        place, reason = str(error.value).split(": ", 1)
        assert reason == "the loss is nan; first not finite: the output of layer 1, rare"
        places.add(place)
    assert len(places) >= 4


def test_a_gradient_that_is_not_finite_stops_before_it_spoils_the_parameters():
    model = fcnn.chain(fcnn.flatten, fcnn.dense(4), broken("gradient"), fcnn.dense(3))
    params, _ = model.init(np.random.default_rng(0), (1, 6, 6))
    with pytest.raises(
        fcnn.NotFiniteError,
        match=r"epoch 1, step 1: the loss is [0-9.]+; first not finite: "
        "the gradient of layer 2, broken",
    ):
        list(fcnn.fit(model, params, fcnn.sgd(0.1), (X, LABELS), epochs=1, batch_size=8, seed=0))
