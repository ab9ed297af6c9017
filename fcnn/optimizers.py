"""Optimizers: pure functions that map over the trees of parameters and gradients."""

import math
from collections.abc import Callable
from typing import Any, TypeAlias

import attrs
import numpy as np

from fcnn import tree
from fcnn.arrays import Array, freeze
from fcnn.tree import Tree

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
    if not 0 <= momentum < 1:
        raise ValueError(f"sgd: momentum is {momentum!r}, expected at least 0 and below 1")
    momentum = float(momentum)
    rate = learning_rate if callable(learning_rate) else _constant(learning_rate)

    def init(params: Tree) -> SgdState:
        zeros = tree.map(lambda p: freeze(np.zeros_like(p, order="C")), params)
        return SgdState(freeze(np.zeros((), np.int64)), zeros)

    def step(params: Tree, grads: Tree, state: SgdState) -> tuple[Tree, SgdState]:
        check_like("sgd", "gradient", params, grads)
        check_like("sgd", "velocity", params, state.velocity)
        # A NumPy float64 scalar would promote float32 arrays; a Python float does not.
        eta = float(rate(int(state.steps)))
        if not math.isfinite(eta):
            raise ValueError(f"sgd: the learning rate of step {int(state.steps)} is {eta}")

        def accelerate(v: Array, g: Array) -> Array:
            new: Array = momentum * v
            new -= eta * g
            return freeze(new)

        velocity = tree.map(accelerate, state.velocity, grads)
        params = tree.map(lambda p, v: freeze(p + v), params, velocity)
        return params, SgdState(freeze(state.steps + 1), velocity)

    return Optimizer(init, step)


def check_like(function: str, what: str, params: Tree, other: Tree) -> None:
    """Gradients or velocities of the structure, shapes and dtypes of the parameters.

    Raises ValueError or TypeError that names the first path where they differ.
    """
    expected, structure = tree.flatten(params)
    found, other_structure = tree.flatten(other)
    if structure != other_structure:
        place = structure.difference(other_structure)
        raise ValueError(f"{function}: parameters and {what} differ at {place}")
    for index, (p, g) in enumerate(zip(expected, found, strict=True)):
        if np.shape(p) != np.shape(g):
            path = structure.paths()[index]
            raise ValueError(
                f"{function}: the {what} at {path} has shape {np.shape(g)}, "
                f"the parameter {np.shape(p)}"
            )
        if np.asarray(p).dtype != np.asarray(g).dtype:
            path = structure.paths()[index]
            raise TypeError(
                f"{function}: the {what} at {path} is {np.asarray(g).dtype}, "
                f"the parameter {np.asarray(p).dtype}"
            )


def _constant(learning_rate: float) -> Schedule:
    if not (math.isfinite(learning_rate) and learning_rate >= 0):
        raise ValueError(f"sgd: learning rate is {learning_rate!r}, expected at least 0")
    return lambda steps: learning_rate
