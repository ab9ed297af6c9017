"""What single operations promise beyond the table: texts of errors, ties, extremes."""

import numpy as np
import pytest

import fcnn
from fcnn import tree


def conv(shape=(2, 1, 3, 3), dtype=np.float32):
    return fcnn.Conv2dParams(w=np.ones(shape, dtype), b=np.zeros(shape[0], dtype))


def images(*shape, dtype=np.float32):
    return np.ones(shape, dtype)


def test_the_channels_error_shows_both_shapes():
    params = conv((6, 1, 5, 5))
    with pytest.raises(ValueError) as error:  # noqa: PT011 (the whole text is compared)
        fcnn.conv2d_forward(params, images(8, 3, 28, 28))
    assert str(error.value) == (
        "conv2d: x has C=3 channels, but w expects C=1\n"
        "  x: (8, 3, 28, 28) as (N, C, H, W)\n"
        "  w: (6, 1, 5, 5)   as (F, C, KH, KW)"
    )


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda: fcnn.conv2d_forward(conv(), images(1, 1, 2, 2)), ValueError,
         "the kernel 3x3 exceeds the image 2x2 with padding 0x0"),
        (lambda: fcnn.conv2d_forward(conv(), images(1, 3, 3)), ValueError,
         r"x has 3 axes \(1, 3, 3\), expected 4 as \(N, C, H, W\)"),
        (lambda: fcnn.conv2d_forward(conv(), images(0, 1, 3, 3)), ValueError, "x is empty, N=0"),
        (lambda: fcnn.conv2d_forward(conv(), images(1, 1, 3, 0)), ValueError, "x is empty, W=0"),
        (lambda: fcnn.conv2d_forward(conv(), images(1, 1, 3, 3), stride=0), ValueError,
         "stride is 0, expected at least 1"),
        (lambda: fcnn.conv2d_forward(conv(), images(1, 1, 3, 3), padding=-1), ValueError,
         "padding is -1, expected at least 0"),
        (lambda: fcnn.conv2d_forward(conv(), images(1, 1, 3, 3), stride=1.5), TypeError,
         "stride is 1.5, expected an int or a pair of ints"),
        (lambda: fcnn.conv2d_forward(conv(), images(1, 1, 3, 3), stride=(1, 2, 3)), TypeError,
         "expected an int or a pair of ints"),
        (lambda: fcnn.conv2d_forward((), images(1, 1, 3, 3)), TypeError,
         "params is a tuple, expected a Conv2dParams"),
        (lambda: fcnn.conv2d_forward(
            fcnn.Conv2dParams(w=np.ones((2, 1, 3, 3)), b=np.ones(3)), np.ones((1, 1, 3, 3))),
         ValueError, "w has F=2 features, but b expects F=3"),
        (lambda: fcnn.dense_forward(
            fcnn.DenseParams(w=np.ones((2, 3)), b=np.ones(3)), np.ones((4, 5))),
         ValueError, "x has D=5 values, but w expects D=2"),
        (lambda: fcnn.dense_forward(
            fcnn.DenseParams(w=np.ones((2, 3)), b=np.ones(2)), np.ones((4, 2))),
         ValueError, "w has K=3 features, but b expects K=2"),
        (lambda: fcnn.max_pool2d_forward(images(1, 1, 4, 4), padding=2), ValueError,
         "exceeds half of the window"),
        (lambda: fcnn.max_pool2d_forward(images(1, 1, 1, 1)), ValueError,
         "the window 2x2 exceeds the image 1x1"),
        (lambda: fcnn.conv2d(0), ValueError, "features is 0, expected at least 1"),
        (lambda: fcnn.dense(2.0), TypeError, "features is 2.0, expected an int"),
        (lambda: fcnn.softmax_forward(np.float32(1)), TypeError, "expected a NumPy array"),
        (lambda: fcnn.flatten_forward(np.ones(3)), ValueError, r"expected \(N, \.\.\.\)"),
        (lambda: fcnn.dense(3).init(np.random.default_rng(0), (1, 4, 4)), ValueError,
         "put flatten before it"),
        (lambda: fcnn.conv2d(3).init(np.random.default_rng(0), (16,)), ValueError,
         r"expects images \(C, H, W\), got \(16,\)"),
    ],
)  # fmt: skip
def test_wrong_calls_say_what_is_wrong(call, error, text):
    with pytest.raises(error, match=text):
        call()


def test_all_of_a_tie_goes_to_the_first_maximum():
    y, cache = fcnn.max_pool2d_forward(np.zeros((1, 1, 4, 4)))
    dx = fcnn.max_pool2d_backward(cache, np.ones_like(y))
    assert dx[0, 0].tolist() == [[1, 0, 1, 0], [0, 0, 0, 0], [1, 0, 1, 0], [0, 0, 0, 0]]


@pytest.mark.parametrize(("window", "stride", "padding"), [(2, 2, 0), (3, 2, 1), (3, 1, 1)])
def test_pooling_at_ties_is_the_limit_from_where_the_first_is_greater(window, stride, padding):
    layer = fcnn.max_pool2d(window, stride=stride, padding=padding)
    shape = (2, 1, 6, 5)
    x = np.random.default_rng(0).integers(0, 2, shape).astype(float)
    falling = np.linspace(1, 0, x.size).reshape(shape)
    fcnn.check.layer(layer, shape[1:], x=x, approach=falling)
    with pytest.raises(fcnn.check.GradientMismatch):
        fcnn.check.layer(layer, shape[1:], x=x, approach=-falling)


def test_relu_at_zero_is_the_limit_from_below():
    x = np.zeros((2, 3))
    fcnn.check.layer(fcnn.relu, (3,), x=x, approach=-np.ones_like(x))
    with pytest.raises(fcnn.check.GradientMismatch):
        fcnn.check.layer(fcnn.relu, (3,), x=x, approach=np.ones_like(x))


def test_padding_of_a_pool_never_wins():
    x = np.full((1, 1, 3, 3), -1e30)
    y, cache = fcnn.max_pool2d_forward(x, window=3, stride=2, padding=1)
    assert (y == -1e30).all()
    assert fcnn.max_pool2d_backward(cache, np.ones_like(y)).sum() == y.size


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_softmax_stays_finite_for_huge_logits(dtype):
    x = np.array([[1e30, -1e30, 0], [-700, 700, 0]], dtype)
    p, cache = fcnn.softmax_forward(x)
    assert np.isfinite(p).all()
    assert np.isfinite(fcnn.softmax_backward(cache, np.ones_like(p))).all()


def test_softmax_works_over_the_last_axis_of_any_shape():
    x = np.random.default_rng(0).standard_normal((2, 3, 4))
    p, cache = fcnn.softmax_forward(x)
    assert np.allclose(p.sum(-1), 1)
    flat, flat_cache = fcnn.softmax_forward(x.reshape(6, 4))
    assert np.array_equal(p.reshape(6, 4), flat)
    dx = fcnn.softmax_backward(cache, x)
    assert np.allclose(dx.reshape(6, 4), fcnn.softmax_backward(flat_cache, x.reshape(6, 4)))


def test_softmax_backward_builds_no_jacobians():
    import tracemalloc

    p, cache = fcnn.softmax_forward(np.zeros((2000, 50)))
    dy = np.ones_like(p)
    tracemalloc.start()
    fcnn.softmax_backward(cache, dy)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 5 * p.nbytes  # N Jacobians would be 50 times as much


def test_flatten_orders_features_as_reshape_does():
    x = np.random.default_rng(0).standard_normal((3, 2, 4, 5))
    for y in (x, np.asfortranarray(x), x.transpose(2, 1, 3, 0).copy().transpose(3, 1, 0, 2)):
        assert np.array_equal(fcnn.flatten_forward(y)[0], x.reshape(3, -1))


def test_images_lie_batch_innermost_in_memory():
    params, _ = fcnn.conv2d(4, 3, padding=1).init(np.random.default_rng(0), (2, 6, 6))
    y, _ = fcnn.conv2d_forward(params, images(5, 2, 6, 6))
    assert y.transpose(2, 1, 3, 0).flags.c_contiguous  # (N, C, H, W) -> (H, C, W, N)


def test_initial_weights_have_the_variance_that_their_names_say():
    rng = np.random.default_rng(0)
    he = fcnn.he_normal(rng, (400, 500), 400, 500)
    glorot = fcnn.glorot_uniform(rng, (400, 500), 400, 500)
    assert he.var() == pytest.approx(2 / 400, rel=0.02)
    assert glorot.var() == pytest.approx(2 / 900, rel=0.02)
    assert np.abs(glorot).max() <= np.sqrt(6 / 900)
    layer = fcnn.dense(500, initializer=fcnn.glorot_uniform)
    params, _ = layer.init(np.random.default_rng(1), (400,))
    assert params.w.var() == pytest.approx(2 / 900, rel=0.02)
    assert not params.b.any()


def test_a_convolution_counts_the_whole_kernel_as_fan_in():
    params, _ = fcnn.conv2d(200, 5).init(np.random.default_rng(0), (8, 9, 9))
    assert params.w.var() == pytest.approx(2 / (8 * 25), rel=0.02)


def test_weights_from_an_initializer_of_ones_own_become_float32_contiguous_and_read_only():
    layer = fcnn.conv2d(2, initializer=lambda rng, shape, i, o: np.ones(shape).T.copy().T)
    params, _ = layer.init(np.random.default_rng(0), (1, 5, 5))
    assert params.w.dtype == np.float32
    assert params.w.flags.c_contiguous
    assert not params.w.flags.writeable
    wrong = fcnn.dense(2, initializer=lambda rng, shape, i, o: np.ones(3))
    with pytest.raises(ValueError, match=r"drew \(3,\), asked for \(4, 2\)"):
        wrong.init(np.random.default_rng(0), (4,))


def test_minus_infinity_everywhere_still_sends_the_gradient_to_real_pixels():
    y, cache = fcnn.max_pool2d_forward(
        np.full((1, 1, 3, 3), -np.inf), window=3, stride=2, padding=1
    )
    dx = fcnn.max_pool2d_backward(cache, np.ones_like(y))
    assert dx[0, 0].tolist() == [[1, 1, 0], [1, 1, 0], [0, 0, 0]]


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
