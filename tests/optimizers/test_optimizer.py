"""What every optimizer keeps to, and what weight decay touches."""

import attrs
import numpy as np
import pytest
from optimizer_steps import gradients, parameters

import fcnn
from fcnn import tree
from fcnn.tree.trained_leaves import UNTRAINED

# As users nest them; what holds for all optimizers is tested on each.
OPTIMIZERS = {
    "sgd": fcnn.sgd(np.float64(0.1)),
    "momentum": fcnn.sgd(np.float64(0.1), momentum=np.float64(0.9)),
    "nesterov": fcnn.sgd(0.1, 0.9, nesterov=True, weight_decay=np.float64(0.01)),
    "adam": fcnn.adam(np.float64(0.1), np.float64(0.8), np.float64(0.9), epsilon=np.float64(1e-6)),
    "adamw": fcnn.adamw(0.1, weight_decay=np.float64(0.1)),
    "clipped": fcnn.clip_by_global_norm(fcnn.sgd(0.1, 0.9), np.float64(0.5)),
    "penalised": fcnn.l2_penalty(fcnn.adam(0.1), np.float64(0.1), lambda path, leaf: True),
    "averaged": fcnn.with_average(fcnn.sgd(0.1, 0.9), np.float64(0.99)),
    "all of it": fcnn.with_average(
        fcnn.clip_by_global_norm(fcnn.l2_penalty(fcnn.adamw(lambda step: 0.1), 1e-3), 1.0), 0.9
    ),
}
every_optimizer = pytest.mark.parametrize("name", OPTIMIZERS)


@pytest.mark.parametrize(
    "make",
    [
        lambda **rule: fcnn.sgd(0.1, weight_decay=0.5, **rule),
        lambda **rule: fcnn.adamw(0.1, weight_decay=0.5, **rule),
        lambda **rule: fcnn.l2_penalty(fcnn.sgd(0.1), 0.5, **rule),
    ],
)
def test_a_rule_says_which_leaves_decay(make):
    params = tree.map(np.ones_like, parameters(np.float64))
    nothing = tree.map(np.zeros_like, params)

    def touched(**rule):
        optimizer = make(**rule)
        new, _ = optimizer.step(params, nothing, optimizer.init(params))
        for _, leaf in tree.leaves_with_path(new):
            assert np.allclose(leaf, 0.95) or np.array_equal(leaf, np.ones_like(leaf))
        return {path for path, leaf in tree.leaves_with_path(new) if leaf.flat[0] != 1}

    every = {path for path, _ in tree.leaves_with_path(params)}
    kernels = {path for path in every if path.endswith(".w")}
    assert touched() == touched(decays=fcnn.decays_kernels) == kernels
    assert touched(decays=lambda path, leaf: True) == every
    assert touched(decays=lambda path, leaf: path == "[3].b") == {"[3].b"}
    assert touched(decays=lambda path, leaf: leaf.size > 100) < kernels


@attrs.frozen(eq=False)
class Own:
    """Parameters with a statistic, deeper down, and a field without a say in it."""

    w: np.ndarray = attrs.field(metadata={"unit": "metres"})
    seen: tuple = attrs.field(metadata=UNTRAINED)


@pytest.mark.parametrize(
    "make",
    [
        lambda rule: fcnn.sgd(0.1, weight_decay=0.5, decays=rule),
        lambda rule: fcnn.sgd(0.1, 0.9, nesterov=True, weight_decay=0.5, decays=rule),
        lambda rule: fcnn.adamw(0.1, weight_decay=0.5, decays=rule),
        lambda rule: fcnn.l2_penalty(fcnn.sgd(0.1), 0.5, rule),
    ],
)
def test_no_rule_makes_statistics_decay(make):
    asked = []

    def everything(path, leaf):
        asked.append(path)
        return True

    one = np.ones(2, np.float32)
    params = (fcnn.BatchNormParams(one, one, one, one), {"own": [Own(one, (one, {"mean": one}))]})
    optimizer = make(everything)
    nothing = tree.map(np.zeros_like, params)
    new, _ = optimizer.step(params, nothing, optimizer.init(params))
    kept = [path for path, leaf in tree.leaves_with_path(new) if np.array_equal(leaf, one)]
    own = "[1]['own'][0]"
    assert kept == ["[0].mean", "[0].var", f"{own}.seen[0]", f"{own}.seen[1]['mean']"]
    assert asked == ["[0].scale", "[0].shift", f"{own}.w"]


def test_the_usual_rule_leaves_vectors_and_numbers_alone():
    shapes = [(), (5,), (5, 1), (2, 3, 1, 1)]
    assert [fcnn.decays_kernels("", np.zeros(shape)) for shape in shapes] == [
        False,
        False,
        True,
        True,
    ]


@every_optimizer
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_leaves_keep_their_dtype_and_are_read_only_and_nothing_is_written_to(dtype, name):
    params = parameters(dtype)
    grads = gradients(params)
    optimizer = OPTIMIZERS[name]
    state = optimizer.init(params)
    params, state = optimizer.step(params, grads, state)  # so that nothing in it is zero
    before = tree.map(np.copy, (params, grads, state))
    new, new_state = optimizer.step(params, tree.map(np.asfortranarray, grads), state)
    assert tree.equal((params, grads, state), before)
    assert not tree.equal(new, params)
    kinds = {np.dtype(dtype), np.dtype(np.int64)}  # integers count steps
    for leaf in tree.leaves(new):
        assert leaf.dtype == dtype
    for leaf in tree.leaves(new_state):
        assert leaf.dtype in kinds
    for leaf in tree.leaves((new, new_state, optimizer.init(params))):
        assert leaf.flags.c_contiguous
        assert not leaf.flags.writeable


@every_optimizer
def test_parameters_may_be_numbers_or_none_at_all(name):
    optimizer = OPTIMIZERS[name]
    params, grads = (np.ones((), np.float32),), (np.full((), 2, np.float32),)
    state = optimizer.init(params)
    for _ in range(2):
        params, state = optimizer.step(params, grads, state)
    assert [leaf.dtype for leaf in tree.leaves(params)] == [np.float32]
    assert params[0] < 1
    assert optimizer.step((), (), optimizer.init(()))[0] == ()


@every_optimizer
def test_a_step_refuses_gradients_that_do_not_fit(name):
    params = parameters()
    optimizer = OPTIMIZERS[name]
    state = optimizer.init(params)
    grads = gradients(params)
    with pytest.raises(ValueError, match=r"\[9\]: .* against nothing"):
        optimizer.step(params, grads[:-1], state)
    wrong_shape = tree.map_with_path(lambda path, g: g[None] if path == "[3].w" else g, grads)
    with pytest.raises(ValueError, match=r": the gradient at \[3\]\.w has shape "):
        optimizer.step(params, wrong_shape, state)
    wrong_dtype = tree.map_with_path(
        lambda path, g: g.astype(np.float64) if path == "[7].b" else g, grads
    )
    with pytest.raises(TypeError, match=r"gradient at \[7\]\.b is float64, the parameter float32"):
        optimizer.step(params, wrong_dtype, state)


@every_optimizer
def test_a_state_of_another_dtype_is_refused_rather_than_promoting_parameters(name):
    params = parameters()
    optimizer = OPTIMIZERS[name]
    state = optimizer.init(parameters(np.float64))
    message = r"(velocity|mean|averaged) at \[0\]\.w is float64, the parameter float32"
    with pytest.raises(TypeError, match=message):
        optimizer.step(params, gradients(params), state)


@every_optimizer
def test_the_state_fits_into_a_checkpoint_and_training_goes_on_from_it_bit_for_bit(name, tmp_path):
    model, optimizer = fcnn.models.lines_cnn(), OPTIMIZERS[name]
    train, _ = fcnn.data.synthetic_lines(seed=0)
    train = (train[0][:64], train[1][:64])
    settings = {"epochs": 2, "batch_size": 32, "seed": 0, "threads": 1}
    first, second = fcnn.fit(model, parameters(), optimizer, train, **settings)
    fcnn.save_checkpoint(tmp_path / "first.npz", first)
    start = fcnn.load_checkpoint(tmp_path / "first.npz", model, optimizer)
    assert tree.equal(start.state, first.state)
    (again,) = fcnn.fit(model, parameters(), optimizer, train, start=start, **settings)
    assert tree.equal((again.params, again.state), (second.params, second.state))


@pytest.mark.parametrize("make", [fcnn.sgd, fcnn.adam, fcnn.adamw])
@pytest.mark.parametrize("rate", [-0.1, float("nan"), float("inf")])
def test_senseless_learning_rates_are_refused(make, rate):
    with pytest.raises(ValueError, match=f"{make.__name__}: learning rate is"):
        make(rate)
    optimizer = make(lambda step: rate)
    params = parameters()
    with pytest.raises(ValueError, match=f"{make.__name__}: the learning rate of step 0 is {rate}"):
        optimizer.step(params, gradients(params), optimizer.init(params))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda x: fcnn.sgd(0.1, x), "sgd: momentum is"),
        (lambda x: fcnn.sgd(0.1, weight_decay=x - 1), "sgd: weight_decay is"),
        (lambda x: fcnn.adam(0.1, x), "adam: beta1 is"),
        (lambda x: fcnn.adam(0.1, 0.9, x), "adam: beta2 is"),
        (lambda x: fcnn.adam(0.1, epsilon=x - 1), "adam: epsilon is"),
        (lambda x: fcnn.adamw(0.1, x), "adamw: beta1 is"),
        (lambda x: fcnn.adamw(0.1, weight_decay=x - 1), "adamw: weight_decay is"),
        (lambda x: fcnn.clip_by_global_norm(fcnn.sgd(0.1), x - 1), "norm: max_norm is"),
        (lambda x: fcnn.l2_penalty(fcnn.sgd(0.1), x - 1), "l2_penalty: strength is"),
        (lambda x: fcnn.with_average(fcnn.sgd(0.1), x), "with_average: decay is"),
        (lambda x: fcnn.average((), (), 2 * x), "average: decay is"),
    ],
)
@pytest.mark.parametrize("value", [-0.1, float("nan")])
def test_senseless_settings_are_refused(make, message, value):
    with pytest.raises(ValueError, match=message):
        make(value)


@pytest.mark.parametrize(
    "make",
    [lambda: fcnn.sgd(0.1, 1.0), lambda: fcnn.adam(0.1, 0.9, 1.0), lambda: fcnn.adam(epsilon=0),
     lambda: fcnn.clip_by_global_norm(fcnn.sgd(0.1), 0), lambda: fcnn.average((), (), 1.1),
     lambda: fcnn.with_average(fcnn.sgd(0.1), 1.0)],
)  # fmt: skip
def test_settings_just_outside_are_refused(make):
    with pytest.raises(ValueError, match="expected"):
        make()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: fcnn.adam("0.1"), "adam: learning rate is '0.1', expected a number or a function"),
        (lambda: fcnn.adam(0.1, "0.9"), "adam: beta1 is '0.9', expected a number"),
        (lambda: fcnn.adamw(epsilon=None), "adamw: epsilon is None, expected a number"),
        (lambda: fcnn.adamw(decays=True), "adamw: decays is a bool, expected a function"),
        (lambda: fcnn.sgd(0.1, weight_decay="1"), "sgd: weight_decay is '1', expected a number"),
        (lambda: fcnn.sgd(0.1, decays="w"), "sgd: decays is a str, expected a function"),
        (lambda: fcnn.clip_by_global_norm(fcnn.sgd(0.1), None), "max_norm is None, expected a num"),
        (lambda: fcnn.l2_penalty(fcnn.sgd(0.1), "1"), "l2_penalty: strength is '1', expected a"),
        (lambda: fcnn.l2_penalty(fcnn.sgd(0.1), 1, "w"), "l2_penalty: decays is a str, expected"),
        (lambda: fcnn.with_average(fcnn.sgd(0.1), "0.9"), "with_average: decay is '0.9', expected"),
        (lambda: fcnn.average((), (), None), "average: decay is None, expected a number"),
    ],
)
def test_settings_of_other_kinds_are_refused(make, message):
    with pytest.raises(TypeError, match=message):
        make()


@every_optimizer
def test_only_its_own_state_and_parameters_of_floats_are_taken(name):
    optimizer = OPTIMIZERS[name]
    params = parameters()
    with pytest.raises(TypeError, match=r"state is a tuple, expected an? \w+State"):
        optimizer.step(params, gradients(params), ())
    with pytest.raises(TypeError, match=r"the parameter at \[0\] is int64, expected float32"):
        optimizer.init((np.arange(3),))


@pytest.mark.parametrize(
    "wrap",
    [
        lambda inner: fcnn.clip_by_global_norm(inner, 1.0),
        lambda inner: fcnn.l2_penalty(inner, 1.0),
        lambda inner: fcnn.with_average(inner, 0.9),
    ],
)
def test_only_optimizers_can_be_wrapped(wrap):
    with pytest.raises(TypeError, match="optimizer is a function, expected an Optimizer"):
        wrap(lambda: None)


@every_optimizer
def test_running_statistics_stay_as_they_are(name):
    model = fcnn.chain(fcnn.conv2d(3), fcnn.batch_norm(), fcnn.relu, fcnn.flatten, fcnn.dense(2))
    params, _ = model.init(np.random.default_rng(0), (1, 6, 6))
    x = np.random.default_rng(1).standard_normal((8, 1, 6, 6)).astype(np.float32)
    labels = np.arange(8) % 2
    params = before = fcnn.calibrate(model, params, x)
    gradient = fcnn.value_and_grad(model, fcnn.softmax_cross_entropy, threads=1)
    optimizer, rng = OPTIMIZERS[name], np.random.default_rng(2)
    state = optimizer.init(params)
    for _ in range(3):
        params, state = optimizer.step(params, gradient(params, x, labels, rng)[1], state)
    assert np.array_equal(params[1].mean, before[1].mean)
    assert np.array_equal(params[1].var, before[1].var)
    assert not np.array_equal(params[1].scale, before[1].scale)


def test_velocity_and_parameters_are_contiguous_whatever_the_parameters_were():
    params = (np.asfortranarray(np.ones((2, 3))),)
    optimizer = fcnn.sgd(0.1, momentum=0.9)
    state = optimizer.init(params)
    assert state.velocity[0].flags.c_contiguous
    stepped, state = optimizer.step(params, (np.asfortranarray(np.ones((2, 3))),), state)
    for leaf in (stepped[0], state.velocity[0]):
        assert leaf.flags.c_contiguous
        assert not leaf.flags.writeable
