"""Products: what NumPy says of them is told, unless it is a false alarm of OpenBLAS."""

import warnings

import numpy as np
import pytest

from fcnn.numerics.products import product

RNG = np.random.default_rng(0)
A, VECTOR = (RNG.standard_normal(shape).astype(np.float32) for shape in ((3, 5, 4), (4, 1)))


@pytest.fixture
def false_alarms(monkeypatch):
    """Every product raises the flag of an invalid operation, as OpenBLAS does now and then."""
    matmul = np.matmul

    def alarming(a, b, out=None):
        np.subtract(np.inf, np.inf)
        return matmul(a, b, out=out)

    monkeypatch.setattr(np, "matmul", alarming)


@pytest.mark.usefixtures("false_alarms")
@pytest.mark.parametrize("invalid", ["warn", "raise"])
def test_a_finite_product_is_no_error_whatever_the_processor_says(invalid):
    with np.errstate(invalid=invalid), warnings.catch_warnings(action="error"):
        y, out = product(A, VECTOR), np.empty((3, 5, 1), np.float32)
        assert product(A, VECTOR, out) is out
        assert np.array_equal(product(VECTOR.T, A.swapaxes(1, 2)), y.swapaxes(1, 2))
    assert np.array_equal(out, y)
    assert np.allclose(y[..., 0], (A * VECTOR[:, 0]).sum(-1), atol=1e-6)


def test_a_product_that_is_no_number_is_told_as_the_caller_wants():
    a, b = np.array([[np.inf, 1.0]]), np.zeros((2, 1))
    told = "invalid value encountered in matmul"
    with pytest.warns(RuntimeWarning, match=told):
        assert np.isnan(product(a, b)).all()
    with warnings.catch_warnings(action="error"), pytest.raises(RuntimeWarning, match=told):
        product(a, b)
    with np.errstate(invalid="raise"), pytest.raises(FloatingPointError, match=told):
        product(a, b)
    with np.errstate(invalid="ignore"):
        assert np.isnan(product(a, b)).all()


@pytest.mark.usefixtures("false_alarms")
@pytest.mark.parametrize(("size", "kind"), [(1e30, "overflow"), (1e-30, "underflow")])
def test_other_errors_are_told_as_well(size, kind):
    a = np.full((2, 3), size, np.float32)
    with np.errstate(all="raise"), pytest.raises(FloatingPointError, match=kind):
        product(a, a.T[:, :1])
