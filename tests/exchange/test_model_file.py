"""Files of save_model: what they hold comes back, bit for bit, and nothing else is written."""

import json
from pathlib import Path

import attrs
import numpy as np
import pytest
from wrong_calls import each_row, ones, own, refuses

import fcnn
from fcnn import load_model, save_model, tree
from fcnn.runs.model_by_name import MODELS

NETWORK = fcnn.chain(
    fcnn.conv2d(4, (3, 5), padding="same", dilation=2, groups=2, bias=False),
    fcnn.batch_norm(epsilon=1e-3), fcnn.leaky_relu(0.2),
    fcnn.residual(fcnn.chain(fcnn.conv2d(4, 1, initializer=fcnn.glorot_uniform), fcnn.gelu)),
    fcnn.parallel(fcnn.max_pool2d(2), fcnn.avg_pool2d(2), fcnn.conv2d(3, 2, stride=2)),
    fcnn.parallel(fcnn.tanh, fcnn.sigmoid, merge="add"), fcnn.dropout(0.25), fcnn.flatten,
    fcnn.dense(5, bias=False),
)  # fmt: skip
SMALL = fcnn.chain(fcnn.flatten, fcnn.dense(3))
PATH = Path("model.npz")


def params_of(model, in_shape, dtype=np.float32):
    """Parameters of no usual values."""
    rng = np.random.default_rng(3)
    initial, _ = model.init(np.random.default_rng(0), in_shape)
    return tree.map(lambda p: (rng.random(p.shape) + 0.1).astype(dtype), initial)


SMALL_PARAMS = params_of(SMALL, (1, 2, 2))


def gain(initial=1.0):
    """A layer of one's own: x times a number that is learned."""
    return own_gain(lambda y: y, {"initial": initial})


def own_gain(last, settings):
    return fcnn.Layer(
        "gain",
        init=lambda rng, in_shape: (np.full(1, settings.get("initial", 1), np.float32), in_shape),
        forward=lambda params, x, rng=None: (last(x * params), (params, x)),
        backward=lambda cache, dy: ((dy * cache[1]).sum(keepdims=True), dy * cache[0]),
        settings=settings,
    )


def little(rng, shape, fan_in, fan_out):
    return rng.random(shape) / 100


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_model_comes_back_bit_for_bit(dtype):
    params = params_of(NETWORK, (2, 8, 10), dtype)
    names = ["é", "x y", "漢", "4", "…"]
    apart = save_model(PATH, NETWORK, params, (2, 8, 10), labels=names, preparation="mnist")
    found = load_model(PATH)
    assert apart == 0
    assert isinstance(found, fcnn.SavedModel)
    assert repr(found.model) == repr(NETWORK)
    assert tree.equal(found.params, params)
    assert not any(leaf.flags.writeable for leaf in tree.leaves(found.params))
    assert (found.in_shape, found.labels) == ((2, 8, 10), tuple(names))
    assert found.preparation == "mnist"
    x = np.random.default_rng(1).random((4, 2, 8, 10)).astype(dtype)
    assert np.array_equal(
        fcnn.predict(found.model, found.params, x), fcnn.predict(NETWORK, params, x)
    )
    y, _ = found.model.forward(found.params, x, np.random.default_rng(2))
    assert np.array_equal(y, NETWORK.forward(params, x, np.random.default_rng(2))[0])


def test_every_model_of_fcnn_comes_back():
    for name in MODELS:
        model, in_shape = getattr(fcnn.models, name)(), (1, 28, 28)
        params, _ = model.init(np.random.default_rng(0), in_shape)
        assert save_model(PATH, model, params, in_shape) == 0
        found = load_model(str(PATH))
        assert (repr(found.model), found.labels, found.preparation) == (repr(model), None, None)
        assert tree.equal(found.params, params)


@pytest.mark.parametrize(
    ("model", "in_shape"), [(fcnn.relu, (2, 3)), (fcnn.dense(2), (4,)), (fcnn.chain(), (1,))]
)
def test_one_layer_is_a_network_too(model, in_shape):
    params, _ = model.init(np.random.default_rng(0), in_shape)
    assert save_model(PATH, model, params, in_shape) == 0
    assert tree.equal(load_model(PATH).params, params)


def test_the_file_is_one_that_numpy_reads():
    save_model(PATH, SMALL, SMALL_PARAMS, (1, 2, 2), labels=["a", "b"])
    with np.load(PATH, allow_pickle=False) as archive:
        assert sorted(archive) == ["[1].b", "[1].w", "network"]
        assert np.array_equal(archive["[1].w"], SMALL_PARAMS[1].w)
        assert json.loads(str(archive["network"])) == {
            "format": 1,
            "fcnn": fcnn.__version__,
            "network": {
                "layer": "chain",
                "children": [
                    {"layer": "flatten"},
                    {"layer": "dense", "settings": {"features": 3}},
                ],
            },
            "in_shape": [1, 2, 2],
            "labels": ["a", "b"],
            "preparation": None,
        }


def test_layers_of_ones_own_are_named_and_come_back_where_they_are_given():
    model = fcnn.chain(
        gain(2.0), fcnn.residual(gain(3.0)), gain(2.0), fcnn.dense(2, initializer=little)
    )
    params = params_of(model, (4,))
    assert save_model(PATH, model, params, (4,)) == 0
    found = load_model(PATH, layers={"gain": gain, "little": little})
    assert repr(found.model) == repr(model)
    assert tree.equal(found.params, params)
    with pytest.raises(ValueError, match=r"^load_model: model.npz: the layer gain is one of one's"):
        load_model(PATH)
    with pytest.raises(ValueError, match=r"the initializer little is one of one's own"):
        load_model(PATH, layers={"gain": gain})
    with pytest.raises(ValueError, match=r"gain: it made None, expected a Layer"):
        load_model(PATH, layers={"gain": lambda initial: None, "little": little})


def test_a_layer_itself_may_be_given():
    alone = own_gain(lambda y: y, {})
    save_model(PATH, fcnn.chain(alone), (ones(1),), (3,))
    assert load_model(PATH, layers={"gain": alone}).model.children == (alone,)


def test_two_layers_that_a_file_could_not_tell_apart_are_refused():
    twice, thrice = own_gain(lambda y: 2 * y, {}), own_gain(lambda y: 3 * y, {})
    other = attrs.evolve(thrice, backward=lambda cache, dy: (cache[0], dy))
    params = (ones(1), ones(1))
    text = r"save_model: nothing is written: .* outputs that are 3.3e-01 apart"
    with pytest.raises(ValueError, match=text):
        save_model(PATH, fcnn.chain(twice, thrice), params, (3,))
    text = r"^save_model: two layers are called gain, have the same settings, and are not the same"
    with pytest.raises(ValueError, match=text):
        save_model(PATH, fcnn.chain(thrice, fcnn.chain(other)), (ones(1), (ones(1),)), (3,))
    named = attrs.evolve(other, name="other")
    assert save_model(PATH, fcnn.chain(twice, twice, named), (*params, ones(1)), (3,)) == 0


def test_a_layer_and_an_initializer_of_one_name_are_refused():
    def named(rng, shape, fan_in, fan_out):
        return np.ones(shape)

    named.__name__ = "gain"
    model = fcnn.chain(gain(), fcnn.dense(1, initializer=named))
    params, _ = model.init(np.random.default_rng(0), (4,))
    with pytest.raises(ValueError, match="a layer and an initializer are both called gain"):
        save_model(PATH, model, params, (4,))


def test_a_combinator_of_ones_own_comes_back_with_its_layers():
    inner = fcnn.chain(gain(2.0), fcnn.dense(3))
    outer = attrs.evolve(inner, name="twice", make=None)
    params = params_of(outer, (4,))
    assert save_model(PATH, fcnn.chain(outer), (params,), (4,)) == 0
    found = load_model(PATH, layers={"gain": gain, "twice": lambda *layers: fcnn.chain(*layers)})
    assert tree.equal(found.params, (params,))


def test_what_fails_leaves_the_old_file():
    PATH.write_text("old")
    with pytest.raises(ValueError, match="nothing is written"):
        save_model(PATH, SMALL, tree.map(lambda p: p * np.nan, SMALL_PARAMS), (1, 2, 2))
    assert PATH.read_text() == "old"
    assert [*Path().iterdir()] == [PATH]


def test_a_network_that_is_too_long_for_the_reader_is_not_written():
    model = fcnn.chain(*[fcnn.relu] * 40_000)
    with pytest.raises(ValueError, match="expected one text of at most 500,000 characters"):
        save_model(PATH, model, ((),) * 40_000, (3,))
    assert not PATH.exists()


@pytest.mark.parametrize("function", ["forward", "backward", "apply"])
def test_a_layer_that_is_not_what_made_it_is_not_written(function):
    usual = fcnn.dense(3)
    replaced = attrs.evolve(usual, **{function: lambda *args: getattr(usual, function)(*args)})
    params, _ = usual.init(np.random.default_rng(0), (4,))
    with pytest.raises(ValueError, match=r"^save_model: a layer of the model has not the f"):
        save_model(PATH, fcnn.chain(replaced), (params,), (4,))
    assert [*Path().iterdir()] == []
    own = attrs.evolve(replaced, make=None)
    assert save_model(PATH, fcnn.chain(own), (params,), (4,)) == 0


WRONG_TEXTS = [
    ("[]", "it is no object"),
    ("", "Expecting value: line 1 column 1 (char 0)"),
    ('{"format": 1, "format": 1}', "a key comes twice: format"),
    ({"format": 2}, "it has format 2; this version of fcnn reads up to 1"),
    ({"format": True}, "it is no file of save_model: it has no format number"),
    ({"format": "1"}, "it is no file of save_model: it has no format number"),
    ({"labels": ...}, "it lacks labels"),
    ({"fcnn": ..., "network": ...}, "it lacks fcnn, network"),
    ({"label": []}, "unknown key 'label'; did you mean 'labels'? "
     "Known: format, fcnn, network, in_shape, labels, preparation"),
    ({"in_shape": 4}, "in_shape is 4, expected a tuple of ints"),
    ({"in_shape": [1, 2.0, 2]}, "in_shape is [1, 2.0, 2], expected a tuple of ints"),
    ({"in_shape": [True, 2, 2]}, "in_shape is [True, 2, 2], expected a tuple of ints"),
    ({"in_shape": [1, 2, 0]}, "in_shape is (1, 2, 0), expected sizes of at least 1"),
    ({"in_shape": [1, 2, 2**30]},
     "in_shape is (1, 2, 1073741824), expected at most 2,147,483,647 numbers"),
    ({"labels": "abc"}, "labels is a str, expected a list or null"),
    ({"labels": {"a": 1}}, "labels is a dict, expected a list or null"),
    ({"labels": [1]}, "labels, the names of classes, must be texts"),
    ({"labels": ["a", "\n"]}, "labels: '\\n' is no printable name of a class"),
    ({"labels": [*"abcd"]}, "there are 4 labels, but the model gives outputs (3,)"),
    ({"preparation": "code"}, "preparation is 'code', expected mnist or None"),
    ({"preparation": {}}, "preparation is {}, expected mnist or None"),
    ({"network": None}, "it is no layer of a document: None without a layer's name"),
    ({"network": {"layer": "dense", "settings": {"features": float("nan")}}},
     "dense: features is nan, expected an int"),
    ({"network": {"layer": "dropout", "settings": {"rate": float("inf")}}},
     "dropout: rate is inf, expected at least 0 and below 1"),
    ({"network": {"layer": "dense", "settings": {"features": 3}}},
     "dense: expects vectors (D,), got (1, 2, 2); put flatten before it"),
    ({"network": {"own": "__import__", "settings": {"name": "os"}}},
     "the layer __import__ is one of one's own, which a document only names: give it, as in "
     "layers={'__import__': __import__}"),
]  # fmt: skip


@pytest.mark.parametrize(("changed", "told"), WRONG_TEXTS, ids=[str(row[0]) for row in WRONG_TEXTS])
def test_what_is_wrong_in_a_file_is_told_with_its_path(changed, told):
    save_model(PATH, SMALL, SMALL_PARAMS, (1, 2, 2))
    with np.load(PATH) as archive:
        arrays = dict(archive)
    text = changed
    if not isinstance(changed, str):
        about = json.loads(arrays["network"].item()) | changed
        text = json.dumps({key: value for key, value in about.items() if value is not ...})
    np.savez(PATH, **arrays | {"network": np.array(text)})
    refuses(lambda: load_model(PATH), ValueError, f"load_model: model.npz: {told}")


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"[1].w": None}, "[1].w: missing in the file"),
        ({"[2].w": ones(1)}, "[2].w: not expected"),
        ({"[1].w": ones(3, 4)}, "[1].w: float32[3,4], expected float32[4,3]"),
        ({"[1].w": ones(4, 3, dtype=int)}, "[1].w: int64[4,3], expected float32[4,3]"),
    ],
)
def test_arrays_that_do_not_fit_the_network_are_told_by_their_paths(changed, told):
    save_model(PATH, SMALL, SMALL_PARAMS, (1, 2, 2))
    with np.load(PATH) as archive:
        arrays = {k: v for k, v in (dict(archive) | changed).items() if v is not None}
    np.savez(PATH, **arrays)
    text = f"load_model: model.npz does not fit:\n  {told}"
    refuses(lambda: load_model(PATH), ValueError, text)


WRONG_CALLS = [
    ("a setting", lambda: save_model(PATH, attrs.evolve(own(), settings={"a": {}}), (), (3,)),
     ValueError, "save_model: the setting a of own is a dict, which a document cannot hold"),
    ("infinity", lambda: save_model(PATH, attrs.evolve(own(), settings={"a": np.inf}), (), (3,)),
     ValueError, "save_model: Out of range float values are not JSON compliant"),
    ("no file", lambda: load_model("nowhere.npz"), FileNotFoundError,
     "[Errno 2] No such file or directory: 'nowhere.npz'"),
    ("layers", lambda: load_model(PATH, layers=[gain]), TypeError,
     "load_model: layers is a list, expected a dict"),
    ("a layer", lambda: load_model(PATH, layers={"gain": 3}), TypeError,
     "load_model: layers['gain'] is an int, expected a Layer, or a function of settings"),
]  # fmt: skip


@each_row(WRONG_CALLS)
def test_wrong_calls_are_refused(call, error, text):
    refuses(call, error, text)
    assert [*Path().iterdir()] == []
