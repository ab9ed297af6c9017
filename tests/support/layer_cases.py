"""The one table of layers that the tests go through; a new layer is a row here.

`oracle(params, x, dy)` gives (y, dparams leaves in order, dx) by slow loops.
"""

from collections.abc import Callable
from typing import Any

import attrs
import loops
import numpy as np

import fcnn


@attrs.frozen
class Case:
    """A layer, the shape of one example, and the loops that say what it should do."""

    name: str
    layer: fcnn.Layer
    in_shape: tuple[int, ...]
    oracle: Callable[[Any, np.ndarray, np.ndarray], tuple]
    batch: int = 3

    def draw(self, dtype=np.float64, seed=0):
        """Parameters with a bias that is not zero, x and dy."""
        rng = np.random.default_rng(seed)
        params, out_shape = self.layer.init(rng, self.in_shape)
        params = fcnn.tree.map(lambda a: rng.standard_normal(a.shape).astype(dtype), params)
        x = rng.standard_normal((self.batch, *self.in_shape)).astype(dtype)
        dy = rng.standard_normal((self.batch, *out_shape)).astype(dtype)
        return params, x, dy


def _pair(value):
    return value if isinstance(value, tuple) else (value, value)


def _conv(kernel, stride, padding, in_shape, features=2, batch=2, bias=True, **settings):
    """settings: dilation, groups."""
    layer = fcnn.conv2d(features, kernel, stride=stride, padding=padding, bias=bias, **settings)
    stride_, padding_ = _pair(stride), padding if padding == "same" else _pair(padding)
    rest = {"dilation": _pair(settings.get("dilation", 1)), "groups": settings.get("groups", 1)}

    def oracle(params, x, dy):
        w, b = params.w, params.b
        dw, db, dx = loops.conv2d_gradients(w, b, x, stride_, padding_, dy, **rest)
        return loops.conv2d(w, b, x, stride_, padding_, **rest), [dw, db][: 1 + bias], dx

    more = "".join(f"-{name}{value}" for name, value in settings.items())
    name = f"conv2d-{kernel}-stride{stride}-padding{padding}{more}-on{in_shape}"
    name += "" if bias else "-without-bias"
    return Case(name.replace(" ", ""), layer, in_shape, oracle, batch)


def _pool(window, stride, padding, in_shape, batch=2):
    sizes = _pair(window), _pair(window if stride is None else stride), _pair(padding)

    def oracle(params, x, dy):
        y, dx = loops.max_pool2d(x, *sizes, dy)
        return y, [], dx

    layer = fcnn.max_pool2d(window, stride=stride, padding=padding)
    name = f"max_pool2d-{window}-stride{stride}-padding{padding}-on{in_shape}"
    return Case(name.replace(" ", ""), layer, in_shape, oracle, batch)


def _avg_pool(window, stride, padding, in_shape, batch=2):
    sizes = _pair(window), _pair(window if stride is None else stride), _pair(padding)

    def oracle(params, x, dy):
        y, dx = loops.avg_pool2d(x, *sizes, dy)
        return y, [], dx

    layer = fcnn.avg_pool2d(window, stride=stride, padding=padding)
    name = f"avg_pool2d-{window}-stride{stride}-padding{padding}-on{in_shape}"
    return Case(name.replace(" ", ""), layer, in_shape, oracle, batch)


def _global_average_oracle(params, x, dy):
    size, none = x.shape[2:], (0, 0)
    y, dx = loops.avg_pool2d(x, size, size, none, dy[:, :, None, None])
    return y[:, :, 0, 0], [], dx


def _activation(name, in_shape):
    def oracle(params, x, dy):
        y, dx = loops.activation(name, x, dy)
        return y, [], dx

    return Case(f"{name}-on{in_shape}".replace(" ", ""), getattr(fcnn, name), in_shape, oracle)


def _leaky_relu(slope, in_shape):
    def oracle(params, x, dy):
        return np.where(x > 0, x, slope * x), [], np.where(x > 0, dy, slope * dy)

    name = f"leaky_relu-{slope}-on{in_shape}"
    return Case(name.replace(" ", ""), fcnn.leaky_relu(slope), in_shape, oracle)


def _dense_oracle(params, x, dy):
    dw, db, dx = loops.dense_gradients(params.w, params.b, x, dy)
    leaves = [dw] if params.b is None else [dw, db]
    return loops.dense(params.w, params.b, x), leaves, dx


def _batch_norm(in_shape, training, batch=3):
    """In one of its two ways, whether it is given a generator or not; of scale and shift
    alone, for mean and var are not differentiated by.
    """
    rng = np.random.default_rng(3)
    mean, var = rng.standard_normal(in_shape[0]), 0.1 + rng.random(in_shape[0])

    def whole(params):
        fixed = (a.astype(params[0].dtype) for a in (mean, var))
        return fcnn.BatchNormParams(*params, *fixed)

    def init(rng, in_shape):
        params, out_shape = fcnn.batch_norm().init(rng, in_shape)
        return (params.scale, params.shift), out_shape

    def forward(params, x, rng=None):
        return fcnn.batch_norm_forward(whole(params), x, training=training)

    def backward_params(cache, dy):
        dparams = fcnn.batch_norm().backward_params(cache, dy)
        return dparams.scale, dparams.shift

    def backward(cache, dy):
        return backward_params(cache, dy), fcnn.batch_norm_backward(cache, dy)[1]

    def oracle(params, x, dy):
        y, dscale, dshift, dx = loops.batch_norm(*params, mean, var, x, dy, training)
        return y, [dscale, dshift], dx

    name = f"batch_norm-{'training' if training else 'inference'}-on{in_shape}"
    layer = fcnn.Layer("batch_norm", init, forward, backward, backward_params)
    return Case(name.replace(" ", ""), layer, in_shape, oracle, batch)


def _dropout_oracle(params, x, dy):
    return x, [], dy


def _softmax_oracle(params, x, dy):
    y, dx = loops.softmax(x, dy)
    return y, [], dx


def _relu_oracle(params, x, dy):
    return np.where(x > 0, x, 0), [], np.where(x > 0, dy, 0)


def _flatten_oracle(params, x, dy):
    return x.reshape(len(x), -1), [], dy.reshape(x.shape)


def _residual_oracle(params, x, dy):
    """conv2d of 3x3 pixels with padding 1, and relu."""
    (conv, _), one = params, (1, 1)
    a = loops.conv2d(conv.w, conv.b, x, one, one)
    da = np.where(a > 0, dy, 0)
    dw, db, dx = loops.conv2d_gradients(conv.w, conv.b, x, one, one, da)
    return x + np.where(a > 0, a, 0), [dw, db], dy + dx


def _parallel_oracle(merge):
    """conv2d of 1x1 pixels, relu, and conv2d of 3x3 pixels with padding 1, without bias."""

    def oracle(params, x, dy):
        (first, _, second), none, one = params, (0, 0), (1, 1)
        ys = [
            loops.conv2d(first.w, first.b, x, one, none),
            np.where(x > 0, x, 0),
            loops.conv2d(second.w, None, x, one, one),
        ]
        dys = [dy, dy, dy]
        if merge == "concatenate":
            ends = np.cumsum([y.shape[1] for y in ys])[:-1]
            dys = np.split(dy, ends, axis=1)
        dw1, db1, dx1 = loops.conv2d_gradients(first.w, first.b, x, one, none, dys[0])
        dw2, _, dx2 = loops.conv2d_gradients(second.w, None, x, one, one, dys[2])
        y = np.concatenate(ys, axis=1) if merge == "concatenate" else sum(ys)
        return y, [dw1, db1, dw2], dx1 + np.where(x > 0, dys[1], 0) + dx2

    return oracle


def _parallel(merge, features):
    layers = (
        fcnn.conv2d(features[0], 1),
        fcnn.relu,
        fcnn.conv2d(features[1], 3, padding=1, bias=False),
    )
    layer = fcnn.parallel(*layers, merge=merge)
    return Case(f"parallel-{merge}", layer, (2, 4, 5), _parallel_oracle(merge), batch=2)


def _chain_oracle(params, x, dy):
    """conv2d, relu, max_pool2d, flatten, dense, one after the other."""
    (conv, _, _, _, dense), one, two, none = params, (1, 1), (2, 2), (0, 0)
    a = loops.conv2d(conv.w, conv.b, x, one, one)
    b = np.where(a > 0, a, 0)
    c, _ = loops.max_pool2d(b, two, two, none)
    d = c.reshape(len(c), -1)
    y = loops.dense(dense.w, dense.b, d)
    dense_w, dense_b, dd = loops.dense_gradients(dense.w, dense.b, d, dy)
    _, db = loops.max_pool2d(b, two, two, none, dd.reshape(c.shape))
    conv_w, conv_b, dx = loops.conv2d_gradients(conv.w, conv.b, x, one, one, np.where(a > 0, db, 0))
    return y, [conv_w, conv_b, dense_w, dense_b], dx


CASES = [
    _conv(3, 1, 1, (2, 5, 6), features=3),
    _conv(3, 1, 0, (1, 5, 4)),
    _conv(1, 1, 0, (3, 4, 4)),
    _conv(2, 1, 0, (2, 4, 5)),
    _conv(5, 1, 2, (1, 6, 5)),
    _conv(3, 2, 1, (2, 7, 6)),
    _conv(3, 2, 0, (2, 8, 8)),
    _conv(3, 3, 1, (1, 8, 7)),
    _conv(2, 3, 0, (1, 9, 8)),
    _conv((3, 1), 1, (1, 0), (2, 4, 5)),
    _conv((1, 4), (1, 2), (0, 3), (2, 3, 6)),
    _conv((2, 3), (2, 1), (0, 2), (2, 5, 4)),
    _conv(3, 1, 4, (1, 3, 2)),
    _conv(2, 5, 4, (1, 2, 3)),
    _conv(1, 11, 5, (1, 1, 1)),
    _conv(1, 2, 3, (2, 2, 2)),
    _conv(3, 1, 1, (1, 1, 1), batch=1),
    _conv(4, 1, 0, (2, 4, 4), batch=1),
    _conv(3, 1, "same", (2, 4, 5), bias=False),
    _conv((2, 4), 1, "same", (2, 4, 5)),
    _conv(4, 1, "same", (1, 5, 6), dilation=(1, 3)),
    _conv(3, 1, 0, (2, 7, 6), dilation=2),
    _conv((3, 2), (2, 1), (1, 2), (1, 7, 5), dilation=(2, 3)),
    _conv(3, 3, 4, (1, 6, 9), dilation=(3, 1)),
    _conv(3, 1, 1, (4, 4, 5), features=6, groups=2),
    _conv(2, 2, 1, (6, 5, 4), features=3, groups=3, bias=False),
    _conv(3, 1, "same", (3, 4, 5), features=3, groups=3),
    _conv((3, 2), (1, 2), (2, 0), (4, 6, 5), features=8, dilation=2, groups=4),
    _conv(1, 1, 0, (4, 3, 3), features=4, groups=2),
    _pool(2, None, 0, (2, 6, 4)),
    _pool(2, None, 0, (3, 5, 7)),
    _pool(3, None, 0, (1, 7, 6)),
    _pool(3, 2, 1, (2, 7, 6)),
    _pool(2, 1, 0, (1, 4, 5)),
    _pool(3, 1, 1, (2, 4, 4)),
    _pool(2, 3, 1, (1, 7, 8)),
    _pool((3, 2), (1, 2), (1, 0), (2, 5, 6)),
    _pool((1, 4), (2, 1), (0, 2), (1, 5, 5)),
    _pool(1, None, 0, (2, 3, 3)),
    _pool(1, 2, 0, (1, 5, 5)),
    _pool(4, 2, 2, (1, 2, 1), batch=1),
    _avg_pool(2, None, 0, (2, 6, 4)),
    _avg_pool(2, None, 0, (3, 5, 7)),
    _avg_pool(3, 2, 1, (2, 7, 6)),
    _avg_pool(3, 1, 1, (2, 4, 4)),
    _avg_pool(2, 3, 1, (1, 7, 8)),
    _avg_pool((3, 2), (1, 2), (1, 0), (2, 5, 6)),
    _avg_pool((1, 4), (2, 1), (0, 2), (1, 5, 5)),
    _avg_pool((2, 1), (1, 2), 0, (1, 4, 5)),
    _avg_pool(1, None, 0, (2, 3, 3)),
    _avg_pool(4, 2, 2, (1, 2, 1), batch=1),
    Case("global_avg_pool", fcnn.global_avg_pool, (3, 4, 5), _global_average_oracle),
    Case("global_avg_pool-pixel", fcnn.global_avg_pool, (1, 1, 1), _global_average_oracle),
    Case("dense", fcnn.dense(4), (5,), _dense_oracle),
    Case("dense-one", fcnn.dense(1), (1,), _dense_oracle, batch=1),
    Case("dense-without-bias", fcnn.dense(4, bias=False), (5,), _dense_oracle),
    Case("relu-images", fcnn.relu, (2, 3, 4), _relu_oracle),
    Case("relu-vectors", fcnn.relu, (7,), _relu_oracle),
    _leaky_relu(0.01, (2, 3, 4)),
    _leaky_relu(0.3, (7,)),
    _activation("sigmoid", (2, 3, 4)),
    _activation("sigmoid", (7,)),
    _activation("tanh", (2, 3, 4)),
    _activation("tanh", (7,)),
    _activation("gelu", (2, 3, 4)),
    _activation("gelu", (7,)),
    Case("softmax", fcnn.softmax, (6,), _softmax_oracle),
    Case("softmax-one-class", fcnn.softmax, (1,), _softmax_oracle),
    _batch_norm((3, 4, 5), training=True),
    _batch_norm((2, 1, 3), training=True, batch=1),
    _batch_norm((3, 4, 5), training=False),
    _batch_norm((4,), training=False),
    Case("dropout-inference", fcnn.dropout(0.3), (2, 3, 4), _dropout_oracle),
    Case("flatten", fcnn.flatten, (2, 3, 4), _flatten_oracle),
    Case("flatten-vectors", fcnn.flatten, (5,), _flatten_oracle),
    Case(
        "chain",
        fcnn.chain(
            fcnn.conv2d(3, 3, padding=1), fcnn.relu, fcnn.max_pool2d(2), fcnn.flatten, fcnn.dense(4)
        ),
        (2, 6, 5),
        _chain_oracle,
        batch=2,
    ),
    Case(
        "residual",
        fcnn.residual(fcnn.chain(fcnn.conv2d(2, 3, padding=1), fcnn.relu)),
        (2, 4, 5),
        _residual_oracle,
        batch=2,
    ),
    _parallel("concatenate", (3, 1)),
    _parallel("add", (2, 2)),
]
