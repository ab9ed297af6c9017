"""Statistics of a sample: which examples fit takes, and what it makes of them."""

import sys

import attrs
import numpy as np
import pytest
from worlds import in_a_world

import fcnn
from fcnn import tree
from fcnn.distributed.sample import Sample
from fcnn.distributed.world import ALONE, LostError, World
from fcnn.layers.layer import call_calibrate
from fcnn.numerics.random_streams import SAMPLE, generator
from fcnn.training.calibration import with_statistics

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


def branches():
    """Statistics in a chain and in branches, some of which have none."""
    conv = fcnn.conv2d(2, 3, padding="same")
    return fcnn.chain(
        conv, fcnn.batch_norm(), fcnn.relu,
        fcnn.residual(fcnn.chain(conv, fcnn.batch_norm(), fcnn.dropout(0.5))),
        fcnn.parallel(fcnn.chain(conv, fcnn.batch_norm()), fcnn.relu, fcnn.residual(fcnn.relu)),
    )  # fmt: skip


def unshared(layer):
    """The layer with a plain function `calibrate`, like that of a layer of one's own."""
    return attrs.evolve(layer, calibrate=lambda params, x: layer.calibrate(params, x), make=None)


def bits(params):
    return [leaf.tobytes() for leaf in tree.leaves(params)]


@pytest.mark.skipif(sys.platform != "linux", reason="processes are for Linux")
@pytest.mark.parametrize("size", [1, 2, 3, 4, 5])
@pytest.mark.parametrize(
    ("examples", "shard", "sizes"),
    [(7, 1, [1] * 7), (9, 2, [1, 2, 2, 2, 2]), (2, 1, [1, 1]), (440, 64, [62] + 6 * [63])],
)
def test_every_process_gets_the_bits_of_one_alone(size, examples, shard, sizes):
    model = fcnn.chain(
        unshared(fcnn.batch_norm()), branches(), unshared(branches()),
        fcnn.flatten, fcnn.dense(5), fcnn.batch_norm(), fcnn.dense(3),
    )  # fmt: skip
    params, _ = model.init(RNG(0), (2, 6, 6))
    x = RNG(1).standard_normal((examples, 2, 6, 6)).astype(np.float32)

    def calibrated(world, threads=2):
        sample = Sample.of(x, world, threads, shard=shard)
        params_of_x, y = call_calibrate(model, params, sample)
        return [*bits(params_of_x), y.whole().tobytes()]

    one = calibrated(ALONE, threads=1)
    assert calibrated(ALONE) == one
    assert in_a_world(size, calibrated) == [one] * size
    assert sorted(map(len, Sample.of(x, ALONE, 1, shard=shard).own)) == sizes


@pytest.mark.skipif(sys.platform != "linux", reason="processes are for Linux")
def test_all_processes_of_a_world_calibrate_as_one_program_does():
    model = branches()
    params, _ = model.init(RNG(0), (2, 6, 6))
    for examples in (200, 1):  # images have many values per channel each
        x = RNG(1).standard_normal((examples, 2, 6, 6)).astype(np.float32)
        one = bits(fcnn.calibrate(model, params, x))
        assert bits(model.calibrate(params, x)[0]) == one
        found = in_a_world(
            3, lambda world, x=x: bits(with_statistics(model, params, x, world=world, threads=1))
        )
        assert found == [one] * 3


def test_a_layer_of_ones_own_gets_the_whole_sample_and_its_output_goes_on():
    seen = []

    def calibrate(params, x):
        seen.append(x)
        return params, x - x.mean(0)

    whole = attrs.evolve(fcnn.relu, calibrate=calibrate, make=None)
    model = fcnn.chain(fcnn.leaky_relu(0.5), whole, fcnn.batch_norm())
    params, _ = model.init(RNG(0), (3,))
    x = RNG(1).standard_normal((200, 3)).astype(np.float32)
    calibrated = fcnn.calibrate(model, params, x)
    expected = np.where(x > 0, x, x / 2)
    assert np.array_equal(seen[0], expected)
    assert np.allclose(calibrated[2].mean, 0, atol=1e-6)
    assert np.allclose(calibrated[2].var, expected.var(0), rtol=1e-6)


@pytest.mark.parametrize("shape", [(1000, 3), (100, 3, 8, 8)])
@pytest.mark.parametrize("scale", [1, 1e-3, 1e19])
def test_mean_and_variance_are_the_exact_ones_rounded_once(shape, scale):
    """However far the mean is from 0 beside the deviation."""
    x = (scale * (30 + RNG(0).standard_normal(shape))).astype(np.float32)
    params, _ = fcnn.batch_norm().init(RNG(0), shape[1:])
    calibrated = fcnn.calibrate(fcnn.batch_norm(), params, x)
    axes = (0, *range(2, x.ndim))
    exact = x.astype(np.longdouble)
    for found, expected in [(calibrated.mean, exact.mean(axes)), (calibrated.var, exact.var(axes))]:
        assert found.dtype == np.float32
        assert np.abs(found - expected).max() <= np.spacing(found).max() * 0.5001


def test_values_up_to_the_greatest_of_float32_do_not_overflow():
    greatest = np.finfo(np.float32).max
    layer = fcnn.batch_norm()
    params, _ = layer.init(RNG(0), (2,))
    x = np.array([[greatest, 1], [greatest, -1], [-greatest, 1], [-greatest, -1]])
    x = np.tile(x.astype(np.float32), (40, 1))
    calibrated = fcnn.calibrate(layer, params, x)
    assert calibrated.mean.tolist() == [0, 0]
    assert calibrated.var.tolist() == [greatest, 1]  # the nearest there is
    assert np.isfinite(fcnn.predict(layer, calibrated, x)).all()


def test_shards_of_one_vector_are_no_error_but_a_sample_of_one_is():
    layer = fcnn.batch_norm()
    params, _ = layer.init(RNG(0), (3,))
    x = RNG(1).standard_normal((5, 3)).astype(np.float32)
    calibrated, y = call_calibrate(layer, params, Sample.of(x, ALONE, 1, shard=1))
    assert np.allclose(calibrated.var, x.var(0))
    assert np.allclose(y.whole().std(0), 1, atol=1e-4)
    with pytest.raises(ValueError, match="the sample has one value per channel, and no variance"):
        fcnn.calibrate(layer, params, x[:1])


def test_an_output_of_another_number_of_examples_is_refused():
    layer = attrs.evolve(fcnn.relu, calibrate=lambda params, x: (params, x[1:]), make=None)
    x = np.ones((3, 2), np.float32)
    with pytest.raises(ValueError, match=r"calibrate gives an output of shape \(2, 2\) for 3 ex"):
        fcnn.calibrate(layer, (), x)


def test_a_wrong_call_of_a_layer_is_told():
    model = branches()
    params, _ = model.init(RNG(0), (2, 6, 6))
    with pytest.raises(TypeError, match="calibrate: x is a list"):
        model.calibrate(params, [1.0])
    x = np.ones((3, 2, 6, 6))
    with pytest.raises(TypeError, match=r"is float64, but .*\nin chain layer 0 \(conv2d\)"):
        fcnn.calibrate(model, params, x)
    with pytest.raises(TypeError, match="params is a tuple, expected a BatchNormParams"):
        fcnn.calibrate(fcnn.batch_norm(), (), x)


class Links:
    """Links of a process whose companions have nothing to add, and are lost after some sums."""

    def __init__(self, sums):
        self.left = sums

    def total(self, tree, own):
        self.left -= 1
        if self.left < 0:
            raise LostError("gone")
        return list(own)


def test_what_is_lost_with_a_process_cannot_be_calibrated_with():
    model = fcnn.chain(fcnn.batch_norm(), fcnn.batch_norm())
    params, _ = model.init(RNG(0), (3,))
    x = RNG(1).standard_normal((130, 3)).astype(np.float32)
    for threads in (1, 2):
        for sums in range(4):
            with pytest.raises(LostError):
                with_statistics(model, params, x, world=World(0, 2, Links(sums)), threads=threads)


def test_an_error_is_looked_for_by_a_process_alone():
    """The others may have met none, and wait elsewhere."""

    def forward(params, x, rng=None):
        raise ValueError("not today")

    wrong = fcnn.Layer("wrong", lambda rng, s: ((), s), forward, lambda cache, dy: ((), dy))
    model = fcnn.chain(fcnn.batch_norm(), fcnn.relu, fcnn.max_pool2d(2), wrong)
    params, _ = model.init(RNG(0), (2, 4, 4))
    x = RNG(1).standard_normal((130, 2, 4, 4)).astype(np.float32)
    links = Links(sums=2)
    with pytest.raises(ValueError, match=r"not today\nin chain layer 3 \(wrong\)"):
        with_statistics(model, params, x, world=World(0, 2, links), threads=1)
    assert links.left == 0
