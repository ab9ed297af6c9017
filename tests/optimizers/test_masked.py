"""Optimizers that train some of the leaves: those alone change, as without the others."""

import numpy as np
import pytest
from optimizer_steps import gradients, parameters, path_of

import fcnn
from fcnn import tree

MAKERS = {
    "sgd": lambda: fcnn.sgd(0.1, 0.9, weight_decay=0.1),
    "adam": lambda: fcnn.adam(0.1),
    "adamw": lambda: fcnn.adamw(0.1, weight_decay=0.1),
    "clipped": lambda: fcnn.clip_by_global_norm(fcnn.sgd(0.1), 0.5),
    "penalised": lambda: fcnn.l2_penalty(fcnn.sgd(0.1), 0.5),
}


def in_third(path):
    return path.startswith("[3]")


def mask_of(params, rule=in_third):
    return tree.map_with_path(lambda path, leaf: rule(path), params)


def bits(params, rule=lambda path: True):
    return {path: leaf.tobytes() for path, leaf in tree.leaves_with_path(params) if rule(path)}


@pytest.mark.parametrize("name", MAKERS)
def test_the_trained_leaves_take_the_steps_of_a_tree_of_them_alone(name):
    """Decay, velocities and norms see nothing of the others, which keep their bits."""
    params = parameters()
    alone = tuple(own if i == 3 else () for i, own in enumerate(params))
    optimizer, within = fcnn.masked(MAKERS[name](), in_third), MAKERS[name]()
    state, state_within, found = optimizer.init(params), within.init(alone), params
    for step in range(4):
        grads = gradients(params, step)
        found, state = optimizer.step(found, grads, state)
        alone, state_within = within.step(
            alone, tuple(own if i == 3 else () for i, own in enumerate(grads)), state_within
        )
    assert bits(found[3]) == bits(alone[3]) != bits(params[3])
    others = [i for i in range(len(params)) if i != 3]
    assert [bits(found[i]) for i in others] == [bits(params[i]) for i in others]
    # As much state as the trained leaves have.
    assert list(map(np.shape, tree.leaves(state))) == list(map(np.shape, tree.leaves(state_within)))


def test_a_predicate_of_paths_and_a_tree_of_bools_say_the_same():
    params = parameters()
    by_path, by_tree = (fcnn.masked(fcnn.adam(0.1), rule) for rule in (in_third, mask_of(params)))
    for one, other in zip(
        path_of(by_path, params, 3)[0], path_of(by_tree, params, 3)[0], strict=True
    ):
        assert bits(one) == bits(other)
    for optimizer in (by_path, by_tree):
        assert tree.equal(optimizer.trained(params), mask_of(params))
    assert fcnn.sgd(0.1).trained is None


@pytest.mark.parametrize(
    "wrap",
    [
        lambda optimizer: fcnn.clip_by_global_norm(optimizer, 1.0),
        lambda optimizer: fcnn.l2_penalty(optimizer, 0.1),
        lambda optimizer: fcnn.with_average(optimizer, 0.9),
    ],
    ids=["clip_by_global_norm", "l2_penalty", "with_average"],
)
def test_wrappers_pass_on_what_is_trained(wrap):
    params = parameters()
    optimizer = wrap(fcnn.masked(fcnn.sgd(0.1), in_third))
    assert tree.equal(optimizer.trained(params), mask_of(params))
    *_, found = path_of(optimizer, params, 3)[0]
    assert bits(found, lambda path: not in_third(path)) == bits(
        params, lambda path: not in_third(path)
    )
    assert wrap(fcnn.sgd(0.1)).trained is None


def test_of_two_masks_both_must_let_a_leaf_pass():
    params = parameters()
    inner = fcnn.masked(fcnn.sgd(0.1), lambda path: path.endswith(".w"))
    optimizer = fcnn.masked(inner, in_third)
    assert tree.equal(optimizer.trained(params), mask_of(params, lambda path: path == "[3].w"))
    *_, found = path_of(optimizer, params, 2)[0]
    changed = [path for path, leaf in bits(found).items() if leaf != bits(params)[path]]
    assert changed == ["[3].w"]


def test_an_average_outside_of_it_is_of_all_parameters():
    params = parameters()
    optimizer = fcnn.with_average(fcnn.masked(fcnn.sgd(0.1), in_third), 0.9)
    seen, state = path_of(optimizer, params, 3)
    average = fcnn.averaged(state)
    assert tree.equal(average[0], params[0])
    assert not tree.equal(average[3], params[3])
    assert tree.structure(average) == tree.structure(seen[-1])


def test_leaves_that_stay_are_read_only_and_the_callers_own_stay_writeable():
    params = (np.ones((2, 3)).T, np.ones(2))
    optimizer = fcnn.masked(fcnn.sgd(0.1), lambda path: path == "[1]")
    after, state = optimizer.step(params, params, optimizer.init(params))
    assert params[0].flags.writeable
    for leaf in tree.leaves((after, state)):
        assert not leaf.flags.writeable
        assert leaf.flags.c_contiguous
    again, _ = optimizer.step(after, params, state)
    assert again[0] is after[0]


def test_gradients_of_frozen_leaves_may_be_anything_of_their_shape():
    params = (np.ones(2), np.ones(2))
    optimizer = fcnn.masked(
        fcnn.clip_by_global_norm(fcnn.sgd(1.0), 1.0), lambda path: path == "[1]"
    )
    grads = (np.full(2, np.nan), np.full(2, 0.5))
    after, _ = optimizer.step(params, grads, optimizer.init(params))
    assert after[0].tolist() == [1, 1]
    assert after[1].tolist() == [0.5, 0.5]
    with pytest.raises(ValueError, match=r"masked: the gradient at \[0\]"):
        optimizer.step(params, (np.ones(3), np.ones(2)), optimizer.init(params))


def test_the_state_fits_into_a_checkpoint(tmp_path):
    params = parameters()
    optimizer = fcnn.masked(fcnn.adam(0.1), in_third)
    state = path_of(optimizer, params, 3)[1]
    tree.save(tmp_path / "state.npz", state)
    assert tree.equal(tree.load(tmp_path / "state.npz", like=optimizer.init(params)), state)
