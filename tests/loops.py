"""The slow, obvious loops: what every fast operation must agree with.

Nothing here is shared with the library; each function is the definition, written out.
"""

import numpy as np


def conv2d(w, b, x, stride, padding):
    N, C, H, W = x.shape
    F, _, KH, KW = w.shape
    OH = (H + 2 * padding[0] - KH) // stride[0] + 1
    OW = (W + 2 * padding[1] - KW) // stride[1] + 1
    y = np.zeros((N, F, OH, OW), x.dtype)
    for n, f, i, j in np.ndindex(N, F, OH, OW):
        total = b[f]
        for c, p, q in np.ndindex(C, KH, KW):
            row, column = i * stride[0] + p - padding[0], j * stride[1] + q - padding[1]
            if 0 <= row < H and 0 <= column < W:
                total = total + w[f, c, p, q] * x[n, c, row, column]
        y[n, f, i, j] = total
    return y


def conv2d_gradients(w, b, x, stride, padding, dy):
    _, C, H, W = x.shape
    _, _, KH, KW = w.shape
    dw, db, dx = np.zeros_like(w), np.zeros_like(b), np.zeros(x.shape, x.dtype)
    for n, f, i, j in np.ndindex(*dy.shape):
        db[f] += dy[n, f, i, j]
        for c, p, q in np.ndindex(C, KH, KW):
            row, column = i * stride[0] + p - padding[0], j * stride[1] + q - padding[1]
            if 0 <= row < H and 0 <= column < W:
                dw[f, c, p, q] += dy[n, f, i, j] * x[n, c, row, column]
                dx[n, c, row, column] += dy[n, f, i, j] * w[f, c, p, q]
    return dw, db, dx


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


def dense(w, b, x):
    y = np.zeros((len(x), len(b)), x.dtype)
    for n, k in np.ndindex(*y.shape):
        y[n, k] = b[k] + sum(x[n, d] * w[d, k] for d in range(len(w)))
    return y


def dense_gradients(w, b, x, dy):
    dw, db, dx = np.zeros_like(w), np.zeros_like(b), np.zeros(x.shape, x.dtype)
    for n, k in np.ndindex(*dy.shape):
        db[k] += dy[n, k]
        for d in range(len(w)):
            dw[d, k] += x[n, d] * dy[n, k]
            dx[n, d] += w[d, k] * dy[n, k]
    return dw, db, dx


def softmax(x, dy=None):
    """The outputs and, given dy, the product with each example's whole Jacobian."""
    y, dx = np.zeros_like(x), np.zeros_like(x)
    for n, row in enumerate(x):
        e = np.exp(row - row.max())
        p = e / e.sum()
        y[n] = p
        if dy is not None:
            dx[n] = (np.diag(p) - np.outer(p, p)) @ dy[n]
    return y, dx


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
