"""Adam and AdamW: steps scaled by running moments of the gradient."""

import math
from collections.abc import Callable

import attrs
import numpy as np

from fcnn.arguments.settings import above_zero, below_one
from fcnn.arguments.written import written
from fcnn.numerics.arrays import Array
from fcnn.optimizers.optimizer import Optimizer, Rule, decays_kernels, leaf_by_leaf
from fcnn.schedules import Schedule
from fcnn.tree import Tree
from fcnn.tree.description import in_brief


@attrs.frozen(eq=False)
class AdamState:
    """How many steps were taken (an int64 array without axes), and the running averages of the
    gradient and of its square.
    """

    steps: Array
    mean: Tree
    square: Tree

    __repr__ = in_brief


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
        As for `sgd`.
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
    move, text = _move("adam", beta1, beta2, epsilon), written(adam, locals())
    return leaf_by_leaf("adam", AdamState, move, learning_rate, text=text)


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
    weight_decay, decays
        As for `sgd`.

    Examples
    --------
    >>> import numpy as np
    >>> optimizer = adamw(0.1, weight_decay=0.5)
    >>> params = {"b": np.ones(1), "w": np.ones((1, 1))}
    >>> params, state = optimizer.step(params, params, optimizer.init(params))
    >>> params["b"].round(6), params["w"].round(6)
    (array([0.9]), array([[0.85]]))
    """
    move, text = _move("adamw", beta1, beta2, epsilon), written(adamw, locals())
    return leaf_by_leaf("adamw", AdamState, move, learning_rate, weight_decay, decays, text=text)


def _move(
    function: str, beta1: float, beta2: float, epsilon: float
) -> Callable[..., tuple[Array, ...]]:
    beta1, beta2 = below_one(function, "beta1", beta1), below_one(function, "beta2", beta2)
    epsilon = above_zero(function, "epsilon", epsilon)

    def move(eta: float, t: int, g: Array, mean: Array, square: Array) -> tuple[Array, ...]:
        # Both corrections are numbers, so they are taken out of the arrays:
        # m' / (sqrt(s') + epsilon) = scale / eta * m / (sqrt(s) + small)
        root = math.sqrt(1 - beta2**t)
        scale, small = eta * root / (1 - beta1**t), epsilon * root
        m = beta1 * mean
        m += (1 - beta1) * g
        work = np.asarray(g * g)  # one array for all that follows: memory costs time
        work *= 1 - beta2
        s = beta2 * square
        s += work
        np.sqrt(s, out=work)
        work += small
        np.divide(m, work, out=work)
        work *= -scale
        return work, m, s

    return move
