"""Averages of the parameters over the steps of a training."""

from typing import Any

import attrs
import numpy as np

from fcnn import tree
from fcnn.arguments.settings import below_one, check_kind, fraction
from fcnn.arguments.written import written
from fcnn.numerics.arrays import Array, freeze
from fcnn.optimizers.optimizer import Optimizer, aligned_leaves
from fcnn.tree import Tree
from fcnn.tree.description import in_brief


def average(averaged: Tree, params: Tree, decay: float) -> Tree:
    """decay * averaged + (1 - decay) * params: one step of an exponential moving average.

    Polyak, Juditsky: "Acceleration of stochastic approximation by averaging" (1992) for the
    idea; PyTorch's swa_utils.get_ema_multi_avg_fn does the same.

    Parameters
    ----------
    averaged, params
        Trees of the same structure, shapes and dtypes; ValueError or TypeError that names the
        path where they differ.
    decay
        From 0, for params, to 1, for averaged.

    Examples
    --------
    >>> import numpy as np
    >>> average((np.array([1.0]),), (np.array([3.0]),), 0.75)
    (array([1.5]),)
    """
    decay = fraction("average", "decay", decay)
    structure, rows = aligned_leaves("average", params, average=averaged)
    new = []
    for p, a in rows:
        # From the nearer of both towards the other, less than half of the way: what is far
        # leaves no trace in its place, and a mean that stands still stays where it is.
        near, far, part = (p, a, decay) if decay < 0.5 else (a, p, 1 - decay)
        moved = np.asarray(far - near)
        moved *= part
        moved += near
        new.append(freeze(moved))
    return tree.unflatten(structure, new)


@attrs.frozen(eq=False)
class AverageState:
    """The state of the optimizer within, how many steps were averaged (an int64 array without
    axes), and the average, a tree like the parameters.
    """

    inner: Any
    steps: Array
    average: Tree

    __repr__ = in_brief


def with_average(optimizer: Optimizer, decay: float) -> Optimizer:
    """An optimizer that keeps an exponential moving average of the parameters in its state.

    After step t it is the sum of decay^(t - k) * p_k over the steps k = 1 ... t, divided by the
    sum of these weights. So it holds nothing of the initial parameters, and begins as the plain
    mean of those seen so far. That division is part of each step, as in Adam's correction of its
    averages: the decay of step t is decay * (1 - decay^(t-1)) / (1 - decay^t). (PyTorch's
    AveragedModel starts from the first parameters that it sees, with all their weight.)

    The steps themselves are those of the optimizer, to the last bit. `averaged(state)` gives the
    average. Its running statistics are of no use until it is calibrated, which `fit` does after
    each epoch; a loop of one's own calls `calibrate`.

    Parameters
    ----------
    optimizer
        What takes the steps. Wrap last: `with_average(clip_by_global_norm(...), decay)`.
    decay
        At least 0 and below 1; the average is over about the last 1 / (1 - decay) steps.

    Examples
    --------
    >>> import fcnn, numpy as np
    >>> optimizer = with_average(fcnn.sgd(1.0), decay=0.5)
    >>> params = (np.array([100.0]),)
    >>> state = optimizer.init(params)
    >>> for gradient in (88.0, 3.0):  # params: 12, 9
    ...     params, state = optimizer.step(params, (np.array([gradient]),), state)
    >>> averaged(state)  # (12 / 2 + 9) / (1 / 2 + 1)
    (array([10.]),)
    """
    check_kind("with_average", "optimizer", optimizer, Optimizer)
    decay = below_one("with_average", "decay", decay)

    def init(params: Tree) -> AverageState:
        first = tree.map(lambda p: freeze(np.array(p, order="C")), params)
        return AverageState(optimizer.init(params), freeze(np.zeros((), np.int64)), first)

    def step(params: Tree, grads: Tree, state: AverageState) -> tuple[Tree, AverageState]:
        check_kind("with_average", "state", state, AverageState)
        params, inner = optimizer.step(params, grads, state.inner)
        t = int(state.steps) + 1
        decay_now = decay * (1 - decay ** (t - 1)) / (1 - decay**t)
        new = average(state.average, params, decay_now)
        return params, AverageState(inner, freeze(state.steps + 1), new)

    return Optimizer(init, step, optimizer.trained, written(with_average, locals()))


def averaged(state: AverageState) -> Tree:
    """The averaged parameters in the state of an optimizer that `with_average` made.

    Before the first step those are the initial ones. TypeError for any other state.
    """
    check_kind("averaged", "state", state, AverageState)
    return state.average
