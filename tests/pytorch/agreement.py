"""What it means to agree with PyTorch."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from fcnn.numerics.arrays import Array

# Of the array's largest magnitude, or 1.
TOLERANCES: dict[Any, float] = {np.dtype(np.float32): 1e-5, np.dtype(np.float64): 1e-10}


def error(actual: Array, expected: Array) -> float:
    """The greatest difference, relative to the largest magnitude of what is expected or 1."""
    largest = max(1.0, float(np.abs(expected).max()))
    return float(np.abs(np.subtract(actual, expected, dtype=np.float64)).max()) / largest


def assert_agree(actual: Mapping[str, Array], expected: Mapping[str, Array], dtype: Any) -> None:
    """The same names and shapes, and that dtype; values within its tolerance."""
    assert actual.keys() == expected.keys()
    for name, array in expected.items():
        assert actual[name].shape == array.shape, name
        # A loss is a Python float on one side, and of the dtype of the outputs on the other.
        assert actual[name].dtype == dtype or name == "loss", name
        assert error(actual[name], array) <= TOLERANCES[np.dtype(dtype)], name
