"""Adam and AdamW: steps scaled by running moments of the gradient."""

import math

import attrs
import numpy as np

from fcnn import tree
from fcnn.arguments.settings import above_zero, below_one, check_function, check_kind, not_negative
from fcnn.numerics.arrays import Array, freeze
from fcnn.optimizers.optimizer import (
    Optimizer,
    Rule,
    aligned_leaves,
    decays_kernels,
    kept_fractions,
    rate_of,
    zeros_like,
)
from fcnn.schedules import Schedule
from fcnn.tree import Tree


@attrs.frozen(eq=False)
class AdamState:
    """How many steps were taken (an int64 array without axes), and the running averages of the
    gradient and of its square.
    """

    steps: Array
    mean: Tree
    square: Tree


def adam(
    learning_rate: float | Schedule = 0.001,
    beta1: float = 0.9,
    beta2: float = 0.999,
    *,
    epsilon: float = 1e-8,
) -> Optimizer:
    """Adam: each parameter's step is scaled by the size of its gradients so far.

    m <- beta1 * m + (1 - beta1) * g
    s <- beta2 * s + (1 - beta2) * g^2
    p <- p - learning_rate * m' / (sqrt(s') + epsilon)
    with m' = m / (1 - beta1^t) and s' = s / (1 - beta2^t) at step t, counted from 1

    Kingma, Ba: "Adam: A method for stochastic optimization" (2015), algorithm 1, as PyTorch
    has it. `torch.optim.Adam(weight_decay=...)` is `l2_penalty(adam(...), ...)`.

    Parameters
    ----------
    learning_rate
        A number, or a function of the number of steps taken so far, from 0; see
        `fcnn.schedules`.
    beta1, beta2
        How much of the averages of g and of its square is kept at each step: at least 0 and
        below 1.
    epsilon
        Greater than 0, for parameters whose gradient has been 0 so far.

    Examples
    --------
    >>> import numpy as np
    >>> optimizer = adam(0.1)
    >>> params, grads = (np.array([1.0, 1.0]),), (np.array([2.0, -300.0]),)
    >>> params, state = optimizer.step(params, grads, optimizer.init(params))
    >>> params[0].round(6)
    array([0.9, 1.1])
    """
    return _adam("adam", learning_rate, beta1, beta2, epsilon, 0.0, decays_kernels)


def adamw(
    learning_rate: float | Schedule = 0.001,
    beta1: float = 0.9,
    beta2: float = 0.999,
    *,
    epsilon: float = 1e-8,
    weight_decay: float = 0.01,
    decays: Rule = decays_kernels,
) -> Optimizer:
    """Adam with decoupled weight decay: see `adam`, and before its step

    p <- (1 - learning_rate * weight_decay) * p, for the leaves that the rule names.

    Loshchilov, Hutter: "Decoupled weight decay regularization" (2019), algorithm 2, times the
    learning rate, as PyTorch has it; PyTorch decays biases too.

    Parameters
    ----------
    learning_rate, beta1, beta2, epsilon
        As for `adam`.
    weight_decay
        At least 0.
    decays
        `decays(path, leaf) -> bool`: which leaves of the parameters weight decay touches.
        Statistics, those of `batch_norm`, are left alone in any case.

    Examples
    --------
    >>> import numpy as np
    >>> optimizer = adamw(0.1, weight_decay=0.5)
    >>> params = {"b": np.ones(1), "w": np.ones((1, 1))}
    >>> params, state = optimizer.step(params, params, optimizer.init(params))
    >>> params["b"].round(6), params["w"].round(6)
    (array([0.9]), array([[0.85]]))
    """
    return _adam("adamw", learning_rate, beta1, beta2, epsilon, weight_decay, decays)


def _adam(
    function: str,
    learning_rate: float | Schedule,
    beta1: float,
    beta2: float,
    epsilon: float,
    weight_decay: float,
    decays: Rule,
) -> Optimizer:
    rate = rate_of(function, learning_rate)
    beta1, beta2 = below_one(function, "beta1", beta1), below_one(function, "beta2", beta2)
    epsilon = above_zero(function, "epsilon", epsilon)
    weight_decay = not_negative(function, "weight_decay", weight_decay)
    check_function(function, "decays", decays)

    def init(params: Tree) -> AdamState:
        zeros = zeros_like(function, params)
        return AdamState(freeze(np.zeros((), np.int64)), zeros, zeros)

    def step(params: Tree, grads: Tree, state: AdamState) -> tuple[Tree, AdamState]:
        check_kind(function, "state", state, AdamState)
        structure, rows = aligned_leaves(
            function, params, gradient=grads, mean=state.mean, square=state.square
        )
        eta, t = rate(int(state.steps)), int(state.steps) + 1
        kept = kept_fractions(structure, rows, eta * weight_decay, decays)
        # Both corrections are numbers, so they are taken out of the arrays:
        # m' / (sqrt(s') + epsilon) = scale / eta * m / (sqrt(s) + small)
        root = math.sqrt(1 - beta2**t)
        scale, small = eta * root / (1 - beta1**t), epsilon * root
        updated, means, squares = [], [], []
        for (p, g, mean, square), fraction in zip(rows, kept, strict=True):
            m = beta1 * mean
            m += (1 - beta1) * g
            work = np.asarray(g * g)  # one array for all that follows: memory costs time
            work *= 1 - beta2
            s = beta2 * square
            s += work
            np.sqrt(s, out=work)
            work += small
            np.divide(m, work, out=work)
            work *= scale
            updated.append(freeze((p if fraction == 1 else fraction * p) - work))
            means.append(freeze(m))
            squares.append(freeze(s))
        mean, square = tree.unflatten(structure, means), tree.unflatten(structure, squares)
        state = AdamState(freeze(state.steps + 1), mean, square)
        return tree.unflatten(structure, updated), state

    return Optimizer(init, step)
