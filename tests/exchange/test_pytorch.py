"""Parameters by the names of PyTorch; what PyTorch says of them is in tests/pytorch."""

import io

import ml_dtypes
import numpy as np
import pytest
from drawn_networks import drawn_network
from wrong_calls import each_row, ones, own, refuses

import fcnn
from fcnn import tree
from fcnn.exchange import from_state_dict, state_dict

MODEL = fcnn.chain(fcnn.conv2d(2), fcnn.batch_norm(), fcnn.flatten, fcnn.dense(3))
IN_SHAPE = (1, 4, 4)
PARAMS, _ = MODEL.init(np.random.default_rng(0), IN_SHAPE)
STATE = state_dict(MODEL, PARAMS)
HEAD = fcnn.chain(fcnn.flatten, fcnn.dense(3))
FITTING = {"1.weight": ones(3, 4), "1.bias": ones(3)}


def head(state, **settings):
    return from_state_dict(HEAD, state, (1, 2, 2), **settings)


def gain():
    """A layer of one's own, with parameters."""
    return own(init=lambda rng, in_shape: (ones(2), in_shape))


def test_names_and_layouts():
    assert {name: (a.shape, a.dtype.name) for name, a in STATE.items()} == {
        "0.weight": ((2, 1, 3, 3), "float32"),
        "0.bias": ((2,), "float32"),
        "1.weight": ((2,), "float32"),
        "1.bias": ((2,), "float32"),
        "1.running_mean": ((2,), "float32"),
        "1.running_var": ((2,), "float32"),
        "1.num_batches_tracked": ((), "int64"),
        "3.weight": ((3, 8), "float32"),
        "3.bias": ((3,), "float32"),
    }
    assert np.array_equal(STATE["3.weight"], PARAMS[3].w.T)
    assert np.array_equal(STATE["1.running_var"], PARAMS[1].var)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_parameters_come_back_with_the_same_bits(dtype):
    for seed in range(20):
        model, params, in_shape = drawn_network(seed, dtype)
        found = from_state_dict(model, state_dict(model, params), in_shape)
        assert tree.equal(found, params)
        for leaf in tree.leaves(found):
            assert leaf.flags.c_contiguous
            assert not leaf.flags.writeable


def test_what_is_given_are_copies_without_gaps_that_may_be_written_to():
    scattered = tree.map(lambda a: np.asfortranarray(np.repeat(a, 2, -1))[..., ::2], PARAMS)
    for name, array in state_dict(MODEL, scattered).items():
        assert np.array_equal(array, STATE[name])
        assert array.flags.c_contiguous
        array[...] = 7
    assert tree.equal(scattered, PARAMS)


def test_what_is_read_is_no_view_of_the_state():
    state = {name: array.copy() for name, array in STATE.items()}
    params = from_state_dict(MODEL, state, IN_SHAPE)
    for array in state.values():
        array[...] = 7
    assert tree.equal(params, PARAMS)


def test_the_count_of_batches_is_passed_over_whether_it_is_there_or_not():
    without = {name: a for name, a in STATE.items() if name != "1.num_batches_tracked"}
    for state in (without, without | {"1.num_batches_tracked": 12}):
        assert tree.equal(from_state_dict(MODEL, state, IN_SHAPE), PARAMS)


@pytest.mark.parametrize(
    ("dtypes", "expected"),
    [
        (("f4", "f4"), "float32"),
        (("f8", "f8"), "float64"),
        (("f4", "f8"), "float64"),
        (("f2", "f2"), "float32"),
        (("f2", "f8"), "float64"),
        ((">f4", ">f4"), "float32"),
        ((ml_dtypes.bfloat16, ml_dtypes.bfloat16), "float32"),
    ],
    ids=str,
)
def test_parameters_are_of_the_greater_precision_so_that_nothing_is_rounded(dtypes, expected):
    values = np.array([1.5, -0.0, 2.0**-9]), np.arange(12.0).reshape(3, 4)
    bias, weight = (a.astype(dtype) for a, dtype in zip(values, dtypes, strict=True))
    params = head({"1.weight": weight, "1.bias": bias})
    assert {leaf.dtype for leaf in tree.leaves(params)} == {np.dtype(expected)}
    assert np.array_equal(params[1].w, values[1].T)
    assert np.array_equal(params[1].b, values[0])
    assert np.signbit(params[1].b[1])


def test_values_may_be_whatever_numpy_makes_arrays_of():
    params = head({"1.weight": [[1.0] * 4] * 3, "1.bias": (1.0, 2.0, 3.0)})
    assert np.array_equal(params[1].b, [1, 2, 3])


def test_a_layer_of_ones_own_without_parameters_takes_a_number():
    model = fcnn.chain(own(), fcnn.flatten, fcnn.residual(own()), fcnn.dense(3))
    params, _ = model.init(np.random.default_rng(0), (1, 2, 2))
    state = state_dict(model, params)
    assert [*state] == ["3.weight", "3.bias"]
    assert tree.equal(from_state_dict(model, state, (1, 2, 2)), params)


@pytest.mark.parametrize(
    ("rename", "names"),
    [
        ({"a": "1"}, ["a.weight", "a.bias"]),
        ({"a.b.c": "1"}, ["a.b.c.weight", "a.b.c.bias"]),
        ({"a": "0", "a.b": "1"}, ["a.b.weight", "a.b.bias"]),  # the longest
        ({"a": ""}, ["a.1.weight", "a.1.bias"]),
        ({"": "1"}, ["weight", "bias"]),
        ({"": "9", "a": "1"}, ["a.weight", "a.bias"]),
        ({"w": "1.weight", "b": "1.bias"}, ["w", "b"]),  # a whole name
        ({"1": "", "": "1"}, ["1.1.weight", "bias"]),
        ({}, ["1.weight", "1.bias"]),
    ],
    ids=str,
)
def test_names_are_given_by_their_longest_beginning(rename, names):
    state = dict(zip(names, FITTING.values(), strict=True))
    assert tree.equal(head(state, rename=rename), head(FITTING))


def test_what_does_not_fit_is_told_with_both_lists_side_by_side():
    state = {
        "conv1.weight": ones(2, 1, 3, 3), "conv1.bias": ones(2), "bn.weight": ones(2),
        "bn.bias": ones(2), "bn.running_mean": ones(2), "bn.running_var": ones(2),
        "bn.num_batches_tracked": 5, "fc.weight": ones(3, 9), "fc.bias": ones(3),
        "fc.extra": ones(2),
    }  # fmt: skip
    refuses(
        lambda: from_state_dict(MODEL, state, IN_SHAPE, rename={"conv1": "0", "fc": "3"}),
        ValueError,
        """\
from_state_dict: the state does not fit the network: 4 missing, 5 not expected, 1 of another shape
the network                      what is given
0.weight        (2, 1, 3, 3)  =  0.weight         (2, 1, 3, 3)
0.bias          (2,)          =  0.bias           (2,)
1.weight        (2,)             bn.weight        (2,)
1.bias          (2,)             bn.bias          (2,)
1.running_mean  (2,)             bn.running_mean  (2,)
1.running_var   (2,)             bn.running_var   (2,)
3.weight        (3, 8)           3.weight         (3, 9)
3.bias          (3,)          =  3.bias           (3,)
                                 3.extra          (2,)""",
    )


def test_what_numpy_makes_no_array_of_is_refused_by_its_name():
    with pytest.raises(TypeError, match=r"^from_state_dict: 1\.bias is a list, and no array: "):
        head(FITTING | {"1.bias": [[1.0], 2.0]})
    file = io.BufferedReader(io.BytesIO())  # it has a method `detach`, as tensors have
    with pytest.raises(TypeError, match=r"^from_state_dict: 1\.bias is a BufferedReader, and no"):
        head(FITTING | {"1.bias": file})


@each_row(
    [
        ("model", lambda: state_dict(3, ()), TypeError,
         "state_dict: model is an int, expected a Layer"),
        ("dtype", lambda: state_dict(HEAD, ((), fcnn.DenseParams(ones(4, 3), ones(3, dtype="f8")))),
         TypeError,
         "state_dict: [1].w is float32, but [1].b is float64; "
         "all must be float32 or all float64"),
        ("integers", lambda: state_dict(HEAD, ((), fcnn.DenseParams(ones(4, 3, dtype=int), None))),
         TypeError, "state_dict: [1].w is int64, expected float32 or float64"),
        ("count", lambda: state_dict(HEAD, ((),)), ValueError,
         "state_dict: params of chain are a tuple of 1, expected a tuple of 2"),
        ("no tuple", lambda: state_dict(HEAD, PARAMS[3]), ValueError,
         "state_dict: params of chain are a DenseParams, expected a tuple of 2"),
        ("class", lambda: state_dict(fcnn.chain(HEAD), (((), PARAMS[0]),)), ValueError,
         "state_dict: params of dense are a Conv2dParams, expected a DenseParams\n"
         "in chain layer 1 (dense)\n"
         "in chain layer 0 (chain)"),
        ("axes", lambda: state_dict(HEAD, ((), fcnn.DenseParams(ones(4), ones(4)))), ValueError,
         "dense: w has 1 axis (4,), expected 2 as (D, K)\nin chain layer 1 (dense)"),
        ("sizes", lambda: state_dict(HEAD, ((), fcnn.DenseParams(ones(4, 3), ones(4)))), ValueError,
         "dense: w has K=3 features, but b expects K=4\n"
         "  w: (4, 3) as (D, K)\n"
         "  b: (4,)   as (K)\n"
         "in chain layer 1 (dense)"),
        ("parameters", lambda: state_dict(fcnn.relu, ones(2)), ValueError,
         "state_dict: params of relu are an ndarray, expected ()"),
        ("own", lambda: state_dict(
            fcnn.chain(HEAD, fcnn.residual(fcnn.chain(gain()))), (PARAMS[2:], (ones(3),))),
         ValueError,
         "state_dict: PyTorch has no names for the parameters of own, "
         "a layer of one's own\n"
         "in chain layer 0 (own)\n"
         "in residual layer 0 (chain)\n"
         "in chain layer 1 (residual)"),
    ]
)  # fmt: skip
def test_wrong_calls_of_state_dict(call, error, text):
    refuses(call, error, text)


@each_row(
    [
        ("model", lambda: from_state_dict("m", FITTING, (1, 2, 2)), TypeError,
         "from_state_dict: model is a str, expected a Layer"),
        ("state", lambda: head(HEAD), TypeError,
         "from_state_dict: state is a Layer, expected a dict with names as keys"),
        ("names", lambda: head({1: ones(3)}), TypeError,
         "from_state_dict: state is a dict, expected a dict with names as keys"),
        ("in_shape", lambda: from_state_dict(HEAD, FITTING, 4), TypeError,
         "from_state_dict: in_shape is 4, expected a tuple of ints"),
        ("rename", lambda: head(FITTING, rename=["1"]), TypeError,
         "from_state_dict: rename is ['1'], expected a dict of strings"),
        ("no strings", lambda: head(FITTING, rename={"1": 2}), TypeError,
         "from_state_dict: rename is {'1': 2}, expected a dict of strings"),
        ("no prefix", lambda: head(FITTING, rename={"conv": "1"}), ValueError,
         "from_state_dict: unknown prefix in rename 'conv'. Known: 1"),
        ("half a part", lambda: head({"10.weight": 1, "fc.bias": 1}, rename={"1": "2"}), ValueError,
         "from_state_dict: unknown prefix in rename '1'; did you mean '10'? Known: 10, fc"),
        ("twice", lambda: head({"a.b": 1, "c.b": 1}, rename={"a": "c"}), ValueError,
         "from_state_dict: rename makes c.b of a.b and of c.b"),
        ("integers", lambda: head(FITTING | {"1.bias": [1, 2, 3]}), TypeError,
         "from_state_dict: 1.bias is int64, expected float32 or float64"),
        ("complex numbers", lambda: head(FITTING | {"1.bias": ones(3, dtype=">c8")}), TypeError,
         "from_state_dict: 1.bias is >c8, expected float32 or float64"),
        ("own", lambda: from_state_dict(fcnn.chain(gain()), {}, (2,)), ValueError,
         "from_state_dict: PyTorch has no names for the parameters of own, "
         "a layer of one's own\n"
         "in chain layer 0 (own)"),
        ("a misfit in init", lambda: from_state_dict(MODEL, STATE, (4,)), ValueError,
         "conv2d: expects images (C, H, W), got (4,)\nin chain layer 0 (conv2d)"),
    ]
)  # fmt: skip
def test_wrong_calls_of_from_state_dict(call, error, text):
    refuses(call, error, text)
