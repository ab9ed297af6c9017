"""The error function, of numbers of every size."""

import math

import numpy as np
import pytest
from grids import numbers

from fcnn.numerics.error_function import erf

FORMS = {np.float32: 3e-7, np.float64: 5e-16}


@pytest.mark.parametrize("dtype", FORMS)
def test_erf_is_that_of_math_to_a_few_roundings(dtype):
    x = numbers(dtype)
    with np.errstate(all="raise", under="ignore"):
        y = erf(x)
    expected = np.array([math.erf(float(v)) for v in x])
    assert y.dtype == dtype
    least = np.finfo(dtype).smallest_subnormal
    assert (np.abs(y - expected) <= FORMS[dtype] * np.abs(expected) + least).all()


@pytest.mark.parametrize("dtype", FORMS)
def test_erf_is_odd_stays_between_its_limits_and_reaches_them(dtype):
    x = numbers(dtype)
    y = erf(x)
    assert np.array_equal(erf(-x), -y)
    assert np.abs(y).max() == 1
    assert (y[x >= 6] == 1).all()
    assert np.array_equal(np.signbit(erf(np.array([0.0, -0.0], dtype))), [False, True])
    assert np.isnan(erf(np.array([np.nan], dtype))).all()


def test_erf_keeps_the_memory_order_and_its_argument():
    x = np.random.default_rng(0).standard_normal((4, 3, 5, 2)).transpose(3, 1, 0, 2)
    before = x.copy()
    y = erf(x)
    assert y.strides == x.strides
    assert np.array_equal(x, before)
    assert np.array_equal(y, erf(np.ascontiguousarray(x)))
