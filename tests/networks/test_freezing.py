"""Fine-tuning: frozen leaves keep their bits, and frozen batch_norm is in inference mode."""

import sys

import attrs
import numpy as np
import pytest
from worlds import in_a_world

import fcnn
from fcnn import tree
from fcnn.networks.freezing import with_frozen

RNG = np.random.default_rng
CONV = fcnn.conv2d(2, 3, padding="same")
NETWORK = fcnn.chain(
    CONV, fcnn.batch_norm(epsilon=0.1), fcnn.relu,
    fcnn.residual(fcnn.chain(CONV, fcnn.batch_norm(), fcnn.dropout(0.5))),
    fcnn.parallel(fcnn.chain(CONV, fcnn.batch_norm()), fcnn.relu, fcnn.residual(fcnn.batch_norm())),
    fcnn.flatten, fcnn.dense(5), fcnn.batch_norm(), fcnn.dense(3),
)  # fmt: skip
# Where its batch_norms are.
NORMS = ["[1]", "[3][1]", "[4][0][1]", "[4][2]", "[7]"]
X, LABELS = RNG(0).standard_normal((90, 2, 6, 6)).astype(np.float32), np.arange(90) % 3
BEGINNING, _ = NETWORK.init(RNG(0), (2, 6, 6))
PARAMS = fcnn.calibrate(NETWORK, BEGINNING, 3 + 2 * X)


def trained_for(trained, *, model=NETWORK, epochs=2, params=PARAMS, **given):
    *_, last = fcnn.fit(
        model, params, fcnn.masked(fcnn.sgd(0.01, 0.9), trained), (X, LABELS), epochs=epochs,
        batch_size=40, seed=0, **given,
    )  # fmt: skip
    return last


def bits(params, rule=lambda path: True):
    return {path: leaf.tobytes() for path, leaf in tree.leaves_with_path(params) if rule(path)}


def statistics(params):
    return bits(params, lambda path: path.endswith((".mean", ".var")))


@pytest.mark.parametrize("place", [*NORMS, "[4]", "[8]", ("[0]", "[1].shift")])
def test_what_is_frozen_keeps_its_bits_and_all_else_changes(place):
    def frozen(path):
        return path.startswith(place)

    after = bits(trained_for(lambda path: not frozen(path)).params)
    before = bits(PARAMS)
    assert any(map(frozen, before))
    for path, leaf in after.items():
        assert (leaf == before[path]) == frozen(path), path


def test_a_frozen_batch_norm_is_in_inference_mode_wherever_it_is():
    """Training then is that of a network with the maps that they are, written out."""

    def plain(norm):
        """A layer with the same parameters, which is a map of x whatever the mode."""
        return attrs.evolve(
            norm,
            forward=lambda params, x, rng=None: norm.forward(params, x),
            needs_rng=False,
            calibrate=None,
        )

    def written_out(layer):
        if layer.make is not None and layer.children:
            return layer.make(*map(written_out, layer.children), **layer.settings)
        return plain(layer) if layer.name == "batch_norm" else layer

    def rule(path):
        return not path.startswith(tuple(NORMS))

    found, expected = trained_for(rule), trained_for(rule, model=written_out(NETWORK))
    assert bits(found.params) == bits(expected.params)
    assert found.train_loss == expected.train_loss
    assert statistics(found.params) == statistics(PARAMS)


def test_a_frozen_network_prints_as_it_did_and_needs_no_rng_where_no_layer_does():
    model = fcnn.chain(fcnn.residual(fcnn.batch_norm(epsilon=0.5)), fcnn.dense(3))
    params, _ = model.init(RNG(0), (3,))
    frozen = with_frozen(model, tree.map_with_path(lambda path, leaf: path == "[1].w", params))
    assert repr(frozen) == repr(model)
    assert model.needs_rng
    assert model.calibrate
    assert not frozen.needs_rng
    assert frozen.calibrate is None


def test_layers_above_frozen_statistics_are_calibrated_to_what_comes_of_them():
    """With the trained scale and the kept mean of the layer below, not with the sample's."""
    model = fcnn.chain(fcnn.batch_norm(), fcnn.batch_norm(), fcnn.dense(3))
    params, _ = model.init(RNG(0), (4,))
    x = (5 + 3 * RNG(1).standard_normal((80, 4))).astype(np.float32)
    optimizer = fcnn.masked(fcnn.sgd(0.1), lambda path: path not in ("[0].mean", "[0].var"))
    (record,) = fcnn.fit(
        model, params, optimizer, (x, np.arange(80) % 3), epochs=1, batch_size=40, seed=0
    )
    after = record.params
    assert statistics(after[0]) == statistics(params[0])
    assert not np.array_equal(after[0].scale, params[0].scale)
    y = after[0].scale * x / np.sqrt(np.float32(1 + 1e-5)) + after[0].shift
    assert np.allclose(after[1].mean, y.mean(0), rtol=1e-5)
    assert np.allclose(after[1].var, y.var(0), rtol=1e-4)


@pytest.mark.parametrize("places", [["[8]"], ["[7]", "[8]"], ["[4][0][0]", "[8]"], ["[0]"]])
def test_trained_leaves_get_the_gradients_they_would_get_and_frozen_ones_zeros(places):
    """With batch_norms that are all in inference mode, which no gradient shows."""
    mask = tree.map_with_path(lambda path, leaf: path.startswith(tuple(places)), PARAMS)
    norms = tree.map_with_path(lambda path, leaf: not path.startswith(tuple(NORMS)), PARAMS)
    frozen = with_frozen(NETWORK, tree.map(lambda one, other: one and other, mask, norms))

    def gradients(model):
        f = fcnn.value_and_grad(model, fcnn.softmax_cross_entropy, threads=1)
        return f(PARAMS, X, LABELS, RNG(1))

    (value, found), (other, whole) = gradients(frozen), gradients(with_frozen(NETWORK, norms))
    assert value == other
    for path, leaf in tree.leaves_with_path(found):
        if not path.startswith(tuple(places)) or path.startswith(tuple(NORMS)):
            assert not leaf.any(), path
    for place in places:
        if place not in NORMS:
            assert bits(found, lambda path, place=place: path.startswith(place)) == bits(
                whole, lambda path, place=place: path.startswith(place)
            )


def test_nothing_below_the_lowest_trained_layer_is_gone_back_through():
    gone_back = []

    def spy(name):
        def backward(cache, dy):
            gone_back.append(name)
            return {"w": dy.sum()[None]}, dy

        return fcnn.Layer(
            name,
            init=lambda rng, shape: ({"w": np.ones(1, np.float32)}, shape),
            forward=lambda params, x, rng=None: (x, ()),
            backward=backward,
        )

    model = fcnn.chain(
        spy("a"), fcnn.residual(spy("b")), fcnn.parallel(spy("c"), spy("d"), merge="add"),
        fcnn.chain(spy("e"), spy("f")), fcnn.dense(3),
    )  # fmt: skip
    params, _ = model.init(RNG(0), (4,))
    x = RNG(1).standard_normal((20, 4)).astype(np.float32)
    for trained, expected in [
        ("[4]", []), ("[3][1]", ["f"]), ("[3]", ["f", "e"]), ("[2][1]", ["f", "e", "d"]),
        ("[1]", ["f", "e", "c", "d", "b"]), ("[0]", ["f", "e", "c", "d", "b", "a"]),
    ]:  # fmt: skip
        gone_back.clear()
        optimizer = fcnn.masked(fcnn.sgd(0.1), lambda path, own=trained: path.startswith(own))
        list(
            fcnn.fit(
                model, params, optimizer, (x, np.arange(20) % 3), epochs=1, batch_size=20, seed=0,
                threads=1,
            )
        )  # fmt: skip
        assert gone_back == expected, trained


def test_a_layer_of_ones_own_with_statistics_is_frozen_too():
    modes = []

    def forward(params, x, rng=None):
        modes.append(rng is not None)
        return x - params["mean"], ()

    own = fcnn.Layer(
        "own",
        init=lambda rng, shape: ({"mean": np.zeros(shape, np.float32)}, shape),
        forward=forward,
        backward=lambda cache, dy: ({"mean": -dy.sum(0)}, dy),
        needs_rng=True,
        calibrate=lambda params, x: ({"mean": x.mean(0)}, x - x.mean(0)),
    )
    model = fcnn.chain(own, fcnn.flatten, fcnn.dense(3))
    params, _ = model.init(RNG(0), (2, 6, 6))
    after = trained_for(lambda path: path != "[0]['mean']", model=model, params=params, threads=1)
    assert not after.params[0]["mean"].any()
    assert set(modes) == {False}
    modes.clear()
    after = trained_for(lambda path: True, model=model, params=params, threads=1)
    assert after.params[0]["mean"].any()
    assert True in modes


def test_a_batch_of_one_that_a_trained_batch_norm_refuses_a_frozen_one_takes():
    model = fcnn.chain(fcnn.flatten, fcnn.dense(4), fcnn.batch_norm(), fcnn.dense(3))
    params, _ = model.init(RNG(0), (2, 6, 6))
    given = {"epochs": 1, "batch_size": 1, "seed": 0, "threads": 1}
    with pytest.raises(ValueError, match="one value per channel has no variance"):
        list(fcnn.fit(model, params, fcnn.sgd(0.1), (X[:3], LABELS[:3]), **given))
    optimizer = fcnn.masked(fcnn.sgd(0.1), lambda path: not path.startswith("[2]"))
    (record,) = fcnn.fit(model, params, optimizer, (X[:3], LABELS[:3]), **given)
    assert bits(record.params[2]) == bits(params[2])


@pytest.mark.skipif(sys.platform != "linux", reason="processes are for Linux")
def test_the_bits_are_those_of_one_thread_for_any_number_of_processes():
    def rule(path):
        return path.startswith(("[3]", "[7].s", "[8]"))

    one = bits(trained_for(rule, threads=1).params)
    assert bits(trained_for(rule, threads=2).params) == one
    found = in_a_world(3, lambda world: bits(trained_for(rule, threads=1, world=world).params))
    assert found == [one] * 3


def test_a_run_goes_on_bit_for_bit_from_a_checkpoint(tmp_path):
    def rule(path):
        return path.startswith(("[1]", "[8]"))

    first = trained_for(rule, epochs=1)
    fcnn.save_checkpoint(tmp_path / "first.npz", first)
    optimizer = fcnn.masked(fcnn.sgd(0.01, 0.9), rule)
    start = fcnn.load_checkpoint(tmp_path / "first.npz", NETWORK, optimizer)
    whole, resumed = trained_for(rule), trained_for(rule, start=start)
    assert bits((whole.params, whole.state)) == bits((resumed.params, resumed.state))


def test_what_an_optimizer_says_it_trains_must_be_like_the_parameters():
    optimizer = attrs.evolve(fcnn.sgd(0.1), trained=lambda params: (True,))
    with pytest.raises(
        ValueError, match="fit: parameters and what the optimizer trains: the trees"
    ):
        fcnn.fit(NETWORK, PARAMS, optimizer, (X, LABELS), epochs=1, batch_size=40, seed=0)
