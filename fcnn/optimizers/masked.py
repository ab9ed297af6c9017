"""An optimizer that trains some of the parameters, and leaves the others as they are."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np

from fcnn import tree
from fcnn.arguments.settings import check_kind, true_or_false
from fcnn.arguments.written import written
from fcnn.numerics.arrays import Array, freeze
from fcnn.optimizers.optimizer import Optimizer, aligned_leaves
from fcnn.tree import Structure, Tree
from fcnn.tree.structure import check_same_structure


def masked(optimizer: Optimizer, trained: Callable[[str], bool] | Tree) -> Optimizer:
    """An optimizer that takes its steps with some leaves; all others keep their bits.

    The optimizer within is given the trained leaves alone, with None in the place of each
    other: it has no velocity for these, decays none of them, and their gradients count in no norm.

    `fit` reads of the optimizer what is trained, and goes back no further than to the lowest layer
    of it. Statistics that are not trained, such as the mean and var of a `batch_norm`, are not
    calibrated after an epoch; and a layer with statistics none of whose leaves is trained does
    in training what it does in inference. (`value_and_grad` and `calibrate` do not know the
    optimizer: to them all layers are trained.)

    Parameters
    ----------
    optimizer
        What takes the steps. Other wrappers may be inside, such as `clip_by_global_norm`; but an
        average of all parameters is made outside: `with_average(masked(...), decay)`.
    trained
        `trained(path) -> bool`, of paths as `tree.describe` prints them, such as `[4].w`; or
        a tree like the parameters, with a bool for each leaf.

    Raises ValueError from init and step, if nothing is trained, or the tree is not like the
    parameters.

    Examples
    --------
    >>> import fcnn, numpy as np
    >>> optimizer = masked(fcnn.sgd(1.0), lambda path: path.startswith("[1]"))
    >>> params, grads = (np.zeros(1), np.zeros(1)), (np.ones(1), np.ones(1))
    >>> params, state = optimizer.step(params, grads, optimizer.init(params))
    >>> params
    (array([0.]), array([-1.]))
    """
    check_kind("masked", "optimizer", optimizer, Optimizer)
    if not callable(trained):
        for path, leaf in tree.leaves_with_path(trained):
            true_or_false("masked", f"trained at {path or 'the root'}", leaf)

    @lru_cache(maxsize=16)  # every step asks
    def own_mask(structure: Structure) -> Tree:
        mask = trained
        if callable(trained):
            mask = tree.unflatten(structure, [bool(trained(path)) for path in structure.paths()])
        check_same_structure("masked: parameters and trained", structure, tree.structure(mask))
        if structure.size() and not any(tree.leaves(mask)):
            raise ValueError(f"masked: none is trained of {', '.join(structure.paths())}")
        return mask

    def mask_of(params: Tree) -> Tree:
        own = own_mask(tree.structure(params))
        if optimizer.trained is None:
            return own
        within = iter(tree.leaves(optimizer.trained(_part(params, own))))
        return tree.map(lambda flag: flag and next(within), own)

    def init(params: Tree) -> Any:
        return optimizer.init(_part(params, own_mask(tree.structure(params))))

    def step(params: Tree, grads: Tree, state: Any) -> tuple[Tree, Any]:
        structure, _ = aligned_leaves("masked", params, gradient=grads)
        mask = own_mask(structure)
        moved, state = optimizer.step(_part(params, mask), _part(grads, mask), state)
        return _merged(params, mask, moved), state

    return Optimizer(init, step, mask_of, written(masked, locals()))


def _part(whole: Tree, mask: Tree) -> Tree:
    """The leaves that the mask has, in their places, and None in those of the others."""
    return tree.map(lambda leaf, flag: leaf if flag else None, whole, mask)


def _merged(whole: Tree, mask: Tree, part: Tree) -> Tree:
    """The whole, with the leaves of a part in the places that the mask has."""
    check_same_structure(
        "masked: the optimizer within", tree.structure(_part(whole, mask)), tree.structure(part)
    )
    others = iter(tree.leaves(part))
    return tree.map(lambda leaf, flag: next(others) if flag else _read_only(leaf), whole, mask)


def _read_only(leaf: Array) -> Array:
    """The array itself if it is read-only already: a caller's own stays writeable."""
    if leaf.flags.writeable or not leaf.flags.c_contiguous:
        return freeze(np.array(leaf, order="C"))
    return leaf
