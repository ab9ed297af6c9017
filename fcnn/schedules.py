"""Learning rates as plain functions of the step, counted from 0.

A schedule is any function from the number of steps taken so far to a learning rate. Those
here are made from their settings, hold no state and go on for ever: after its last step a
schedule keeps its last rate. They compose as functions do: `warm_up(cosine(0.1, 1000), 50)`.
"""

import math
from collections.abc import Callable
from typing import Literal, TypeAlias

from fcnn.arguments.settings import check_function, not_negative, positive, whole_number
from fcnn.arguments.written import Written, written

Schedule: TypeAlias = Callable[[int], float]


def constant(rate: float) -> Schedule:
    """The same rate at every step.

    Examples
    --------
    >>> constant(0.1)(1000)
    0.1
    """
    rate = not_negative("constant", "rate", rate)
    return Written(written(constant, locals()), lambda step: rate)


def step_decay(rate: float, every: int, factor: float = 0.1) -> Schedule:
    """rate * factor^(step // every), PyTorch's StepLR: it drops at once, every so many steps.

    Examples
    --------
    >>> rate = step_decay(0.5, every=10, factor=0.5)
    >>> [rate(step) for step in (0, 9, 10, 20)]
    [0.5, 0.5, 0.25, 0.125]
    """
    rate = not_negative("step_decay", "rate", rate)
    every = positive("step_decay", "every", every)
    factor = not_negative("step_decay", "factor", factor)
    text = written(step_decay, locals())
    return Written(text, lambda step: float(rate * factor ** (step // every)))


def cosine(rate: float, steps: int, final: float = 0.0) -> Schedule:
    """final + (rate - final) (1 + cos(pi * step / steps)) / 2, and then the final rate.

    One period of Loshchilov, Hutter: "SGDR: Stochastic gradient descent with warm restarts"
    (2017), equation 5, without restarts. PyTorch's CosineAnnealingLR is the same up to its
    last step; after that it rises again.

    Usually the steps are those of the whole training: epochs * ceil(examples / batch size).

    Examples
    --------
    >>> rate = cosine(0.1, 100)
    >>> [round(rate(step), 3) for step in (0, 50, 75, 100, 200)]
    [0.1, 0.05, 0.015, 0.0, 0.0]
    """
    rate, final = not_negative("cosine", "rate", rate), not_negative("cosine", "final", final)
    steps = positive("cosine", "steps", steps)
    text = written(cosine, locals())
    return Written(text, lambda step: _cosine(rate, final, min(step / steps, 1.0)))


def warm_up(schedule: Schedule, steps: int, start: float = 0.0) -> Schedule:
    """A schedule whose first rates are smaller: times a factor that rises linearly to 1.

    schedule(step) * (start + (1 - start) step / steps), and after `steps` steps the schedule
    itself, which is not shifted: with and without warm-up, training takes as many steps.

    PyTorch's LinearLR(start_factor=start, total_iters=steps), chained with another schedule;
    there the factor starts at 1/3. See Goyal et al.: "Accurate, large minibatch SGD: training
    ImageNet in 1 hour" (2017), section 2.2.

    Parameters
    ----------
    schedule
        A function of the step.
    steps
        How many steps the rise takes; 0 for none.
    start
        The factor of the first step. With 0 that step changes nothing.

    Examples
    --------
    >>> rate = warm_up(constant(0.1), 10, start=0.1)
    >>> [round(rate(step), 3) for step in (0, 5, 10, 20)]
    [0.01, 0.055, 0.1, 0.1]
    """
    check_function("warm_up", "schedule", schedule)
    steps = whole_number("warm_up", "steps", steps, 0)
    start = not_negative("warm_up", "start", start)

    def warmed(step: int) -> float:
        factor = 1.0 if step >= steps else start + (1 - start) * step / steps
        return float(schedule(step)) * factor

    return Written(written(warm_up, locals()), warmed)


def one_cycle(
    peak: float,
    steps: int,
    *,
    rise: float = 0.3,
    start: float = 1 / 25,
    final: float = 1 / 250_000,
    shape: Literal["cosine", "linear"] = "cosine",
) -> Schedule:
    """Up to a peak and down again to nearly nothing, over the whole training.

    Smith, Topin: "Super-convergence: very fast training of neural networks using large
    learning rates" (2018). The rates, and the defaults, are those of PyTorch's OneCycleLR;
    the momentum is not cycled.

    Parameters
    ----------
    peak
        The greatest rate, at step `rise * steps - 1`.
    steps
        Those of the whole training; the last one, `steps - 1`, has the final rate.
    rise
        The fraction of the steps during which the rate rises, from 0 to 1.
    start, final
        The first and the last rate, as fractions of the peak.
    shape
        Of the way up and the way down: half a period of a cosine, or a straight line.

    Examples
    --------
    >>> rate = one_cycle(0.2, 100, rise=0.5)
    >>> [round(rate(step), 5) for step in (0, 49, 75, 99)]
    [0.008, 0.2, 0.09372, 0.0]
    """
    peak = not_negative("one_cycle", "peak", peak)
    steps = positive("one_cycle", "steps", steps)
    rise = not_negative("one_cycle", "rise", rise)
    first = peak * not_negative("one_cycle", "start", start)
    last = peak * not_negative("one_cycle", "final", final)
    if rise > 1:
        raise ValueError(f"one_cycle: rise is {rise}, expected a fraction of the steps, 0 to 1")
    if shape not in ("cosine", "linear"):
        raise ValueError(f"one_cycle: shape is {shape!r}, expected 'cosine' or 'linear'")
    between = _cosine if shape == "cosine" else _linear
    top, end = rise * steps - 1, steps - 1

    def schedule(step: int) -> float:
        if step <= top:
            return between(first, peak, step / top if top else 1.0)
        if step < end:
            return between(peak, last, (step - top) / (end - top))
        return last

    return Written(written(one_cycle, locals()), schedule)


def _cosine(first: float, last: float, fraction: float) -> float:
    return last + (first - last) * (1 + math.cos(math.pi * fraction)) / 2


def _linear(first: float, last: float, fraction: float) -> float:
    return first + (last - first) * fraction
