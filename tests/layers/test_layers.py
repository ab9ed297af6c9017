"""Every layer of the table: right, exact, pure, and of the dtype that it was given."""

import numpy as np
import pytest
from layer_cases import CASES

import fcnn
from fcnn import tree
from fcnn.layers.layer import call_apply

pytestmark = pytest.mark.parametrize("case", CASES, ids=str)

TOLERANCE = {np.float32: 1e-5, np.float64: 1e-10}
ORDERS = {
    "C": lambda a: np.array(a, order="C"),
    "Fortran": lambda a: np.array(a, order="F"),
    "transposed": lambda a: np.ascontiguousarray(a.T).T,
    "batch innermost": lambda a: np.moveaxis(np.ascontiguousarray(np.moveaxis(a, 0, -1)), -1, 0),
    "sliced": lambda a: np.repeat(a, 2, axis=-1)[..., ::2],
    "negative strides": lambda a: np.flip(np.array(np.flip(a))),
    "read-only": lambda a: _read_only(np.array(a)),
}


def _read_only(a):
    a.flags.writeable = False
    return a


def _run(case, params, x, dy):
    y, cache = case.layer.forward(params, x)
    dparams, dx = case.layer.backward(cache, dy)
    return y, dparams, dx


def _agree(actual, expected, tolerance):
    assert actual.shape == expected.shape
    assert np.abs(actual - expected).max() <= tolerance * max(1, np.abs(expected).max())


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_agrees_with_the_loops(case, dtype):
    params, x, dy = case.draw(dtype)
    y, dparams, dx = _run(case, params, x, dy)
    expected_y, expected_dparams, expected_dx = case.oracle(params, x, dy)
    _agree(y, expected_y, TOLERANCE[dtype])
    _agree(dx, expected_dx, TOLERANCE[dtype])
    for actual, expected in zip(tree.leaves(dparams), expected_dparams, strict=True):
        _agree(actual, expected, TOLERANCE[dtype])


def test_gradients_are_exact(case):
    assert fcnn.check.layer(case.layer, case.in_shape, batch=case.batch).worst < 1e-6


def test_whole_jacobian(case):
    batch = 2 if case.layer.name == "batch_norm" else 1  # one value has no variance
    report = fcnn.check.layer(case.layer, case.in_shape, batch=batch, jacobian=True)
    assert report.worst < 1e-6


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_shapes_and_dtypes(case, dtype):
    params, x, dy = case.draw(dtype)
    _, out_shape = case.layer.init(np.random.default_rng(0), case.in_shape)
    y, dparams, dx = _run(case, params, x, dy)
    assert y.shape == (len(x), *out_shape)
    assert dx.shape == x.shape
    assert y.dtype == dx.dtype == dtype
    assert tree.equal(tree.map(np.zeros_like, dparams), tree.map(np.zeros_like, params))


def test_initial_parameters_are_float32_contiguous_and_read_only(case):
    params, _ = case.layer.init(np.random.default_rng(0), case.in_shape)
    for leaf in tree.leaves(params):
        assert leaf.dtype == np.float32
        assert leaf.flags.c_contiguous
        assert not leaf.flags.writeable


@pytest.mark.parametrize("order", ORDERS)
def test_any_memory_order_gives_the_same_and_nothing_is_written_to(case, order):
    expected = _run(case, *case.draw())
    params, x, dy = case.draw()
    params, x, dy = tree.map(ORDERS[order], (params, x, dy))
    before = tree.map(np.copy, (params, x, dy))
    actual = _run(case, params, x, dy)
    assert tree.equal((params, x, dy), before)
    assert tree.allclose(actual, expected, rtol=1e-12, atol=1e-12)


def test_a_cache_serves_any_number_of_times_and_results_stay(case):
    params, x, dy = case.draw()
    y, cache = case.layer.forward(params, x)
    first = case.layer.backward(cache, dy)
    kept = tree.map(np.copy, (y, first))
    case.layer.backward(cache, 2 * dy)
    case.layer.forward(params, x + 1)
    again = case.layer.backward(cache, dy)
    assert tree.equal((y, first), kept)
    assert tree.equal(again, first)


def test_parameter_gradients_alone_are_the_same(case):
    params, x, dy = case.draw()
    _, cache = case.layer.forward(params, x)
    dparams, _ = case.layer.backward(cache, dy)
    assert tree.equal(case.layer.backward_params(cache, dy), dparams)


def test_refuses_mixed_dtypes_and_wrong_gradients(case):
    params, x, dy = case.draw()
    _, cache = case.layer.forward(params, x)
    with pytest.raises(ValueError, match="dy has shape"):
        case.layer.backward(cache, dy[:, :-1] if dy.shape[1] > 1 else np.concatenate([dy, dy]))
    with pytest.raises(TypeError, match="dy is float32"):
        case.layer.backward(cache, dy.astype(np.float32))
    with pytest.raises(TypeError, match="expected float32 or float64"):
        case.layer.forward(params, x.astype(np.int64))
    with pytest.raises(TypeError, match="expected a NumPy array"):
        case.layer.forward(params, x.tolist())
    if tree.leaves(params):
        with pytest.raises(TypeError, match="all must be float32 or all float64"):
            case.layer.forward(params, x.astype(np.float32))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_inference_gives_the_bits_of_forward(case, dtype):
    params, x, _ = case.draw(dtype)
    for values in (x, np.round(x)):
        expected, _ = case.layer.forward(params, values)
        assert np.array_equal(call_apply(case.layer, params, values), expected)
