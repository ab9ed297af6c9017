"""Slopes by differences, of functions whose derivatives are known."""

import numpy as np
import pytest

from fcnn.check import differences


@pytest.mark.parametrize(
    ("g", "derivative"),
    [(np.exp, 1.0), (np.sin, 1.0), (lambda t: np.exp(1 - 2 * t), -2 * np.e)],
)
def test_slopes_of_smooth_functions_are_right_to_10_digits(g, derivative):
    slope = differences.slope(lambda t: np.array([g(t)]), reach=1.0)
    assert slope.value == pytest.approx([derivative], rel=1e-10)


@pytest.mark.parametrize("side", [1, -1])
def test_slopes_from_one_side_are_limits(side):
    def beside(d):
        return lambda t: np.array([np.exp(3 * abs(side * d + t))])

    slope = differences.one_sided_slope(beside, reach=1.0)
    assert slope.value == pytest.approx([3 * side], rel=1e-6)
