"""Values that can be written down, and limits that only an exact value shows."""

import time
from functools import partial

import numpy as np
import pytest

import fcnn
from fcnn import check, tree
from fcnn.check import differences

LABELS = np.array([0, 1, 2, 0])
OUTPUTS = np.random.default_rng(0).random((4, 3))
X = np.ones((4, 3), np.float32)


def layer(forward, backward, init=lambda rng, shape: ((), shape)):
    return fcnn.Layer("mine", init, forward, backward)


IDENTITY = layer(lambda params, x, rng=None: (x, ()), lambda cache, dy: ((), dy))


@pytest.mark.parametrize(("dtype", "exponent"), [(np.float32, 126), (np.float64, 1022)])
def test_a_probability_of_0_counts_as_the_smallest_normal_number(dtype, exponent):
    p = np.array([[0, 1], [1, 0]], dtype)
    loss, cache = fcnn.cross_entropy_forward(p, np.array([0, 0]))
    assert loss == pytest.approx(exponent * np.log(2) / 2, rel=1e-7)
    dp = fcnn.cross_entropy_backward(cache)
    assert dp.tolist() == [[-(2.0 ** (exponent - 1)), 0], [-0.5, 0]]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_small_probability_counts_as_it_is(dtype):
    p = np.array([[2.0**-100, 1]], dtype)
    loss, cache = fcnn.cross_entropy_forward(p, np.array([0]))
    assert loss == pytest.approx(100 * np.log(2), rel=1e-6)
    assert fcnn.cross_entropy_backward(cache).tolist() == [[-(2.0**100), 0]]


@pytest.mark.parametrize("loss", [fcnn.cross_entropy, fcnn.softmax_cross_entropy], ids=repr)
def test_the_mean_of_float32_losses_is_taken_in_float64(loss):
    value, _ = loss.forward(OUTPUTS.astype(np.float32), LABELS)
    assert value != float(np.float32(value))
    assert value == pytest.approx(loss.forward(OUTPUTS, LABELS)[0], rel=1e-6)


@pytest.mark.parametrize("loss", [fcnn.cross_entropy, fcnn.softmax_cross_entropy], ids=repr)
def test_losses_write_to_nothing_and_their_caches_serve_again(loss):
    outputs, labels = OUTPUTS.copy(), LABELS.copy()
    outputs.flags.writeable = labels.flags.writeable = False
    _, cache = loss.forward(outputs, labels)
    first = loss.backward(cache)
    kept = first.copy()
    loss.backward(loss.forward(outputs[::-1].copy(), labels)[1])
    second = loss.backward(cache)
    assert np.array_equal(first, kept)
    assert np.array_equal(second, kept)
    first[:] = 7
    assert np.array_equal(loss.backward(cache), kept)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("lowest", [True, False])
def test_padding_of_a_pool_is_below_all_numbers(dtype, lowest):
    value = np.finfo(dtype).min if lowest else -np.inf
    x = np.full((1, 1, 4, 4), value, dtype)
    y, cache = fcnn.max_pool2d_forward(x, window=3, stride=2, padding=1)
    assert (y == value).all()
    dx = fcnn.max_pool2d_backward(cache, np.ones_like(y))
    assert dx[0, 0].tolist() == [[1, 1, 0, 0], [1, 1, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]]
    y, cache = fcnn.max_pool2d_forward(x, window=(2, 3), stride=(3, 2), padding=1)
    assert (y == value).all()
    assert fcnn.max_pool2d_backward(cache, np.ones_like(y)).sum() == y.size


def test_initializers_are_told_the_whole_kernel_in_and_out():
    told = []

    def initializer(rng, shape, fan_in, fan_out):
        told.append((shape, fan_in, fan_out))
        return np.zeros(shape)

    fcnn.conv2d(6, (3, 5), initializer=initializer).init(np.random.default_rng(0), (4, 9, 9))
    fcnn.dense(7, initializer=initializer).init(np.random.default_rng(0), (5,))
    assert told == [((6, 4, 3, 5), 60, 90), ((5, 7), 5, 7)]


@pytest.mark.parametrize("initializer", [fcnn.he_normal, fcnn.glorot_uniform])
def test_initializers_draw_read_only_float32(initializer):
    weights = initializer(np.random.default_rng(0), (3, 4), 3, 4)
    assert weights.dtype == np.float32
    assert not weights.flags.writeable


@pytest.mark.parametrize(
    ("layer", "in_shape"),
    [(fcnn.conv2d(3, 3, padding=1), (2, 5, 5)), (fcnn.dense(4), (5,))],
    ids=["conv2d", "dense"],
)
def test_gradients_of_weights_are_contiguous(layer, in_shape):
    params, _ = layer.init(np.random.default_rng(0), in_shape)
    y, cache = layer.forward(params, np.ones((6, *in_shape), np.float32))
    for leaf in tree.leaves(layer.backward(cache, y)[0]):
        assert leaf.flags.c_contiguous


def test_the_overlapping_windows_of_a_convolution_cannot_be_written_to():
    params = fcnn.Conv2dParams(w=np.ones((2, 1, 3, 3)), b=np.zeros(2))
    _, cache = fcnn.conv2d_forward(params, np.ones((1, 1, 5, 5)))
    assert not cache.windows.flags.writeable


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda w: fcnn.conv2d_forward(fcnn.Conv2dParams(w, np.ones(1)), np.ones((1, 1, 3, 3))),
         r"conv2d: w has 3 axes \(1, 3, 3\), expected 4 as \(F, C, KH, KW\)"),
        (lambda w: fcnn.conv2d_forward(
            fcnn.Conv2dParams(w[None, :, :0], np.ones(1)), np.ones((1, 1, 3, 3))),
         "conv2d: w is empty, KH=0"),
        (lambda w: fcnn.dense_forward(fcnn.DenseParams(w, np.ones(1)), np.ones((1, 1))),
         r"dense: w has 3 axes \(1, 3, 3\), expected 2 as \(D, K\)"),
        (lambda w: fcnn.dense_forward(fcnn.DenseParams(w[0, :, :0], np.ones(0)), np.ones((1, 3))),
         "dense: w is empty, K=0"),
    ],
)  # fmt: skip
def test_the_axes_of_weights_are_checked(call, text):
    with pytest.raises(ValueError, match=text):
        call(np.ones((1, 3, 3)))


@pytest.mark.parametrize("in_shape", [(0, 5, 5), (1, 0, 5), (1, 5, 0), (5, 5), (1, 1, 5, 5)])
@pytest.mark.parametrize("layer", [fcnn.conv2d(2, 1, padding=1), fcnn.max_pool2d(2, padding=1)])
def test_empty_images_are_refused_by_init(layer, in_shape):
    with pytest.raises(ValueError, match=rf"{layer.name}: expects images \(C, H, W\), got"):
        layer.init(np.random.default_rng(0), in_shape)


def test_empty_vectors_are_refused_by_init():
    with pytest.raises(ValueError, match=r"dense: expects vectors \(D,\), got \(0,\)"):
        fcnn.dense(2).init(np.random.default_rng(0), (0,))


def test_velocity_and_parameters_are_contiguous_whatever_the_parameters_were():
    params = (np.asfortranarray(np.ones((2, 3))),)
    optimizer = fcnn.sgd(0.1, momentum=0.9)
    state = optimizer.init(params)
    assert state.velocity[0].flags.c_contiguous
    stepped, state = optimizer.step(params, (np.asfortranarray(np.ones((2, 3))),), state)
    for leaf in (stepped[0], state.velocity[0]):
        assert leaf.flags.c_contiguous
        assert not leaf.flags.writeable


def test_gradients_that_a_layer_keeps_are_not_added_to():
    kept = np.arange(3, dtype=np.float32)
    model = layer(
        lambda params, x, rng=None: (x, ()),
        lambda cache, dy: (kept, dy),
        init=lambda rng, shape: (np.ones(3, np.float32), shape),
    )
    f = fcnn.value_and_grad(model, fcnn.softmax_cross_entropy, shard=1)
    for n in (2, 3, 4):
        _, grads = f(np.ones(3, np.float32), X[:n], LABELS[:n])
        assert kept.tolist() == [0, 1, 2]
        assert grads.tolist() == [0, n, 2 * n]
    kept.flags.writeable = False
    f(np.ones(3, np.float32), X, LABELS)


def test_inference_takes_64_images_at_a_time_in_order():
    sizes = []

    def forward(params, x, rng=None):
        sizes.append(len(x))
        return x, ()

    x = np.arange(300.0).reshape(150, 2)
    spy = layer(forward, IDENTITY.backward)
    assert np.array_equal(fcnn.predict(spy, (), x, threads=1), x)
    assert sizes == [50, 50, 50]
    fcnn.evaluate(spy, (), x[:65], np.zeros(65, int), threads=1)
    assert sizes[3:] == [32, 33]


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.uint64])
def test_small_label_types_do_not_overflow(dtype):
    labels = np.arange(20).astype(dtype)
    result = fcnn.evaluate(IDENTITY, (), np.eye(20), labels)
    assert np.array_equal(result.confusion, np.eye(20))
    assert result.accuracy == 1.0


def test_the_test_set_is_evaluated_with_the_given_loss():
    twice = fcnn.Loss(
        "twice",
        lambda p, labels: (2 * fcnn.cross_entropy_forward(p, labels)[0], (p, labels)),
        lambda cache: np.zeros_like(cache[0]),
    )
    p = np.full((4, 3), 0.25, np.float32)
    (record,) = fcnn.fit(
        IDENTITY, (), fcnn.sgd(0.1), (p, LABELS),
        epochs=1, batch_size=4, seed=0, loss=twice, test=(p, LABELS),
    )  # fmt: skip
    assert record.train_loss == pytest.approx(4 * np.log(2), rel=1e-6)
    assert record.test_loss == pytest.approx(4 * np.log(2), rel=1e-6)
    assert fcnn.evaluate(IDENTITY, (), p, LABELS, loss=twice).loss == record.test_loss


def test_the_test_set_is_checked_before_the_first_epoch():
    train = (X, LABELS)
    for test, text in [((X, LABELS[:2]), "4 inputs, but 2 labels"), ((X[:0], LABELS[:0]), "N=0")]:
        with pytest.raises(ValueError, match=f"fit: .*{text}"):
            fcnn.fit(IDENTITY, (), fcnn.sgd(0.1), train, epochs=1, batch_size=4, seed=0, test=test)


def test_seconds_are_those_of_each_epoch_with_its_evaluation():
    def slow(params, x, rng=None):
        time.sleep(0.02)
        return x, ()

    begun = time.perf_counter()
    records = list(
        fcnn.fit(
            layer(slow, IDENTITY.backward), (), fcnn.sgd(0.1), (X, LABELS),
            epochs=3, batch_size=4, seed=0, test=(X, LABELS),
        )
    )  # fmt: skip
    elapsed = time.perf_counter() - begun
    assert min(record.seconds for record in records) > 0.03
    assert sum(record.seconds for record in records) <= elapsed


@pytest.mark.parametrize(
    ("g", "derivative"),
    [(np.exp, 1.0), (np.sin, 1.0), (lambda t: np.exp(1 - 2 * t), -2 * np.e)],
)
def test_slopes_of_smooth_functions_are_right_to_10_digits(g, derivative):
    slope = differences.slope(lambda t: np.array([g(t)]), reach=1.0)
    assert slope.value == pytest.approx([derivative], rel=1e-10)


@pytest.mark.parametrize("side", [1, -1])
def test_slopes_from_one_side_are_limits(side):
    def beside(d):
        return lambda t: np.array([np.exp(3 * abs(side * d + t))])

    slope = differences.one_sided_slope(beside, reach=1.0)
    assert slope.value == pytest.approx([3 * side], rel=1e-6)


def test_an_error_that_one_direction_does_not_see_is_seen_by_another():
    rng = np.random.default_rng(0)
    rng.standard_normal((1, 2))
    direction = rng.standard_normal((2, 2))[0]
    blind = np.array([-direction[1], direction[0]])
    x = np.array([0.5, 1.0])
    with pytest.raises(check.GradientMismatch, match="twist"):
        check.function("twist", lambda x: (x, ()), lambda cache, dy: dy + blind, x)


def test_the_report_has_the_error_of_every_argument():
    exact = partial(check.function, "product", lambda ab: (ab[0] * ab[1], ab))
    a, b = np.array([1.0, 2.0]), np.array([3.0, 4.0])

    def backward(ab, dy):
        return (1.001 * ab[1] * dy, ab[0] * dy)

    report = exact(backward, (a, b), tolerance=0.01, jacobian=True)
    assert report.errors["[0]"] == pytest.approx(0.001, rel=0.01)
    assert report.errors["[1]"] < 1e-9
    assert report.worst == report.errors["[0]"]


def test_allclose_measures_by_its_second_tree():
    less, more = (np.array([1.0]),), (np.array([1.1]),)
    assert tree.allclose(less, more, rtol=0.095, atol=0)
    assert not tree.allclose(more, less, rtol=0.095, atol=0)


def test_a_gradient_so_great_that_the_comparison_is_nan_is_noticed():
    huge = layer(IDENTITY.forward, lambda cache, dy: ((), np.full_like(dy, 1.7e308)))
    with np.errstate(all="ignore"), pytest.raises(check.GradientMismatch, match="by x is wrong"):
        check.layer(huge, (3,))
