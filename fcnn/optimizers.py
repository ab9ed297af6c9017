"""Optimizers: pure functions that map over the trees of parameters and gradients.

Here are the record and stochastic gradient descent. `fcnn.adaptive_moments` has adam and adamw;
`fcnn.averaging` and `fcnn.gradient_changes` have optimizers made of another one: with an average
of the parameters, with clipped gradients, with an L2 penalty.

Weight decay is decoupled from the gradient: a step also takes learning_rate * weight_decay of
a weight away from it, whatever the momentum or the scaling of gradients. It touches the leaves
for which a rule of path and leaf, `decays`, holds. No rule is asked about statistics, such as
the mean and var of `BatchNormParams`: they are not trained, and never decay. (A class of one's
own marks its statistics as `fcnn.untrained` says.)
"""

from collections.abc import Callable
from typing import Any, TypeAlias

import attrs
import numpy as np

from fcnn import tree
from fcnn.arrays import Array, freeze
from fcnn.schedules import Schedule
from fcnn.tree import Structure, Tree
from fcnn.tree.comparison import check_alike
from fcnn.untrained import trained
from fcnn.validation import (
    below_one,
    check_floats,
    check_function,
    check_kind,
    not_negative,
    true_or_false,
)

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


@attrs.frozen(eq=False)
class SgdState:
    """How many steps were taken (an int64 array without axes), and the velocity."""

    steps: Array
    velocity: Tree


def sgd(
    learning_rate: float | Schedule,
    momentum: float = 0.0,
    *,
    nesterov: bool = False,
    weight_decay: float = 0.0,
    decays: Rule = decays_kernels,
) -> Optimizer:
    """Stochastic gradient descent with momentum.

    v <- momentum * v - learning_rate * g
    p <- p + v
    p <- p + momentum * v - learning_rate * g    with Nesterov's momentum instead

    and with weight decay p <- (1 - learning_rate * weight_decay) * p first, for some leaves.

    The velocity carries the learning rate, as in Sutskever, Martens, Dahl, Hinton: "On
    the importance of initialization and momentum in deep learning" (2013), equations 1
    and 2. (PyTorch multiplies by the rate later; at a constant rate that is the same.)
    Nesterov's momentum is theirs too, equations 3 and 4, for parameters that are ahead by
    momentum * v, as Bengio, Boulanger-Lewandowski and Pascanu have it (2013).

    Weight decay is that of Loshchilov, Hutter: "Decoupled weight decay regularization"
    (2019), algorithm 1, in proportion to the learning rate, as in PyTorch's AdamW. What
    `torch.optim.SGD(weight_decay=...)` does instead is `l2_penalty(sgd(...), ...)`. There the
    decay goes through the momentum, so that in the end a weight shrinks 1 / (1 - momentum)
    times as much: an L2 penalty of 5e-4 with momentum 0.9 is nearly a decay of 5e-3 here.

    Parameters
    ----------
    learning_rate
        A number, or a function of the number of steps taken so far, from 0; see
        `fcnn.schedules`.
    momentum
        At least 0 and below 1.
    nesterov
        Whether to take the gradient's part of the step ahead of the velocity's.
    weight_decay
        At least 0.
    decays
        `decays(path, leaf) -> bool`: which leaves of the parameters weight decay touches.
        Statistics, those of `batch_norm`, are left alone in any case.

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
    # Python floats: a NumPy float64 scalar would promote float32 arrays.
    momentum = below_one("sgd", "momentum", momentum)
    rate = rate_of("sgd", learning_rate)
    nesterov = true_or_false("sgd", "nesterov", nesterov)
    weight_decay = not_negative("sgd", "weight_decay", weight_decay)
    check_function("sgd", "decays", decays)

    def init(params: Tree) -> SgdState:
        return SgdState(freeze(np.zeros((), np.int64)), zeros_like("sgd", params))

    def step(params: Tree, grads: Tree, state: SgdState) -> tuple[Tree, SgdState]:
        check_kind("sgd", "state", state, SgdState)
        structure, rows = aligned_leaves("sgd", params, gradient=grads, velocity=state.velocity)
        eta = rate(int(state.steps))
        kept = kept_fractions(structure, rows, eta * weight_decay, decays)
        velocity, updated = [], []
        for (p, g, v), fraction in zip(rows, kept, strict=True):
            pull = eta * g
            new = momentum * v
            new -= pull
            velocity.append(freeze(new))
            if nesterov:
                ahead = momentum * new
                ahead -= pull
            else:
                ahead = new
            updated.append(freeze(ahead + (p if fraction == 1 else fraction * p)))
        state = SgdState(freeze(state.steps + 1), tree.unflatten(structure, velocity))
        return tree.unflatten(structure, updated), state

    return Optimizer(init, step)


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
