"""Files of safetensors: the bits that were written come back. PyTorch's are in tests/pytorch."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
from drawn_networks import drawn_network
from wrong_calls import each_row, ones, own, refuses

import fcnn
from fcnn import tree
from fcnn.exchange import load_safetensors, save_safetensors, state_dict
from fcnn.networks.documents import layer_of

IN_SHAPE = (1, 2, 2)
MODEL = fcnn.chain(fcnn.flatten, fcnn.dense(3))
PARAMS, _ = MODEL.init(np.random.default_rng(0), IN_SHAPE)
PATH = Path("model.safetensors")


def save(params=PARAMS, **changed):
    given = {"path": PATH, "model": MODEL, "params": params, "in_shape": IN_SHAPE} | changed
    return save_safetensors(**given)


def load(**changed):
    return load_safetensors(**({"path": PATH, "model": MODEL, "in_shape": IN_SHAPE} | changed))


def bits(params):
    return [(leaf.dtype, leaf.shape, leaf.tobytes()) for leaf in tree.leaves(params)]


def write(**entries):
    """A file with such entries: dtype, shape, and the bytes."""
    header, data = {}, b""
    for name, (dtype, shape, content) in entries.items():
        offsets = [len(data), len(data) + len(content)]
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": offsets}
        data += content
    text = json.dumps(header).encode()
    PATH.write_bytes(len(text).to_bytes(8, "little") + text + data)


def entry(dtype, *shape):
    """Ones, as an entry of a file."""
    numbers = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8"}
    if dtype == "BF16":
        return dtype, shape, np.full(shape, 0x3F80, "<u2").tobytes()
    return dtype, shape, np.ones(shape, numbers[dtype]).tobytes()


def refused(call):
    """What a ValueError says; None if there is none."""
    try:
        call()
    except ValueError as error:
        return str(error)
    return None


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_same_bits_come_back(dtype):
    for seed in range(12):
        model, params, in_shape = drawn_network(seed, dtype)
        assert save(params, model=model, in_shape=in_shape) == 0
        found = load(model=model, in_shape=in_shape)
        assert tree.structure(found) == tree.structure(params)
        assert bits(found) == bits(params)
        for leaf in tree.leaves(found):
            assert leaf.flags.c_contiguous
            assert not leaf.flags.writeable


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_so_do_zeros_of_both_signs_and_the_least_and_greatest_numbers(dtype):
    form = np.finfo(dtype)
    special = [0, -0.0, form.smallest_subnormal, -form.tiny, form.tiny / 2, form.eps]
    w = np.array([*special, *np.negative(special)], dtype).reshape(4, 3)
    b = np.array([-0.0, form.max, -form.smallest_subnormal], dtype)
    params = ((), fcnn.DenseParams(w, b))
    save(params)
    assert bits(load()) == bits(params)


@pytest.mark.parametrize("order", ["C", "F"])
def test_transposed_arrays_are_written_as_what_they_hold(order):
    """Weights of dense layers are: PyTorch's layout is a transposed view of fcnn's."""
    w = np.asarray(np.arange(12, dtype=np.float32).reshape(4, 3), order=order)
    save(((), fcnn.DenseParams(w, PARAMS[1].b)))
    assert np.array_equal(safetensors.numpy.load_file(PATH)["1.weight"], w.T)
    assert np.array_equal(load()[1].w, w)


def test_safetensors_reads_the_names_and_layouts_of_state_dict():
    model, params, in_shape = drawn_network(3)
    save(params, model=model, in_shape=in_shape)
    found, expected = safetensors.numpy.load_file(PATH), state_dict(model, params)
    assert found.keys() == expected.keys()
    assert all(np.array_equal(found[name], expected[name]) for name in expected)


def test_the_metadata_says_what_network_it_is():
    model, params, in_shape = drawn_network(5)
    save(params, model=model, in_shape=in_shape, labels=["a", "ß"], preparation="mnist")
    with safetensors.safe_open(PATH, "numpy") as file:
        about = json.loads(file.metadata()["fcnn"])
    assert about["fcnn"] == fcnn.__version__
    assert (about["in_shape"], about["labels"]) == ([*in_shape], ["a", "ß"])
    assert about["preparation"] == "mnist"
    again = layer_of(about["network"])
    x = np.random.default_rng(0).random((3, *in_shape), np.float32)
    found = load(model=again, in_shape=tuple(about["in_shape"]))
    assert np.array_equal(fcnn.predict(again, found, x), fcnn.predict(model, params, x))


def test_a_network_without_parameters_has_a_file_too():
    assert save((), model=fcnn.relu) == 0
    assert load(model=fcnn.relu) == ()


@pytest.mark.parametrize(
    ("dtypes", "expected"),
    [
        (("F32", "F32"), "float32"),
        (("F64", "F64"), "float64"),
        (("F16", "F16"), "float32"),
        (("BF16", "BF16"), "float32"),
        (("BF16", "F64"), "float64"),
    ],
)
def test_floats_of_any_length_are_read(dtypes, expected):
    write(**{"1.weight": entry(dtypes[0], 3, 4), "1.bias": entry(dtypes[1], 3)})
    assert bits(load()) == bits(
        ((), fcnn.DenseParams(ones(4, 3, dtype=expected), ones(3, dtype=expected)))
    )


def test_bfloat16_is_the_upper_half_of_float32():
    numbers = np.array([1.5, -0.0, 2.0**-130, 3.0e38], np.float32).view(np.uint32) >> 16
    write(weight=("BF16", [1, 4], numbers.astype("<u2").tobytes()))
    found = load(model=fcnn.dense(1, bias=False), in_shape=(4,))
    assert np.array_equal(found.w[:, 0].view(np.uint32) >> 16, numbers)


def test_names_are_given_as_for_from_state_dict():
    tracked = entry("I64")
    write(
        **{
            "fc.weight": entry("F32", 3, 4),
            "fc.bias": entry("F32", 3),
            "bn.num_batches_tracked": tracked,
        }
    )
    assert tree.equal(load(rename={"fc": "1"}), ((), fcnn.DenseParams(ones(4, 3), ones(3))))


@pytest.mark.parametrize("params", [PARAMS, tree.map(lambda a: a.astype(np.float64), PARAMS)])
def test_what_safetensors_would_read_otherwise_is_not_written(params, monkeypatch):
    """Also where the outputs are the same to 1e-4."""
    written = safetensors.numpy.save

    def rounding(state, metadata):
        return written({name: a + np.spacing(a) for name, a in state.items()}, metadata)

    PATH.write_text("old")
    monkeypatch.setattr(safetensors.numpy, "save", rounding)
    with pytest.raises(ValueError, match="nothing is written: safetensors would read other"):
        save(params)
    assert PATH.read_text() == "old"
    assert [*Path().iterdir()] == [PATH]


def test_every_damaged_file_is_refused_by_its_name_or_read_as_its_bytes_say():
    save()
    whole = PATH.read_bytes()
    header = 8 + int.from_bytes(whole[:8], "little")
    damaged = [whole[:length] for length in range(0, len(whole), 7)]
    damaged += [whole[:i] + b"!" + whole[i + 1 :] for i in range(header)]
    damaged += [whole + b"\0", whole[:header] + whole[header + 4 :]]
    read = 0
    for content in damaged:
        PATH.write_bytes(content)
        told = refused(load)
        if told is None:
            read += 1
            assert bits(load()) == bits(PARAMS)
        else:
            assert told.startswith(f"load_safetensors: {PATH} ")
    assert 0 < read < len(damaged) / 2  # damage to the text about the network, which is not read


@pytest.mark.parametrize(
    "entries",
    [
        {"a": ("F32", [2**40, 2**40], b"1234")},
        {"a": ("F32", [2**62, 4], b"")},
        {"a": ("F32", [0, 2**63], b"")},
        {"a": ("F32", [-1], b"1234")},
        {"a": ("F32", [1] * 70, b"1234")},
        {"a": ("F8_E4M3", [1], b"1")},
        {"a": ("I32", [1], b"1234")},
        {"a": ("C64", [1], b"12345678")},
        {"a\n\x1b[2J": ("I32", [1], b"1234")},
        {"a\n\x1b[2J": ("F32", [1], b"1234")},
        {f"a{i}": ("F32", [1], b"1234") for i in range(9999)},
        {"a" * 10_000: ("F32", [1], b"1234")},
    ],
    ids=lambda entries: str(entries)[:40].encode("unicode_escape").decode(),
)
def test_hostile_files_are_refused_in_few_words(entries):
    write(**entries)
    with pytest.raises(ValueError, match=rf"^load_safetensors: {PATH} ") as caught:
        load()
    assert len(str(caught.value)) < 10_000
    assert str(caught.value).replace("\n", "").isprintable()


def test_what_does_not_fit_is_told_with_both_lists_of_names_and_shapes():
    write(**{"1.weight": entry("F32", 3, 5), "fc.bias": entry("F32", 3)})
    refuses(
        load,
        ValueError,
        f"""\
load_safetensors: {PATH} does not fit the network: 1 missing, 1 not expected, 1 of another shape
the network            what is given
1.weight     (3, 4)    1.weight       (3, 5)
1.bias       (3,)      fc.bias        (3,)""",
    )


def test_without_the_extra_both_say_what_to_install(monkeypatch):
    save()
    monkeypatch.setitem(sys.modules, "safetensors", None)
    monkeypatch.delitem(sys.modules, "safetensors.numpy")
    for name, call in (("save", save), ("load", load)):
        with pytest.raises(
            ImportError, match=rf"^{name}_safetensors needs safetensors.*"
        ) as caught:
            call()
        assert str(caught.value).endswith("pip install 'fcnn[safetensors]'")


def gain(setting=2.0, weights=()):
    """A layer of one's own."""
    return own(init=lambda rng, in_shape: (weights, in_shape), settings={"by": setting})


def test_a_layer_of_ones_own_without_parameters_is_named_in_the_metadata():
    model = fcnn.chain(gain(), *MODEL.children)
    save(((), *PARAMS), model=model)
    with safetensors.safe_open(PATH, "numpy") as file:
        about = json.loads(file.metadata()["fcnn"])
    assert about["network"]["children"][0] == {"own": "own", "settings": {"by": 2.0}}
    assert bits(load(model=model)) == bits(((), *PARAMS))


@each_row(
    [
        ("two dtypes", lambda: save(((), fcnn.DenseParams(ones(4, 3), ones(3, dtype="f8")))),
         TypeError,
         "save_safetensors: [1].w is float32, but [1].b is float64; all must be float32 "
         "or all float64"),
        ("own", lambda: save((ones(1),), model=fcnn.chain(fcnn.residual(gain(1, ones(1))))),
         ValueError,
         "save_safetensors: PyTorch has no names for the parameters of own, a layer of "
         "one's own\n"
         "in residual layer 0 (own)\n"
         "in chain layer 0 (residual)"),
        ("settings", lambda: save(((),), model=fcnn.chain(gain(len))), ValueError,
         "save_safetensors: the setting by of own is a builtin_function_or_method, which "
         "a document cannot hold\n"
         "in chain layer 0 (own)"),
    ]
)  # fmt: skip
def test_wrong_calls_of_save_safetensors(call, error, text):
    refuses(call, error, text)
    assert not [*Path().iterdir()]


@each_row(
    [
        ("no path", lambda: load(path=None), TypeError,
         "load_safetensors: path is None, expected a path"),
        ("model", lambda: load(model="chain"), TypeError,
         "load_safetensors: model is a str, expected a Layer"),
        ("shape", lambda: load(in_shape="12"), TypeError,
         "load_safetensors: in_shape is '12', expected a tuple of ints"),
        ("rename", lambda: load(rename=3), TypeError,
         "load_safetensors: model.safetensors: rename is 3, expected a dict of strings"),
        ("prefix", lambda: load(rename={"conv1": "0"}), ValueError,
         "load_safetensors: model.safetensors: unknown prefix in rename 'conv1'. Known: 1"),
        ("another in_shape", lambda: load(in_shape=(1, 2, 3)), ValueError,
         "load_safetensors: model.safetensors does not fit the network: 0 missing, 0 not "
         "expected, 1 of another shape\n"
         "the network             what is given\n"
         "1.weight     (3, 6)     1.weight       (3, 4)\n"
         "1.bias       (3,)    =  1.bias         (3,)"),
        ("folder", lambda: load(path=Path()), ValueError,
         "load_safetensors: . cannot be read as safetensors: [Errno 21] Is a directory: '.'"),
        ("own params", lambda: load(model=gain(1, ones(1))), ValueError,
         "load_safetensors: PyTorch has no names for the parameters of own, a layer of "
         "one's own"),
    ]
)  # fmt: skip
def test_wrong_calls_of_load_safetensors(call, error, text):
    save()
    refuses(call, error, text)


def test_a_file_that_is_not_there():
    with pytest.raises(FileNotFoundError):
        load()
