"""Stochastic gradient descent: with momentum, Nesterov's momentum, weight decay."""

import attrs

from fcnn.arguments.settings import below_one, true_or_false
from fcnn.arguments.written import written
from fcnn.numerics.arrays import Array
from fcnn.optimizers.optimizer import Optimizer, Rule, decays_kernels, leaf_by_leaf
from fcnn.schedules import Schedule
from fcnn.tree import Tree
from fcnn.tree.description import in_brief


@attrs.frozen(eq=False)
class SgdState:
    """How many steps were taken (an int64 array without axes), and the velocity."""

    steps: Array
    velocity: Tree

    __repr__ = in_brief


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
    momentum = below_one("sgd", "momentum", momentum)
    nesterov = true_or_false("sgd", "nesterov", nesterov)

    def move(eta: float, t: int, g: Array, v: Array) -> tuple[Array, Array]:
        pull = eta * g
        new = momentum * v
        new -= pull
        if not nesterov:
            return new, new
        ahead = momentum * new
        ahead -= pull
        return ahead, new

    text = written(sgd, locals())
    return leaf_by_leaf("sgd", SgdState, move, learning_rate, weight_decay, decays, text=text)
