"""Derivatives by differences, for functions that may have kinks."""

from collections.abc import Callable

import numpy as np

from fcnn.arrays import Array

_STEPS = (1e-3, 1e-4, 1e-5, 1e-6, 1e-7)
_DISTANCE = 1e-4  # from a kink to the point that stands for one side of it


class KinkError(ValueError):
    """The function has no derivative here: its slopes on both sides differ."""


def slope(g: Callable[[float], Array]) -> Array:
    """The derivative of g at 0, for each element of its value (float64).

    Central differences over a step and half of it, combined so that their errors of second
    order cancel (Richardson). Where these two disagree a kink lies inside the step, and a
    smaller step is taken. Where they agree but the slopes to both sides do not draw
    together as the step shrinks, 0 itself is a kink.

    Raises
    ------
    KinkError
        If 0 is a kink, or is nearer to one than the smallest step.
    """
    middle = g(0.0)
    for step in _STEPS:
        ends = [g(t) for t in (-step, -step / 2, step / 2, step)]
        if not np.isfinite(ends).all():
            continue
        rounding = 64 * np.finfo(np.float64).eps * max(np.abs(end).max() for end in ends) / step
        wide = (ends[3] - ends[0]) / (2 * step)
        narrow = (ends[2] - ends[1]) / step
        size = max(np.abs(narrow).max(), np.abs(wide).max())
        if np.abs(wide - narrow).max() > 1e-7 * size + rounding:
            continue
        wide_gap = np.abs(ends[3] + ends[0] - 2 * middle) / step  # right slope less left slope
        narrow_gap = np.abs(ends[2] + ends[1] - 2 * middle) / (step / 2)
        if (narrow_gap > 0.75 * wide_gap + 1e-7 * size + 4 * rounding).any():
            raise KinkError("the slopes on both sides differ")
        return np.asarray((4 * narrow - wide) / 3)
    raise KinkError("there is a kink nearer than the smallest step")


def one_sided_slope(g_at: Callable[[float], Callable[[float], Array]]) -> Array:
    """The limit of the slope at points that approach a kink from one side.

    g_at(d) is the function of the step at distance d from the kink. Two distances are
    combined so that the error of first order in them cancels.
    """
    return 2 * slope(g_at(_DISTANCE / 2)) - slope(g_at(_DISTANCE))
