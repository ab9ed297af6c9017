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
from fcnn.arguments.settings import check_function, check_kind, not_negative
from fcnn.arguments.written import name_of
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
    trained
        `trained(params)`: a tree like the parameters, with a bool for each leaf, which says
        whether its steps change it (see `masked`); None, if they change all. An optimizer that
        wraps another passes it on.
    written
        What one would write to make it, which is how it prints; without it, its functions' names.
    """

    init: Callable[[Tree], Any]
    step: Callable[[Tree, Tree, Any], tuple[Tree, Any]]
    trained: Callable[[Tree], Tree] | None = None
    written: str = ""

    def __attrs_post_init__(self) -> None:
        check_function("Optimizer", "init", self.init)
        check_function("Optimizer", "step", self.step)
        if self.trained is not None:
            check_function("Optimizer", "trained", self.trained)
        check_kind("Optimizer", "written", self.written, str)

    def __repr__(self) -> str:
        return self.written or f"Optimizer({name_of(self.init)}, {name_of(self.step)})"


def decays_kernels(path: str, leaf: Array) -> bool:
    """Whether a leaf has at least two axes: weights of convolutions and dense layers.

    Biases, scales and shifts and running statistics have one, and are left alone. The rule
    of weight decay unless another is given; one of your own may look at the path, such as
    `[4].w`, as `tree.describe` prints it.
    """
    return np.ndim(leaf) >= 2


def leaf_by_leaf(
    function: str,
    kind: type,
    move: Callable[..., tuple[Array, ...]],
    learning_rate: float | Schedule,
    weight_decay: float = 0.0,
    decays: Rule = decays_kernels,
    *,
    text: str,
) -> Optimizer:
    """The optimizer that takes its step leaf by leaf, after weight decay.

    Its state is of the given kind: first how many steps were taken, then trees like the
    parameters, zeros at first. `move(eta, t, g, *own) -> (change, *own)` is given the learning
    rate, the number of the step from 1, the gradient of a leaf and its places in these trees, and
    gives what is added to the parameter, and what takes their places. It prints as the text.
    """
    rate = _rate_of(function, learning_rate)
    weight_decay = not_negative(function, "weight_decay", weight_decay)
    check_function(function, "decays", decays)
    _, *names = [field.name for field in attrs.fields(kind)]

    def init(params: Tree) -> Any:
        for path, leaf in tree.leaves_with_path(params):
            check_floats(function, **{f"the parameter at {path or 'the root'}": leaf})
        zeros = tree.map(lambda p: freeze(np.zeros_like(p, order="C")), params)
        return kind(freeze(np.zeros((), np.int64)), *[zeros] * len(names))

    def step(params: Tree, grads: Tree, state: Any) -> tuple[Tree, Any]:
        check_kind(function, "state", state, kind)
        others = {name: getattr(state, name) for name in names}
        structure, rows = aligned_leaves(function, params, gradient=grads, **others)
        eta, t = rate(int(state.steps)), int(state.steps) + 1
        decay = eta * weight_decay
        touched = decaying(structure, rows, decays) if decay else [False] * len(rows)
        new = []
        for (p, *row), decayed in zip(rows, touched, strict=True):
            change, *own = move(eta, t, *row)
            # Without a name, what decay leaves of p takes the sum: NumPy needs no other array.
            moved = change + ((1 - decay) * p if decayed else p)
            new.append([freeze(array) for array in (moved, *own)])
        params, *trees = (
            tree.unflatten(structure, [row[i] for row in new]) for i in range(1 + len(names))
        )
        return params, kind(freeze(state.steps + 1), *trees)

    return Optimizer(init, step, written=text)


def _rate_of(function: str, learning_rate: float | Schedule) -> Schedule:
    """The learning rate by the step, a Python float, finite and at least 0."""
    if callable(learning_rate):
        return lambda steps: not_negative(
            function, f"the learning rate of step {steps}", learning_rate(steps)
        )
    expected = "a number or a function of the step count"
    constant = not_negative(function, "learning rate", learning_rate, expected)
    return lambda steps: constant


def decaying(structure: Structure, rows: list[tuple[Array, ...]], decays: Rule) -> list[bool]:
    """For the leaf that begins each row, whether it is trained and the rule holds for it."""
    places = zip(trained(structure), structure.paths(), rows, strict=True)
    return [own and bool(decays(path, leaf)) for own, path, (leaf, *_) in places]


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
