"""Statistics of a sample: which examples fit takes, and what it makes of them."""

import numpy as np
import pytest

import fcnn
from fcnn import tree
from fcnn.numerics.random_streams import SAMPLE, generator

RNG = np.random.default_rng


def sampled(examples, *, epochs=1, seed=0):
    """The numbers of the training examples that fit calibrates with after each epoch."""
    seen = []

    def calibrate(params, x):
        seen.append(x[:, 0].astype(int).tolist())
        return params, x

    layer = fcnn.Layer(
        "spy",
        init=lambda rng, shape: ((), shape),
        forward=lambda params, x, rng=None: (x, ()),
        backward=lambda cache, dy: ((), dy),
        calibrate=calibrate,
    )
    x = np.zeros((examples, 2), np.float32)
    x[:, 0] = np.arange(examples)
    train = x, np.zeros(examples, int)
    records = fcnn.fit(
        layer, (), fcnn.sgd(0.1), train, epochs=epochs, batch_size=examples, seed=seed, threads=1,
        test=(-1 - x[:5], train[1][:5]),
    )  # fmt: skip
    assert len(list(records)) == len(seen) == epochs
    return seen


def test_a_thousand_drawn_training_examples_give_the_statistics_after_each_epoch():
    first, second = sampled(2500, epochs=2)
    assert len(set(first)) == len(first) == 1000
    assert set(first) < set(range(2500))
    assert first == second
    assert first == generator(0, SAMPLE).permutation(2500)[:1000].tolist()
    assert 300 < sum(number >= 1250 for number in first) < 700  # from all over the set
    (other,) = sampled(2500, seed=1)
    assert set(other) != set(first)


def test_of_fewer_examples_all_give_the_statistics():
    (seen,) = sampled(700)
    assert sorted(seen) == list(range(700))


@pytest.mark.parametrize("in_shape", [(3,), (2, 4, 5)])
def test_layers_above_see_what_epsilon_makes_of_their_inputs(in_shape):
    """The statistics of a layer are those of what the layers below give in inference."""
    below = fcnn.batch_norm(epsilon=0.5)
    model = fcnn.chain(below, fcnn.batch_norm())
    params, _ = model.init(RNG(0), in_shape)
    x = 0.5 * RNG(1).standard_normal((40, *in_shape)).astype(np.float32)
    lower, upper = fcnn.calibrate(model, params, x)
    y = fcnn.predict(fcnn.chain(below), (lower,), x)
    expected = y.var((0, 2, 3) if x.ndim == 4 else 0)
    assert np.allclose(upper.var, expected, rtol=1e-4)
    assert (upper.var < 0.5).all()  # a smaller epsilon would leave it near 1


def test_a_batch_is_needed():
    params, _ = fcnn.batch_norm().init(RNG(0), (3,))
    with pytest.raises(ValueError, match="calibrate: x is empty, N=0"):
        fcnn.calibrate(fcnn.batch_norm(), params, np.zeros((0, 3), np.float32))
    with pytest.raises(TypeError, match="calibrate: x is a list, expected a batch as a NumPy"):
        fcnn.calibrate(fcnn.batch_norm(), params, [[1.0, 2.0, 3.0]])


def test_calibration_gives_each_layer_the_statistics_of_its_inputs():
    model = fcnn.chain(
        fcnn.conv2d(4, 3, padding=1), fcnn.batch_norm(epsilon=0.1), fcnn.relu, fcnn.max_pool2d(2),
        fcnn.conv2d(5, 3, padding=1), fcnn.batch_norm(), fcnn.relu,
        fcnn.flatten, fcnn.dropout(0.2), fcnn.dense(6), fcnn.batch_norm(), fcnn.dense(3),
    )  # fmt: skip
    params, _ = model.init(RNG(0), (2, 6, 6))
    x = RNG(1).standard_normal((200, 2, 6, 6)).astype(np.float32)
    calibrated = fcnn.calibrate(model, params, x)
    y = x
    for layer, own in zip(model.children, calibrated, strict=True):
        if isinstance(own, fcnn.BatchNormParams):
            axes = (0, 2, 3) if y.ndim == 4 else 0
            assert np.allclose(own.mean, y.mean(axes), atol=1e-5)
            assert np.allclose(own.var, y.var(axes), rtol=1e-4)
            assert not own.mean.flags.writeable
        y, _ = layer.forward(own, y)
    kept = [own for own in calibrated if not isinstance(own, fcnn.BatchNormParams)]
    assert tree.equal(kept, [own for own in params if not isinstance(own, fcnn.BatchNormParams)])
    assert tree.equal(calibrated, fcnn.calibrate(fcnn.chain(model), (params,), x)[0])


def test_calibration_of_a_model_without_statistics_changes_nothing():
    model = fcnn.models.lines_cnn()
    params, _ = model.init(RNG(0), (1, 14, 14))
    assert fcnn.calibrate(model, params, np.ones((3, 1, 14, 14), np.float32)) is params
