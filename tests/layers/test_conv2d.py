"""Convolutions with groups, dilation, padding "same" and without bias."""

import numpy as np
import pytest

import fcnn
from fcnn import tree


def whole(rng, *shape):
    return rng.integers(-3, 4, shape).astype(np.float64)


def gradients(params, x, dy=None, **settings):
    y, cache = fcnn.conv2d_forward(params, x, **settings)
    return y, *fcnn.conv2d_backward(cache, y if dy is None else dy)


def test_groups_are_convolutions_of_their_own_side_by_side():
    rng = np.random.default_rng(0)
    w, b, x = whole(rng, 6, 2, 3, 2), whole(rng, 6), whole(rng, 3, 4, 5, 6)
    settings = {"stride": (1, 2), "padding": 1, "dilation": (2, 1)}
    y, dparams, dx = gradients(fcnn.Conv2dParams(w, b), x, **settings, groups=2)
    halves = [
        gradients(fcnn.Conv2dParams(w[f : f + 3], b[f : f + 3]), x[:, c : c + 2], **settings)
        for f, c in ((0, 0), (3, 2))
    ]
    ys, own, dxs = zip(*halves, strict=True)
    assert np.array_equal(y, np.concatenate(ys, 1))
    assert np.array_equal(dx, np.concatenate(dxs, 1))
    assert np.array_equal(dparams.w, np.concatenate([d.w for d in own]))
    assert np.array_equal(dparams.b, np.concatenate([d.b for d in own]))


def test_a_dilated_kernel_is_a_larger_one_with_zeros_between():
    rng = np.random.default_rng(0)
    w, b, x = whole(rng, 2, 3, 3, 2), whole(rng, 2), whole(rng, 2, 3, 9, 8)
    spread = np.zeros((2, 3, 5, 4))
    spread[:, :, ::2, ::3] = w
    settings = {"stride": (2, 1), "padding": (3, 1)}
    y, dparams, dx = gradients(fcnn.Conv2dParams(w, b), x, **settings, dilation=(2, 3))
    expected, dspread, expected_dx = gradients(fcnn.Conv2dParams(spread, b), x, **settings)
    assert np.array_equal(y, expected)
    assert np.array_equal(dx, expected_dx)
    assert np.array_equal(dparams.w, dspread.w[:, :, ::2, ::3])


@pytest.mark.parametrize(("kernel", "dilation"), [(1, 1), (2, 1), (3, 1), (4, 1), (2, 3), (3, 2)])
def test_same_keeps_the_size_and_pads_at_the_bottom_and_right_first(kernel, dilation):
    rng = np.random.default_rng(0)
    params = fcnn.Conv2dParams(whole(rng, 2, 1, kernel, kernel), whole(rng, 2))
    x, zeros = whole(rng, 2, 1, 5, 4), (kernel - 1) * dilation
    sides = (zeros // 2, zeros - zeros // 2)
    padded = np.pad(x, ((0, 0), (0, 0), sides, sides))
    y, dparams, dx = gradients(params, x, padding="same", dilation=dilation)
    expected, expected_dparams, dpadded = gradients(params, padded, dilation=dilation)
    assert y.shape == (2, 2, 5, 4)
    assert np.array_equal(y, expected)
    assert tree.equal(dparams, expected_dparams)
    assert np.array_equal(dx, dpadded[:, :, sides[0] : sides[0] + 5, sides[0] : sides[0] + 4])


def test_without_bias_there_is_no_leaf_and_its_gradient_is_none():
    rng = np.random.default_rng(0)
    for layer, shape in (
        (fcnn.conv2d(3, bias=False), (2, 5, 5)),
        (fcnn.dense(3, bias=False), (4,)),
    ):
        params, _ = layer.init(rng, shape)
        assert params.b is None
        assert tree.structure(params).paths() == (".w",) or len(tree.leaves(params)) == 1
        x = rng.standard_normal((2, *shape)).astype(np.float32)
        y, cache = layer.forward(params, x)
        dparams, dx = layer.backward(cache, y)
        assert dparams.b is None
        zero = type(params)(w=params.w, b=np.zeros(3, np.float32))
        with_zero, cache = layer.forward(zero, x)
        other, other_dx = layer.backward(cache, with_zero)
        assert np.array_equal(y, with_zero)
        assert np.array_equal(dparams.w, other.w)
        assert np.array_equal(dx, other_dx)


def test_a_network_without_bias_trains_saves_and_loads(tmp_path):
    model = fcnn.chain(
        fcnn.conv2d(4, padding="same", bias=False), fcnn.relu, fcnn.global_avg_pool,
        fcnn.dense(3, bias=False),
    )  # fmt: skip
    rng = np.random.default_rng(0)
    x, labels = rng.random((12, 1, 6, 6), np.float32), np.arange(12) % 3
    *_, record = fcnn.fit(
        model, model.init(rng, (1, 6, 6))[0], fcnn.sgd(0.1, momentum=0.9), (x, labels),
        epochs=2, batch_size=4, seed=0,
    )  # fmt: skip
    tree.save(tmp_path / "params.npz", record.params)
    assert tree.equal(tree.load(tmp_path / "params.npz", record.params), record.params)
    assert tree.describe(record.params).splitlines() == [
        "[0].w  float32[4,1,3,3]", "[3].w  float32[4,3]", "2 arrays, 48 parameters",
    ]  # fmt: skip


def test_the_fan_in_of_a_group_is_what_one_feature_sees():
    layer = fcnn.conv2d(400, 5, groups=4)
    params, _ = layer.init(np.random.default_rng(0), (8, 9, 9))
    assert params.w.shape == (400, 2, 5, 5)
    assert params.w.var() == pytest.approx(2 / (2 * 25), rel=0.02)
    seen = []

    def initializer(rng, shape, fan_in, fan_out):
        seen.append((fan_in, fan_out))
        return np.ones(shape)

    fcnn.conv2d(6, 3, groups=2, initializer=initializer).init(np.random.default_rng(0), (4, 5, 5))
    assert seen == [(2 * 9, 3 * 9)]


def test_layers_print_what_is_unusual():
    for layer, text in [
        (fcnn.conv2d(8, padding="same"), 'conv2d(8, 3, padding="same")'),
        (fcnn.conv2d(8, groups=4, dilation=(1, 2)), "conv2d(8, 3, dilation=(1, 2), groups=4)"),
        (fcnn.conv2d(8, bias=False, dilation=2), "conv2d(8, 3, dilation=2, bias=False)"),
        (fcnn.dense(3, bias=False), "dense(3, bias=False)"),
        (fcnn.avg_pool2d(3, stride=2), "avg_pool2d(3, stride=2)"),
        (fcnn.leaky_relu(0.2), "leaky_relu(0.2)"),
        (fcnn.gelu, "gelu"),
    ]:
        assert repr(layer) == text


def test_the_overlapping_windows_of_a_convolution_cannot_be_written_to():
    params = fcnn.Conv2dParams(w=np.ones((2, 1, 3, 3)), b=np.zeros(2))
    _, cache = fcnn.conv2d_forward(params, np.ones((1, 1, 5, 5)))
    assert not cache.windows.flags.writeable
