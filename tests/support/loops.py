"""The slow, obvious loops: what every fast operation must agree with.

Nothing here is shared with the library; each function is the definition, written out.
"""

import math
from functools import partial

import numpy as np


def conv2d_sizes(w, x, stride, padding, dilation):
    """The padding above and to the left, and the rows and columns of the output."""
    before, out = [], []
    for i in (0, 1):
        size, reach = x.shape[2 + i], (w.shape[2 + i] - 1) * dilation[i] + 1
        if padding == "same":
            before.append((reach - 1) // 2)
            out.append(size)
        else:
            before.append(padding[i])
            out.append((size + 2 * padding[i] - reach) // stride[i] + 1)
    return before, out


def conv2d_taps(w, x, f, i, j, stride, padding, dilation, groups):
    """The pixels that output (f, i, j) sees: their place in w and their place in an image."""
    _, C, H, W = x.shape
    (above, left), _ = conv2d_sizes(w, x, stride, padding, dilation)
    group = f // (len(w) // groups)
    for c, p, q in np.ndindex(*w.shape[1:]):
        row = i * stride[0] + p * dilation[0] - above
        column = j * stride[1] + q * dilation[1] - left
        if 0 <= row < H and 0 <= column < W:
            yield (f, c, p, q), (group * (C // groups) + c, row, column)


def conv2d(w, b, x, stride, padding, dilation=(1, 1), groups=1):
    _, (OH, OW) = conv2d_sizes(w, x, stride, padding, dilation)
    y = np.zeros((len(x), len(w), OH, OW), x.dtype)
    for n, f, i, j in np.ndindex(*y.shape):
        y[n, f, i, j] = 0 if b is None else b[f]
        for tap, pixel in conv2d_taps(w, x, f, i, j, stride, padding, dilation, groups):
            y[n, f, i, j] += w[tap] * x[(n, *pixel)]
    return y


def conv2d_gradients(w, b, x, stride, padding, dy, dilation=(1, 1), groups=1):
    dw, db, dx = np.zeros_like(w), np.zeros(len(w), w.dtype), np.zeros(x.shape, x.dtype)
    for n, f, i, j in np.ndindex(*dy.shape):
        db[f] += dy[n, f, i, j]
        for tap, pixel in conv2d_taps(w, x, f, i, j, stride, padding, dilation, groups):
            dw[tap] += dy[n, f, i, j] * x[(n, *pixel)]
            dx[(n, *pixel)] += dy[n, f, i, j] * w[tap]
    return dw, None if b is None else db, dx


def max_pool2d(x, window, stride, padding, dy=None):
    """The outputs and, given dy, dx: all of dy goes to the first maximum in row-major order."""
    N, C, H, W = x.shape
    OH = (H + 2 * padding[0] - window[0]) // stride[0] + 1
    OW = (W + 2 * padding[1] - window[1]) // stride[1] + 1
    y, dx = np.zeros((N, C, OH, OW), x.dtype), np.zeros(x.shape, x.dtype)
    for n, c, i, j in np.ndindex(N, C, OH, OW):
        best, place = None, None
        for p, q in np.ndindex(*window):
            row, column = i * stride[0] + p - padding[0], j * stride[1] + q - padding[1]
            inside = 0 <= row < H and 0 <= column < W
            if inside and (best is None or x[n, c, row, column] > best):
                best, place = x[n, c, row, column], (row, column)
        y[n, c, i, j] = best
        if dy is not None:
            dx[(n, c, *place)] += dy[n, c, i, j]
    return y, dx


def avg_pool2d(x, window, stride, padding, dy=None):
    """The outputs and, given dy, dx: an equal share to every pixel. Padding counts as zeros."""
    N, C, H, W = x.shape
    OH = (H + 2 * padding[0] - window[0]) // stride[0] + 1
    OW = (W + 2 * padding[1] - window[1]) // stride[1] + 1
    y, dx = np.zeros((N, C, OH, OW), x.dtype), np.zeros(x.shape, x.dtype)
    for n, c, i, j in np.ndindex(N, C, OH, OW):
        for p, q in np.ndindex(*window):
            row, column = i * stride[0] + p - padding[0], j * stride[1] + q - padding[1]
            if 0 <= row < H and 0 <= column < W:
                y[n, c, i, j] += x[n, c, row, column] / (window[0] * window[1])
                if dy is not None:
                    dx[n, c, row, column] += dy[n, c, i, j] / (window[0] * window[1])
    return y, dx


def activation(name, x, dy):
    """The outputs and dx of a function, number by number, by the functions of `math`."""
    functions = {
        "sigmoid": (
            lambda v: 1 / (1 + math.exp(-v)),
            lambda v: math.exp(-v) / (1 + math.exp(-v)) ** 2,
        ),
        "tanh": (math.tanh, lambda v: 1 / math.cosh(v) ** 2),
        "gelu": (
            lambda v: v * math.erfc(-v / math.sqrt(2)) / 2,
            lambda v: (
                math.erfc(-v / math.sqrt(2)) / 2 + v * math.exp(-v * v / 2) / math.sqrt(2 * math.pi)
            ),
        ),
    }
    function, derivative = functions[name]
    y, dx = np.zeros_like(x), np.zeros_like(x)
    for i in np.ndindex(*x.shape):
        y[i], dx[i] = function(float(x[i])), derivative(float(x[i])) * dy[i]
    return y, dx


def dense(w, b, x):
    y = np.zeros((len(x), w.shape[1]), x.dtype)
    for n, k in np.ndindex(*y.shape):
        y[n, k] = (0 if b is None else b[k]) + sum(x[n, d] * w[d, k] for d in range(len(w)))
    return y


def dense_gradients(w, b, x, dy):
    dw, db, dx = np.zeros_like(w), np.zeros(w.shape[1], w.dtype), np.zeros(x.shape, x.dtype)
    for n, k in np.ndindex(*dy.shape):
        db[k] += dy[n, k]
        for d in range(len(w)):
            dw[d, k] += x[n, d] * dy[n, k]
            dx[n, d] += w[d, k] * dy[n, k]
    return dw, None if b is None else db, dx


def softmax(x, dy=None):
    """The outputs and, given dy, the product with each example's whole Jacobian."""
    y, dx = np.zeros_like(x), np.zeros_like(x)
    for n in np.ndindex(*x.shape[:-1]):
        e = np.exp(x[n] - x[n].max())
        p = e / e.sum()
        y[n] = p
        if dy is not None:
            dx[n] = (np.diag(p) - np.outer(p, p)) @ dy[n]
    return y, dx


def bilinear_warp(x, matrix, offset):
    """Each pixel of each image: the weighted mean of the four around the place it comes from."""
    N, _, H, W = x.shape
    centre = np.array([(H - 1) / 2, (W - 1) / 2])
    y = np.zeros(x.shape)
    for n, i, j in np.ndindex(N, H, W):
        place = centre + matrix[n] @ (np.array([i, j]) - centre) + offset[n]
        for r in (math.floor(place[0]), math.floor(place[0]) + 1):
            for s in (math.floor(place[1]), math.floor(place[1]) + 1):
                if 0 <= r < H and 0 <= s < W:
                    y[n, :, i, j] += (
                        (1 - abs(place[0] - r)) * (1 - abs(place[1] - s)) * x[n, :, r, s]
                    )
    return y


def gaussian_filter(fields, sigma):
    """The mean of all pixels, weighted by a Gaussian of their distance; 0 outside."""
    *_, H, W = fields.shape
    everywhere = range(-100, 101)
    total = sum(math.exp(-(d**2) / (2 * sigma**2)) for d in everywhere) ** 2
    y = np.zeros(fields.shape)
    for i, j, r, s in np.ndindex(H, W, H, W):
        weight = math.exp(-((i - r) ** 2 + (j - s) ** 2) / (2 * sigma**2)) / total
        y[..., i, j] += weight * fields[..., r, s]
    return y


def batch_norm(scale, shift, mean, var, x, dy, training, epsilon=1e-5):
    """Outputs, dscale, dshift and dx. In training, mean and variance are those of x, and the
    derivative goes through them: by the chain rule, value by value.
    """
    y, dx = np.zeros_like(x), np.zeros_like(x)
    dscale, dshift = np.zeros_like(scale), np.zeros_like(shift)
    for c in range(x.shape[1]):
        values, dvalues = x[:, c].ravel(), dy[:, c].ravel()
        M = len(values)
        m = sum(values) / M if training else mean[c]
        v = sum((values - m) ** 2) / M if training else var[c]
        r = (v + epsilon) ** -0.5
        y[:, c] = scale[c] * (x[:, c] - m) * r + shift[c]
        dscale[c] = sum((values - m) * r * dvalues)
        dshift[c] = sum(dvalues)
        dnormal = dvalues * scale[c]
        along = dnormal * r
        if training:
            dv = sum(dnormal * (values - m) * -0.5 * r**3)
            dm = -sum(dnormal) * r
            along = along + dv * 2 * (values - m) / M + dm / M
        dx[:, c] = along.reshape(x[:, c].shape)
    return y, dscale, dshift, dx


# The same, as layers: (params, x, dy) -> (y, leaves of dparams, dx). Without dy, y alone counts.


def of_layer(operation, settings, params, x, dy=None):
    """A layer by its name and settings, as `fcnn.proof.layer_cases` has them."""
    return LAYERS[operation](params, x, dy, **settings)


def _pair(value):
    return value if isinstance(value, tuple) else (value, value)


def _of_conv2d(params, x, dy, *, stride=1, padding=0, dilation=1, groups=1, **shape):
    w, b = params.w, params.b
    own = _pair(stride), padding if padding == "same" else _pair(padding)
    rest = {"dilation": _pair(dilation), "groups": groups}
    y = conv2d(w, b, x, *own, **rest)
    dy = np.zeros_like(y) if dy is None else dy
    dw, db, dx = conv2d_gradients(w, b, x, *own, dy, **rest)
    return y, [dw] if b is None else [dw, db], dx


def _of_dense(params, x, dy, **shape):
    y = dense(params.w, params.b, x)
    dw, db, dx = dense_gradients(params.w, params.b, x, np.zeros_like(y) if dy is None else dy)
    return y, [dw] if params.b is None else [dw, db], dx


def _of_pool(loop, params, x, dy, *, window=2, stride=None, padding=0):
    sizes = _pair(window), _pair(window if stride is None else stride), _pair(padding)
    y, dx = loop(x, *sizes, dy)
    return y, [], dx


def _of_global_avg_pool(params, x, dy):
    size = x.shape[2:]
    y, dx = avg_pool2d(x, size, size, (0, 0), None if dy is None else dy[:, :, None, None])
    return y[:, :, 0, 0], [], dx


def of_batch_norm(params, x, dy, *, given, epsilon=1e-5):
    """In training without statistics that are given, in inference with them."""
    mean, var = given or (None, None)
    training = given is None
    y, dscale, dshift, dx = batch_norm(
        params.scale, params.shift, mean, var, x, dy, training, epsilon
    )
    zero = np.zeros_like(dscale)
    return y, [dscale, dshift, zero, zero] if training else [dscale, dshift], dx


def _of_activation(name, params, x, dy):
    y, dx = activation(name, x, np.zeros_like(x) if dy is None else dy)
    return y, [], dx


def _of_leaky_relu(params, x, dy, *, slope=0.0):
    dy = np.zeros_like(x) if dy is None else dy
    return np.where(x > 0, x, slope * x), [], np.where(x > 0, dy, slope * dy)


def _of_softmax(params, x, dy):
    y, dx = softmax(x, dy)
    return y, [], dx


def _of_flatten(params, x, dy):
    return x.reshape(len(x), -1), [], None if dy is None else dy.reshape(x.shape)


def _of_chain(params, x, dy, *, layers):
    xs, leaves = [x], []
    for layer, own in zip(layers, params, strict=True):
        xs.append(of_layer(*layer, own, xs[-1])[0])
    if dy is not None:
        for layer, own, x in reversed([*zip(layers, params, xs[:-1], strict=True)]):
            _, dparams, dy = of_layer(*layer, own, x, dy)
            leaves = dparams + leaves
    return xs[-1], leaves, dy


def _of_residual(params, x, dy, *, layers):
    y, leaves, dx = of_layer(*layers[0], params, x, dy)
    return x + y, leaves, None if dy is None else dy + dx


def _of_parallel(params, x, dy, *, layers, merge):
    ys = [of_layer(*layer, own, x)[0] for layer, own in zip(layers, params, strict=True)]
    y = sum(ys) if merge == "add" else np.concatenate(ys, axis=1)
    if dy is None:
        return y, [], None
    ends = np.cumsum([y.shape[1] for y in ys])[:-1]
    dys = [dy] * len(ys) if merge == "add" else np.split(dy, ends, axis=1)
    back = [of_layer(*layer, own, x, d) for layer, own, d in zip(layers, params, dys, strict=True)]
    return y, [leaf for _, leaves, _ in back for leaf in leaves], sum(dx for _, _, dx in back)


LAYERS = {
    "conv2d": _of_conv2d,
    "dense": _of_dense,
    "relu": _of_leaky_relu,
    "leaky_relu": _of_leaky_relu,
    **{name: partial(_of_activation, name) for name in ("sigmoid", "tanh", "gelu")},
    "max_pool2d": partial(_of_pool, max_pool2d),
    "avg_pool2d": partial(_of_pool, avg_pool2d),
    "global_avg_pool": _of_global_avg_pool,
    "softmax": _of_softmax,
    "flatten": _of_flatten,
    "dropout": lambda params, x, dy, rate: (x, [], dy),  # in inference
    "chain": _of_chain,
    "residual": _of_residual,
    "parallel": _of_parallel,
}
