"""Derivatives by differences, for functions that may have kinks."""

from collections.abc import Callable

import attrs
import numpy as np

from fcnn.numerics.arrays import Array

_STEPS = tuple(10.0**-k for k in range(1, 11))
_DISTANCE = 1e-4  # from a kink to the point that stands for one side of it
_EPSILON = float(np.finfo(np.float64).eps)


class KinkError(ValueError):
    """The function has no derivative here: its slopes on both sides differ."""


@attrs.frozen(eq=False)
class Slope:
    """Derivatives, element by element, and how far each may be off."""

    value: Array
    uncertainty: Array


def slope(g: Callable[[float], Array], reach: float) -> Slope:
    """The derivative of g at 0, for each element of its value (float64).

    Central differences over a step and half of it, combined so that their errors of second
    order cancel (Richardson); of ten steps, each element takes the one whose two differences
    agree best. A kink inside a step makes them disagree. At 0 itself it does not: there the
    slopes to both sides stay apart as the step shrinks.

    Parameters
    ----------
    g
        A function of the step along a direction.
    reach
        The magnitude of what the step is added to: its rounding is part of the uncertainty.

    Raises
    ------
    KinkError
        If 0 is a kink or too near to one, or the values around it are not finite.
    """
    middle = g(0.0)
    best = Slope(np.zeros_like(middle), np.full(middle.shape, np.inf))
    kink = crossing = np.zeros(middle.shape, bool)
    for step in _STEPS:
        far_left, left, right, far_right = (g(t) for t in (-step, -step / 2, step / 2, step))
        wide, narrow = (far_right - far_left) / (2 * step), (right - left) / step
        magnitude = np.maximum(np.abs(far_left), np.abs(far_right))
        rounding = 8 * _EPSILON * (magnitude / step + reach / step * np.abs(narrow))
        value, uncertainty = (4 * narrow - wide) / 3, np.abs(wide - narrow) + rounding
        # The slope to the right less the slope to the left shrinks with the step, or stays.
        wide_gap = np.abs(far_right + far_left - 2 * middle) / step
        narrow_gap = np.abs(right + left - 2 * middle) / (step / 2)
        stays = narrow_gap > 0.75 * wide_gap + 1e-7 * np.abs(narrow) + 8 * rounding
        better = uncertainty < best.uncertainty  # never true of what is not finite
        best = Slope(
            np.where(better, value, best.value),
            np.where(better, uncertainty, best.uncertainty),
        )
        kink = np.where(better, stays, kink)
        differ = np.abs(wide - narrow) > 1e-2 * np.abs(value) + 4 * rounding
        crossing = np.where(better, differ, crossing)
        if (best.uncertainty <= 1e-8 * np.abs(best.value) + rounding).all():
            break
    if kink.any():
        raise KinkError("the slopes on both sides differ")
    if crossing.any() or not np.isfinite(best.uncertainty).all():
        raise KinkError("there is a kink nearer than the smallest step")
    return best


def one_sided_slope(g_at: Callable[[float], Callable[[float], Array]], reach: float) -> Slope:
    """The limit of the slope at points that approach a kink from one side.

    g_at(d) is the function of the step at distance d from the kink. Two distances are
    combined so that the error of first order in them cancels.
    """
    near, far = slope(g_at(_DISTANCE / 2), reach), slope(g_at(_DISTANCE), reach)
    change = np.abs(near.value - far.value)
    return Slope(2 * near.value - far.value, 2 * near.uncertainty + far.uncertainty + 1e-3 * change)
