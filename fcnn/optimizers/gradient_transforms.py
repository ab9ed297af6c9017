"""Optimizers made of another one, which is handed other gradients.

They nest, and the outermost sees the gradient first: in `clip_by_global_norm(l2_penalty(
sgd(0.1), 1e-4), 1.0)` the gradient of the loss alone is clipped, as `clip_grad_norm_` and
`SGD(weight_decay=...)` do together in PyTorch. The state is that of the inner optimizer.
"""

import math
from typing import Any

import numpy as np

from fcnn import tree
from fcnn.arguments.settings import above_zero, check_function, check_kind, not_negative
from fcnn.arguments.written import written
from fcnn.optimizers.optimizer import Optimizer, Rule, aligned_leaves, decaying, decays_kernels
from fcnn.tree import Tree


def clip_by_global_norm(optimizer: Optimizer, max_norm: float) -> Optimizer:
    """Shrink gradients that are longer than allowed, all by the same factor.

    g <- g * min(1, max_norm / |g|), |g| the square root of the sum of all squares of all leaves

    Pascanu, Mikolov, Bengio: "On the difficulty of training recurrent neural networks" (2013),
    algorithm 1. (PyTorch's clip_grad_norm_ adds 1e-6 to |g| before it divides.) A gradient that
    is short enough is handed on as it is.

    Parameters
    ----------
    optimizer
        What is handed the gradient.
    max_norm
        Greater than 0. A norm that is not finite is a ValueError from the step.

    Examples
    --------
    >>> import fcnn, numpy as np
    >>> optimizer = clip_by_global_norm(fcnn.sgd(1.0), 1.0)
    >>> params = {"a": np.zeros(1), "b": np.zeros(1)}
    >>> grads = {"a": np.array([3.0]), "b": np.array([4.0])}
    >>> params, _ = optimizer.step(params, grads, optimizer.init(params))
    >>> params["a"].round(6), params["b"].round(6)
    (array([-0.6]), array([-0.8]))
    """
    check_kind("clip_by_global_norm", "optimizer", optimizer, Optimizer)
    max_norm = above_zero("clip_by_global_norm", "max_norm", max_norm)

    def step(params: Tree, grads: Tree, state: Any) -> tuple[Tree, Any]:
        norm = global_norm(grads)
        if not math.isfinite(norm):
            raise ValueError(f"clip_by_global_norm: the norm of the gradient is {norm}")
        if norm > max_norm:
            factor = max_norm / norm
            grads = tree.map(lambda g: np.asarray(factor * g), grads)
        return optimizer.step(params, grads, state)

    return Optimizer(
        optimizer.init, step, optimizer.trained, written(clip_by_global_norm, locals())
    )


def global_norm(grads: Tree) -> float:
    """The square root of the sum of the squares of all leaves, summed in float64."""
    # Not by BLAS's dot product: its bits depend on how many threads it takes.
    squares = (np.square(g, dtype=np.float64) for g in tree.leaves(grads))
    return math.sqrt(sum(float(square.sum()) for square in squares))


def l2_penalty(optimizer: Optimizer, strength: float, decays: Rule = decays_kernels) -> Optimizer:
    """Add the gradient of strength / 2 * |p|^2: g <- g + strength * p, for some leaves.

    Weight decay that goes through the gradient and all that an optimizer does with it, as
    `torch.optim.SGD(weight_decay=strength)` and `torch.optim.Adam(weight_decay=strength)` have
    it (which touch every leaf: `decays=lambda path, leaf: True`). The penalty is not in the loss
    that is reported.

    Parameters
    ----------
    optimizer
        What is handed the gradient.
    strength
        At least 0.
    decays
        Which leaves of the parameters it touches: as for `sgd`.

    Examples
    --------
    >>> import fcnn, numpy as np
    >>> optimizer = l2_penalty(fcnn.sgd(0.1), 0.5)
    >>> params = {"b": np.ones(1), "w": np.ones((1, 1))}
    >>> grads = {"b": np.zeros(1), "w": np.zeros((1, 1))}
    >>> params, _ = optimizer.step(params, grads, optimizer.init(params))
    >>> params["b"].round(6), params["w"].round(6)
    (array([1.]), array([[0.95]]))
    """
    check_kind("l2_penalty", "optimizer", optimizer, Optimizer)
    strength = not_negative("l2_penalty", "strength", strength)
    check_function("l2_penalty", "decays", decays)

    def step(params: Tree, grads: Tree, state: Any) -> tuple[Tree, Any]:
        structure, rows = aligned_leaves("l2_penalty", params, gradient=grads)
        touched = zip(decaying(structure, rows, decays), rows, strict=True)
        penalised = [np.asarray(g + strength * p) if own else g for own, (p, g) in touched]
        return optimizer.step(params, tree.unflatten(structure, penalised), state)

    return Optimizer(optimizer.init, step, optimizer.trained, written(l2_penalty, locals()))
