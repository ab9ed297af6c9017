"""Optimizers: pure functions that map over the trees of parameters and gradients."""

from collections.abc import Callable
from typing import Any, TypeAlias

import attrs
import numpy as np

from fcnn import tree
from fcnn.arrays import Array, freeze
from fcnn.tree import Structure, Tree
from fcnn.tree.comparison import check_alike
from fcnn.validation import check_floats, check_function, check_kind, not_negative, number

Schedule: TypeAlias = Callable[[int], float]


@attrs.frozen(eq=False)
class Optimizer:
    """An optimizer as a record of pure functions.

    Attributes
    ----------
    init
        `init(params) -> state`, a tree of arrays.
    step
        `step(params, grads, state) -> (params, state)`; every leaf keeps its dtype and is
        read-only.
    """

    init: Callable[[Tree], Any]
    step: Callable[[Tree, Tree, Any], tuple[Tree, Any]]

    def __attrs_post_init__(self) -> None:
        check_function("Optimizer", "init", self.init)
        check_function("Optimizer", "step", self.step)


@attrs.frozen(eq=False)
class SgdState:
    """How many steps were taken (an int64 array without axes), and the velocity."""

    steps: Array
    velocity: Tree


def sgd(learning_rate: float | Schedule, momentum: float = 0.0) -> Optimizer:
    """Stochastic gradient descent with momentum.

    v <- momentum * v - learning_rate * g
    p <- p + v

    The velocity carries the learning rate, as in Sutskever, Martens, Dahl, Hinton: "On
    the importance of initialization and momentum in deep learning" (2013), equations 1
    and 2. (PyTorch multiplies by the rate later; at a constant rate that is the same.)

    Parameters
    ----------
    learning_rate
        A number, or a function of the number of steps taken so far, from 0.
    momentum
        At least 0 and below 1.

    Examples
    --------
    >>> import numpy as np
    >>> optimizer = sgd(0.1, momentum=0.5)
    >>> params, grads = (np.array([1.0]),), (np.array([2.0]),)
    >>> state = optimizer.init(params)
    >>> params, state = optimizer.step(params, grads, state)
    >>> params, state = optimizer.step(params, grads, state)
    >>> params[0].round(6)
    array([0.5])
    """
    momentum = number("sgd", "momentum", momentum)
    if not 0 <= momentum < 1:
        raise ValueError(f"sgd: momentum is {momentum}, expected at least 0 and below 1")
    rate = learning_rate if callable(learning_rate) else _constant(learning_rate)

    def init(params: Tree) -> SgdState:
        for path, leaf in tree.leaves_with_path(params):
            check_floats("sgd", **{f"the parameter at {path or 'the root'}": leaf})
        zeros = tree.map(lambda p: freeze(np.zeros_like(p, order="C")), params)
        return SgdState(freeze(np.zeros((), np.int64)), zeros)

    def step(params: Tree, grads: Tree, state: SgdState) -> tuple[Tree, SgdState]:
        check_kind("sgd", "state", state, SgdState)
        structure, rows = aligned_leaves("sgd", params, gradient=grads, velocity=state.velocity)
        # A NumPy float64 scalar would promote float32 arrays; a Python float does not.
        count = int(state.steps)
        eta = not_negative("sgd", f"the learning rate of step {count}", rate(count))
        velocity, updated = [], []
        for p, g, v in rows:
            new = momentum * v
            new -= eta * g
            velocity.append(freeze(new))
            updated.append(freeze(p + new))
        state = SgdState(freeze(state.steps + 1), tree.unflatten(structure, velocity))
        return tree.unflatten(structure, updated), state

    return Optimizer(init, step)


def aligned_leaves(
    function: str, params: Tree, **others: Tree
) -> tuple[Structure, list[tuple[Array, ...]]]:
    """The structure of the parameters, and for each leaf a row: it and those of trees like it.

    Raises ValueError or TypeError that names the first path where gradients or velocities
    differ from the parameters in structure, shape or dtype.
    """
    expected, structure = tree.flatten(params)
    columns = [expected]
    for what, other in others.items():
        found, other_structure = tree.flatten(other)
        if structure != other_structure:
            place = structure.difference(other_structure)
            raise ValueError(f"{function}: parameters and {what} differ at {place}")
        check_alike(function, what, structure, expected, found)
        columns.append(found)
    return structure, list(zip(*columns, strict=True))


def _constant(learning_rate: float) -> Schedule:
    expected = "a number or a function of the step count"
    rate = not_negative("sgd", "learning rate", learning_rate, expected)
    return lambda steps: rate
