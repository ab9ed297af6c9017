"""`shapes`: arrays are checked by the names of their axes, and the sizes come back."""

import numpy as np
import pytest

from fcnn.arguments.arrays import shapes

X, W, B = np.ones((8, 5)), np.ones((5, 3)), np.ones(3)


def test_the_sizes_come_in_the_order_of_their_letters():
    assert shapes("f", x=(X, "N, D"), w=(W, "D, K"), b=(B, "K or None")) == (8, 5, 3)
    assert shapes("f", b=(None, "K or None"), w=(W, "D, K")) == (5, 3)


def test_a_dtype_that_is_equal_is_the_same():
    own = np.ones((8, 5), np.dtype(np.float64, metadata={"unit": "pixels"}))
    assert own.dtype is not X.dtype
    assert shapes("f", x=(own, "N, D"), w=(W, "D, K")) == (8, 5, 3)


WRONG = [
    ({"x": (None, "N, D")}, TypeError, "f: x is None, expected a NumPy array"),
    ({"x": ([1.0], "N")}, TypeError, "f: x is a list, expected a NumPy array"),
    ({"x": (X > 0, "N, D")}, TypeError, "f: x is bool, expected float32 or float64"),
    ({"x": (X, "N, D"), "w": (np.float32(W), "D, K")}, TypeError,
     "f: x is float64, but w is float32; all must be float32 or all float64"),
    ({"x": (X, "N, C, H, W")}, ValueError, "f: x has 2 axes (8, 5), expected 4 as (N, C, H, W)"),
    ({"b": (np.ones(()), "K or None")}, ValueError, "f: b has 0 axes (), expected 1 as (K)"),
    ({"x": (X[:0], "N, D")}, ValueError, "f: x is empty, N=0\n  x: (0, 5) as (N, D)"),
    ({"x": (X[:, 1:], "N, D"), "w": (W, "D, K")}, ValueError,
     "f: x has D=4 values, but w expects D=5\n  x: (8, 4) as (N, D)\n  w: (5, 3) as (D, K)"),
    ({"x": (X, "N, D"), "w": (W, "D, K"), "b": (B[1:], "K or None")}, ValueError,
     "f: w has K=3 features, but b expects K=2\n  w: (5, 3) as (D, K)\n  b: (2,)   as (K)"),
    ({"x": (X, "N, N")}, ValueError,
     "f: x has N=8, but x expects N=5\n  x: (8, 5) as (N, N)"),
]  # fmt: skip


@pytest.mark.parametrize(("arrays", "error", "text"), WRONG)
def test_what_does_not_fit_is_refused(arrays, error, text):
    with pytest.raises((TypeError, ValueError)) as caught:
        shapes("f", **arrays)
    assert (type(caught.value), str(caught.value)) == (error, text)
