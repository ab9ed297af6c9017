import numpy as np
import pytest

import fcnn
from fcnn import tree


def parameters(dtype=np.float32):
    params, _ = fcnn.models.lines_cnn().init(np.random.default_rng(0), (1, 14, 14))
    return tree.map(lambda a: a.astype(dtype), params)


def gradients(params, seed=1):
    rng = np.random.default_rng(seed)
    return tree.map(lambda a: rng.standard_normal(a.shape).astype(a.dtype), params)


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_sgd_follows_its_equations(momentum):
    params = parameters(np.float64)
    optimizer = fcnn.sgd(0.1, momentum)
    state = optimizer.init(params)
    p = tree.map(np.copy, params)
    v = tree.map(np.zeros_like, params)
    for step in range(5):
        grads = gradients(params, step)
        v = tree.map(lambda v, g: momentum * v - 0.1 * g, v, grads)
        p = tree.map(np.add, p, v)
        params, state = optimizer.step(params, grads, state)
    assert tree.allclose(params, p, rtol=1e-14)
    assert tree.structure(params) == tree.structure(p)
    assert int(state.steps) == 5


def test_the_learning_rate_may_be_a_function_of_the_step():
    seen = []

    def schedule(step):
        seen.append(step)
        return np.float64(0.5) / (step + 1)

    optimizer = fcnn.sgd(schedule)
    params = (np.ones(2, np.float32),)
    state = optimizer.init(params)
    for _ in range(3):
        params, state = optimizer.step(params, (np.ones(2, np.float32),), state)
    assert seen == [0, 1, 2]
    assert params[0].dtype == np.float32
    assert np.allclose(params[0], 1 - 0.5 - 0.25 - 0.5 / 3)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_leaves_keep_their_dtype_and_are_read_only_and_nothing_is_written_to(dtype):
    params = parameters(dtype)
    grads = gradients(params)
    before = tree.map(np.copy, (params, grads))
    optimizer = fcnn.sgd(np.float64(0.1), momentum=np.float64(0.9))
    state = optimizer.init(params)
    new, new_state = optimizer.step(params, tree.map(np.asfortranarray, grads), state)
    assert tree.equal((params, grads), before)
    assert int(state.steps) == 0
    for leaf in tree.leaves((new, new_state.velocity)):
        assert leaf.dtype == dtype
    for leaf in tree.leaves((new, new_state, state)):
        assert leaf.flags.c_contiguous
        assert not leaf.flags.writeable


def test_a_step_refuses_gradients_that_do_not_fit():
    params = parameters()
    optimizer = fcnn.sgd(0.1)
    state = optimizer.init(params)
    grads = gradients(params)
    with pytest.raises(ValueError, match=r"\[9\]: .* against nothing"):
        optimizer.step(params, grads[:-1], state)
    wrong_shape = tree.map_with_path(lambda path, g: g[None] if path == "[3].w" else g, grads)
    with pytest.raises(ValueError, match=r"sgd: the gradient at \[3\]\.w has shape "):
        optimizer.step(params, wrong_shape, state)
    wrong_dtype = tree.map_with_path(
        lambda path, g: g.astype(np.float64) if path == "[7].b" else g, grads
    )
    with pytest.raises(TypeError, match=r"gradient at \[7\]\.b is float64, the parameter float32"):
        optimizer.step(params, wrong_dtype, state)


@pytest.mark.parametrize("rate", [-0.1, float("nan"), float("inf")])
def test_senseless_settings_are_refused(rate):
    with pytest.raises(ValueError, match="learning rate is"):
        fcnn.sgd(rate)
    for momentum in (-0.1, 1.0, float("nan")):
        with pytest.raises(ValueError, match="momentum is"):
            fcnn.sgd(0.1, momentum)


def test_a_velocity_of_another_dtype_is_refused_rather_than_promoting_parameters():
    params = parameters()
    optimizer = fcnn.sgd(0.1)
    state = optimizer.init(parameters(np.float64))
    with pytest.raises(TypeError, match=r"velocity at \[0\]\.w is float64, the parameter float32"):
        optimizer.step(params, gradients(params), state)


def test_a_schedule_must_give_numbers():
    optimizer = fcnn.sgd(lambda step: float("nan"))
    params = parameters()
    with pytest.raises(ValueError, match="the learning rate of step 0 is nan"):
        optimizer.step(params, gradients(params), optimizer.init(params))
