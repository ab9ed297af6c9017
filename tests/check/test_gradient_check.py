"""The checker itself: it must notice what is wrong, and not cry at what is right."""

import numpy as np
import pytest

import fcnn
from fcnn import check


def layer_like(original, forward=None, backward=None, name="mine"):
    return fcnn.Layer(name, original.init, forward or original.forward,
                      backward or original.backward)  # fmt: skip


CONV = fcnn.conv2d(2, 3, padding=1)


def _flipped(cache, dy):
    dparams, dx = CONV.backward(cache, dy)
    return fcnn.Conv2dParams(w=dparams.w[..., ::-1], b=dparams.b), dx


def _doubled_bias(cache, dy):
    dparams, dx = CONV.backward(cache, dy)
    return fcnn.Conv2dParams(w=dparams.w, b=2 * dparams.b), dx


def _forgotten_bias(cache, dy):
    dparams, dx = CONV.backward(cache, dy)
    return fcnn.Conv2dParams(w=dparams.w, b=0 * dparams.b), dx


def _one_pixel_wrong(cache, dy):
    dparams, dx = CONV.backward(cache, dy)
    dx = dx.copy()
    dx[-1, -1, -1, -1] *= 1.01
    return dparams, dx


@pytest.mark.parametrize("jacobian", [False, True])
@pytest.mark.parametrize(
    ("backward", "argument"),
    [
        (_flipped, "params.w"),
        (_doubled_bias, "params.b"),
        (_forgotten_bias, "params.b"),
        (_one_pixel_wrong, "x"),
    ],
)
def test_wrong_gradients_are_noticed_and_named(backward, argument, jacobian):
    with pytest.raises(check.GradientMismatch, match=f"mine: the gradient by {argument}") as error:
        check.layer(layer_like(CONV, backward=backward), (1, 4, 4), jacobian=jacobian)
    assert "backward says" in str(error.value)
    assert "differences say" in str(error.value)


def test_all_ties_sharing_the_gradient_is_noticed():
    def forward(params, x, rng=None):
        pairs = x.reshape(len(x), -1, 2)
        return pairs.max(2), pairs

    def to_all(pairs, dy):
        return (), ((pairs == pairs.max(2, keepdims=True)) * dy[..., None]).reshape(len(dy), -1)

    pool = fcnn.Layer("pool", lambda rng, shape: ((), (shape[0] // 2,)), forward, to_all)
    check.layer(pool, (6,))  # right wherever there are no ties
    tied = np.ones((1, 6))
    with pytest.raises(check.GradientMismatch):
        check.layer(pool, (6,), x=tied, approach=np.linspace(1, 0, 6)[None])


def test_wrong_shapes_dtypes_and_structures_are_noticed():
    dense = fcnn.dense(3)
    for backward, text in [
        (lambda cache, dy: (dense.backward(cache, dy)[0], dy), r"by x is float64 of shape"),
        (lambda cache, dy: ((), dense.backward(cache, dy)[1]), "the trees differ at .params"),
        (
            lambda cache, dy: (dense.backward(cache, dy)[0],
                               dense.backward(cache, dy)[1].astype(np.float32)),
            "by x is float32",
        ),
    ]:  # fmt: skip
        with pytest.raises(check.GradientMismatch, match=text):
            check.layer(layer_like(dense, backward=backward), (2,))


def test_a_kink_without_a_direction_is_refused_rather_than_passed():
    with pytest.raises(ValueError, match="on a kink or tie"):
        check.layer(fcnn.relu, (3,), x=np.array([[1.0, 0.0, -1.0]]))
    with pytest.raises(ValueError, match="on a kink or tie"):
        check.layer(fcnn.max_pool2d(2), (1, 2, 2), x=np.zeros((1, 1, 2, 2)), jacobian=True)


def test_points_near_a_kink_are_checked_on_their_own_side():
    for near in (1e-2, 1e-3, 1e-4, 1e-5):
        x = np.array([[near, -near, 1.0, -1.0]])
        assert check.layer(fcnn.relu, (4,), x=x, jacobian=True).worst < 1e-6


def test_smooth_functions_with_strong_curvature_pass():
    cube = fcnn.Layer(
        "cube",
        lambda rng, shape: ((), shape),
        lambda params, x, rng=None: (np.exp(3 * x), x),
        lambda x, dy: ((), 3 * np.exp(3 * x) * dy),
    )
    assert check.layer(cube, (5,), jacobian=True).worst < 1e-6
    assert check.layer(cube, (5,), x=np.zeros((1, 5))).worst < 1e-6


def test_random_layers_draw_the_same_at_every_call():
    def forward(params, x, rng=None):
        mask = ((rng.random(x.shape) < 0.5) / 0.5).astype(x.dtype)
        return x * mask, mask

    dropout = fcnn.Layer(
        "dropout", lambda rng, shape: ((), shape), forward, lambda mask, dy: ((), dy * mask)
    )
    assert check.layer(dropout, (9,)).worst < 1e-6


def test_any_pair_of_functions_can_be_checked():
    def forward(arguments):
        a, b = arguments
        return a @ b, (a, b)

    def backward(cache, dy):
        a, b = cache
        return [dy @ b.T, a.T @ dy]

    rng = np.random.default_rng(0)
    arguments = [rng.random((2, 3)), rng.random((3, 4))]
    report = check.function("product", forward, backward, arguments, jacobian=True)
    assert set(report.errors) == {"[0]", "[1]"}
    assert report.worst < 1e-9
    with pytest.raises(check.GradientMismatch, match=r"by \[0\]\[0, 0\] of output\[0, \d\]"):
        check.function("product", forward, lambda c, dy: [2 * g for g in backward(c, dy)],
                       arguments, jacobian=True)  # fmt: skip


def test_wrong_losses_are_noticed():
    logits, labels = np.random.default_rng(0).standard_normal((4, 3)), np.array([0, 1, 2, 2])
    right = fcnn.softmax_cross_entropy
    summed = fcnn.Loss("summed", right.forward, lambda cache: 4 * right.backward(cache))
    with pytest.raises(check.GradientMismatch, match="summed"):
        check.loss(summed, logits, labels)


@pytest.mark.parametrize("jacobian", [False, True])
@pytest.mark.parametrize("factor", [np.nan, np.inf])
def test_gradients_that_are_not_finite_are_noticed(factor, jacobian):
    def backward(cache, dy):
        return (), np.full_like(dy, factor)

    with pytest.raises(check.GradientMismatch, match="by x has values that are not finite"):
        check.layer(layer_like(fcnn.relu, backward=backward), (3,), jacobian=jacobian)


def test_outputs_that_are_not_finite_are_noticed():
    layer = layer_like(fcnn.relu, forward=lambda params, x, rng=None: (x * np.nan, x))
    with pytest.raises(check.GradientMismatch, match="the output has values that are not finite"):
        check.layer(layer, (3,))


def test_a_factor_that_is_one_at_first_is_not_forgotten():
    def forward(params, x, rng=None):
        return params * x, (params, x)

    def forgetful(cache, dy):
        _, x = cache
        return (dy * x).sum(0), dy  # should be dy * params

    gain = fcnn.Layer(
        "gain", lambda rng, shape: (np.ones(shape, np.float32), shape), forward, forgetful
    )
    with pytest.raises(check.GradientMismatch, match="by x is wrong"):
        check.layer(gain, (4,))


def test_outputs_of_another_shape_than_announced_are_noticed():
    wrong = fcnn.Layer(
        "wrong", lambda rng, shape: ((), (7,)), fcnn.relu.forward, fcnn.relu.backward
    )
    with pytest.raises(ValueError, match=r"init announces outputs \(7,\), forward gives \(3,\)"):
        check.layer(wrong, (3,))


def plain(forward, backward, init=None):
    return fcnn.Layer("plain", init or (lambda rng, shape: ((), shape)), forward, backward)


def test_a_wrong_element_next_to_large_ones_is_noticed():
    w = np.array([1e7, 1.0, 1.0, 1.0])
    for wrong in ([1e7, 1.0, 2.0, 1.0], [1e7, 1.0, 1.0, 0.0], [1e7, 1.0, 1.0, 1.001]):
        layer = plain(
            lambda params, x, rng=None: (w * x, ()), lambda cache, dy, v=wrong: ((), dy * v)
        )
        with pytest.raises(check.GradientMismatch):
            check.layer(layer, (4,), jacobian=True)
    shifted = plain(lambda params, x, rng=None: (1e10 + x, ()), lambda cache, dy: ((), 1.5 * dy))
    with pytest.raises(check.GradientMismatch):
        check.layer(shifted, (4,), jacobian=True)


@pytest.mark.parametrize(
    ("f", "derivative", "x", "jacobian"),
    [
        (np.log, lambda x: 1 / x, [1e-6, 1.0, 1e6], True),
        (np.log, lambda x: 1 / x, [1e-6, 2e-6, 3e-6], False),
        (lambda x: 1 / x, lambda x: -1 / x**2, [1e-4, -1e-4, 1.0], True),
        (lambda x: 1 / x, lambda x: -1 / x**2, [1e-4, -1e-4, 1.0], False),
        (np.sin, np.cos, [1e6, 1.0, -1e5], True),
        (np.sin, np.cos, [1e6, 2e6, -1e6], False),
        (np.square, lambda x: 2 * x, [1e6, 1e-6, 0.0], True),
        (np.square, lambda x: 2 * x, [1e6, 1e-6, 0.0], False),
    ],
)
def test_right_gradients_of_any_scale_pass(f, derivative, x, jacobian):
    layer = plain(lambda params, x, rng=None: (f(x), x), lambda x, dy: ((), dy * derivative(x)))
    with np.errstate(invalid="ignore", divide="ignore"):
        assert check.layer(layer, (3,), x=np.array([x]), jacobian=jacobian).worst < 1e-6


def test_the_shorter_way_to_parameter_gradients_is_checked_too():
    right = fcnn.dense(3)
    wrong = fcnn.Layer(
        "wrong", right.init, right.forward, right.backward,
        lambda cache, dy: fcnn.tree.map(lambda g: 7 * g, right.backward_params(cache, dy)),
    )  # fmt: skip
    with pytest.raises(check.GradientMismatch, match="backward_params gives other gradients"):
        check.layer(wrong, (4,))
    with pytest.raises(check.GradientMismatch, match="backward_params gives other gradients"):
        check.layer(fcnn.chain(fcnn.relu, wrong), (4,))


def test_functions_that_write_to_their_arguments_fail():
    def forward(params, x, rng=None):
        x *= 2
        return x.copy(), ()

    with pytest.raises(ValueError, match="read-only"):
        check.layer(plain(forward, lambda cache, dy: ((), 2 * dy)), (3,))


def test_outputs_that_lose_precision_are_refused():
    layer = plain(
        lambda params, x, rng=None: (x.astype(np.float32), ()), lambda cache, dy: ((), dy)
    )
    with pytest.raises(TypeError, match="forward gives float32 for float64 arguments"):
        check.layer(layer, (3,))


def test_parameters_without_elements_have_nothing_to_check():
    layer = plain(
        lambda params, x, rng=None: (2 * x, params), lambda params, dy: (params, 2 * dy),
        init=lambda rng, shape: (np.zeros((0, 3), np.float32), shape),
    )  # fmt: skip
    assert check.layer(layer, (3,)).errors["params"] == 0


def test_an_error_that_one_direction_does_not_see_is_seen_by_another():
    rng = np.random.default_rng(0)
    rng.standard_normal((1, 2))
    direction = rng.standard_normal((2, 2))[0]
    blind = np.array([-direction[1], direction[0]])
    x = np.array([0.5, 1.0])
    with pytest.raises(check.GradientMismatch, match="twist"):
        check.function("twist", lambda x: (x, ()), lambda cache, dy: dy + blind, x)


def test_the_report_has_the_error_of_every_argument():
    a, b = np.array([1.0, 2.0]), np.array([3.0, 4.0])

    def backward(ab, dy):
        return (1.001 * ab[1] * dy, ab[0] * dy)

    report = check.function(
        "product", lambda ab: (ab[0] * ab[1], ab), backward, (a, b), tolerance=0.01, jacobian=True
    )
    assert report.errors["[0]"] == pytest.approx(0.001, rel=0.01)
    assert report.errors["[1]"] < 1e-9
    assert report.worst == report.errors["[0]"]


def test_a_gradient_so_great_that_the_comparison_is_nan_is_noticed():
    huge = layer_like(fcnn.flatten, backward=lambda cache, dy: ((), np.full_like(dy, 1.7e308)))
    with np.errstate(all="ignore"), pytest.raises(check.GradientMismatch, match="by x is wrong"):
        check.layer(huge, (3,))


def _drifting(where):
    """A layer y = s * x whose dtype drifts to float64 in one of its functions."""

    def init(rng, in_shape):
        return [np.ones(1, np.float64 if where == "init" else np.float32)], in_shape

    def forward(params, x, rng=None):
        y = params[0] * x
        return (y * np.ones(1) if where == "forward" else y), (params[0], x)

    def backward(cache, dy):
        s, x = cache
        ds, dx = (dy * x).sum(keepdims=True).reshape(1), dy * s
        return [ds * np.ones(1) if where == "ds" else ds], dx * np.ones(1) if where == "dx" else dx

    return fcnn.Layer("mine", init, forward, backward)


@pytest.mark.parametrize(
    ("where", "told"),
    [
        ("init", r"init gives params\[0\] of float64, expected float32"),
        ("forward", "forward gives float64 for float32 arguments"),
        ("ds", r"backward gives the gradient by params\[0\] as float64 for float32 arguments"),
        ("dx", "backward gives the gradient by x as float64 for float32 arguments"),
    ],
)
def test_dtypes_that_drift_are_found(where, told):
    with pytest.raises(TypeError, match=f"check: mine: {told}"):
        check.layer(_drifting(where), (4,))
    assert check.layer(_drifting("nowhere"), (4,)).worst < 1e-6
