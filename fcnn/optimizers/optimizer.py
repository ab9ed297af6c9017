"""The record that every optimizer is: pure functions that map over trees of parameters and
gradients; and what optimizers have in common.

Weight decay is decoupled from the gradient: a step also takes learning_rate * weight_decay of
a weight away from it, whatever the momentum or the scaling of gradients. It touches the leaves
for which a rule of path and leaf, `decays`, holds. No rule is asked about statistics, such as
the mean and var of `BatchNormParams`: they are not trained, and never decay. (A class of one's
own marks its statistics as `fcnn.tree.trained_leaves` says.)
"""

from collections.abc import Callable
from typing import Any, TypeAlias

import attrs
import numpy as np

from fcnn import tree
from fcnn.arguments.arrays import check_floats
from fcnn.arguments.settings import check_function, not_negative
from fcnn.numerics.arrays import Array, freeze
from fcnn.schedules import Schedule
from fcnn.tree import Structure, Tree
from fcnn.tree.comparison import check_alike
from fcnn.tree.trained_leaves import trained

Rule: TypeAlias = Callable[[str, Array], bool]


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


def decays_kernels(path: str, leaf: Array) -> bool:
    """Whether a leaf has at least two axes: weights of convolutions and dense layers.

    Biases, scales and shifts and running statistics have one, and are left alone. The rule
    of weight decay unless another is given; one of your own may look at the path, such as
    `[4].w`, as `tree.describe` prints it.
    """
    return np.ndim(leaf) >= 2


def zeros_like(function: str, params: Tree) -> Tree:
    """A tree of read-only zeros, of the structure, shapes and dtypes of parameters, whose leaves
    must be arrays of floats.
    """
    for path, leaf in tree.leaves_with_path(params):
        check_floats(function, **{f"the parameter at {path or 'the root'}": leaf})
    return tree.map(lambda p: freeze(np.zeros_like(p, order="C")), params)


def rate_of(function: str, learning_rate: float | Schedule) -> Schedule:
    """The learning rate as a function of the step that gives Python floats, or raises
    ValueError for what is no finite number of at least 0.
    """
    if not callable(learning_rate):
        expected = "a number or a function of the step count"
        constant = not_negative(function, "learning rate", learning_rate, expected)
        return lambda steps: constant
    return lambda steps: not_negative(
        function, f"the learning rate of step {steps}", learning_rate(steps)
    )


def kept_fractions(
    structure: Structure, rows: list[tuple[Array, ...]], decay: float, decays: Rule
) -> list[float]:
    """What weight decay leaves of each parameter, the first of its row: 1 - decay where the rule
    holds, else 1.
    """
    if not decay:
        return [1.0] * len(rows)
    touched = decaying(structure, [p for p, *_ in rows], decays)
    return [1.0 - decay if own else 1.0 for own in touched]


def decaying(structure: Structure, leaves: list[Array], decays: Rule) -> list[bool]:
    """For each leaf, whether it is one that is trained and for which the rule holds."""
    places = zip(trained(structure), structure.paths(), leaves, strict=True)
    return [own and bool(decays(path, leaf)) for own, path, leaf in places]


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
