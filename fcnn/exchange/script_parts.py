"""The functions that scripts are made of: what `save_script` writes is taken from here, as it is.

They need NumPy alone, from Python 3.9 and NumPy 1.22 on. Together they are the script of a network
without layers. That of another has constants, `network` and `probabilities` of its own, and of all
else what it needs.
"""

from __future__ import annotations

import base64
import ctypes
import io
import os
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import reduce
from threading import Lock
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from fcnn.numerics.error_function import FITS

IN_SHAPE: tuple[int, ...] = (3,)
DTYPE = np.float32
LABELS = ("0", "1", "2")
ERROR_FUNCTION = FITS["float32"]


# The layers. Images have the shape (N, C, H, W) and vectors (N, D), but in memory they lie as
# (H, C, W, N) and (D, N): NumPy is quick where the numbers of all examples lie side by side.


def conv2d(
    x: np.ndarray,
    w: np.ndarray,
    b: np.ndarray | None = None,
    *,
    stride: tuple[int, int] = (1, 1),
    padding: tuple[int, int, int, int] = (0, 0, 0, 0),
    dilation: tuple[int, int] = (1, 1),
    groups: int = 1,
) -> np.ndarray:
    """Cross-correlation of images (N, C, H, W) with kernels (F, C/G, KH, KW), in G groups.

    The padding is that above, below, to the left and to the right; all else is (rows, columns).

    The KW horizontal shifts of an image are copied, side by side in each of its rows. Then KH
    consecutive rows already are the matrix that makes a row of the output, multiplied with the
    kernels; the matrices of neighbouring rows overlap in memory.
    """
    (F, _, KH, KW), (SH, SW), (DH, DW), G = w.shape, stride, dilation, groups
    rows = padded(x, padding)
    H, C, W, N = rows.shape
    rows = rows.reshape(H, G, C // G, W, N)
    shifts = sliding_window_view(rows, (KW - 1) * DW + 1, axis=3)[:, :, :, ::SW, :, ::DW]
    # (H, G, C/G, OW, N, KW) -> (G, H, KW, C/G, OW, N)
    shifts = np.ascontiguousarray(shifts.transpose(1, 0, 5, 2, 3, 4))
    windows = sliding_window_view(shifts, (KH - 1) * DH + 1, axis=1)[:, ::SH, ..., ::DH]
    OH, OW = windows.shape[1], windows.shape[4]
    # (G, OH, KW, C/G, OW, N, KH) -> (G, OH, KH*KW*C/G, OW*N)
    windows = np.moveaxis(windows, -1, 2).reshape(G, OH, -1, OW * N)
    # (F, C/G, KH, KW) -> (G, 1, F/G, KH*KW*C/G)
    kernels = w.transpose(0, 2, 3, 1).reshape(G, 1, F // G, -1)
    y = (kernels @ windows).swapaxes(0, 1).reshape(OH, F, OW, N)
    if b is not None:
        y += b[:, None, None]
    return y.transpose(3, 1, 0, 2)


def max_pool2d(
    x: np.ndarray,
    window: tuple[int, int],
    stride: tuple[int, int],
    padding: tuple[int, int, int, int] = (0, 0, 0, 0),
) -> np.ndarray:
    """The greatest pixel of each window; padding counts as minus infinity."""
    return pooled(np.maximum, padded(x, padding, -np.inf), window, stride)


def avg_pool2d(
    x: np.ndarray,
    window: tuple[int, int],
    stride: tuple[int, int],
    padding: tuple[int, int, int, int] = (0, 0, 0, 0),
) -> np.ndarray:
    """The mean of each window; padding counts as zeros."""
    return pooled(np.add, padded(x, padding) / (window[0] * window[1]), window, stride)


def pooled(
    combined: Callable[[np.ndarray, np.ndarray], np.ndarray],
    rows: np.ndarray,
    window: tuple[int, int],
    stride: tuple[int, int],
) -> np.ndarray:
    """The pixels of each window combined: first along its columns, then along its rows."""
    (KH, KW), (SH, SW), (H, _, W, _) = window, stride, rows.shape
    y = reduce(combined, [rows[k : H - KH + k + 1 : SH] for k in range(KH)])
    y = reduce(combined, [y[:, :, k : W - KW + k + 1 : SW] for k in range(KW)])
    return y.transpose(3, 1, 0, 2)  # (OH, C, OW, N) -> (N, C, OH, OW)


def padded(x: np.ndarray, padding: tuple[int, int, int, int], value: float = 0) -> np.ndarray:
    """Images as (H, C, W, N), with a value above, below, to the left and to the right of them."""
    rows = np.ascontiguousarray(x.transpose(2, 1, 3, 0))  # a copy only if they lie otherwise
    if not any(padding):
        return rows
    (H, C, W, N), (top, bottom, left, right) = rows.shape, padding
    y = np.full((top + H + bottom, C, left + W + right, N), value, x.dtype)
    y[top : top + H, :, left : left + W] = rows
    return y


def global_avg_pool(x: np.ndarray) -> np.ndarray:
    """The mean of each channel: (N, C, H, W) -> (N, C)."""
    return x.mean(axis=(2, 3))


def batch_norm(
    x: np.ndarray,
    scale: np.ndarray,
    shift: np.ndarray,
    mean: np.ndarray,
    var: np.ndarray,
    epsilon: float,
) -> np.ndarray:
    """scale * (x - mean) / sqrt(var + epsilon) + shift, channel by channel."""
    channels = (-1, *[1] * (x.ndim - 2))  # (C,) -> (C, 1, 1) for images
    y = x - mean.reshape(channels)
    y *= (scale / np.sqrt(var + epsilon)).reshape(channels)
    y += shift.reshape(channels)
    return y


def dense(x: np.ndarray, w: np.ndarray, b: np.ndarray | None = None) -> np.ndarray:
    """x @ w + b."""
    y = w.T @ x.T  # (K, D) @ (D, N) -> (K, N)
    if b is not None:
        y += b[:, None]
    return y.T


def flatten(x: np.ndarray) -> np.ndarray:
    """Images as vectors: (N, C, H, W) -> (N, C*H*W)."""
    return np.moveaxis(x, 0, -1).reshape(-1, len(x)).T


def relu(x: np.ndarray) -> np.ndarray:
    """max(x, 0)."""
    return np.maximum(x, 0)


def leaky_relu(x: np.ndarray, slope: float) -> np.ndarray:
    """max(x, slope * x)."""
    return np.maximum(x, slope * x)


def sigmoid(x: np.ndarray) -> np.ndarray:
    """1 / (1 + exp(-x))."""
    with np.errstate(over="ignore"):  # where exp(-x) is infinite, the result is 0
        return 1 / (1 + np.exp(-x))


def tanh(x: np.ndarray) -> np.ndarray:
    """The hyperbolic tangent."""
    return np.tanh(x)


def gelu(x: np.ndarray) -> np.ndarray:
    """x times the normal distribution function at x."""
    return x * (0.5 * (1 + erf(x * 0.5**0.5)))


def erf(x: np.ndarray) -> np.ndarray:
    """The error function: tanh(z), where z is x times a ratio of polynomials in x^2."""
    end, p, q = ERROR_FUNCTION
    z = np.clip(x, -end, end)  # beyond, the function is 1 to the last bit
    return np.tanh(z * polynomial(p, z * z) / polynomial(q, z * z))


def polynomial(coefficients: Sequence[float], x: np.ndarray) -> np.ndarray:
    """By Horner's rule, from the coefficient of the highest power down."""
    y = coefficients[0] * x + coefficients[1]
    for coefficient in coefficients[2:]:
        y *= x
        y += coefficient
    return y


def softmax(x: np.ndarray) -> np.ndarray:
    """exp(x) / sum of exp(x) over the last axis."""
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


# The network


def network(x: np.ndarray) -> np.ndarray:
    """The layers, one after the other."""
    return x


# Any number of examples, on all cores


AT_A_TIME = 64  # examples: few enough for the caches, enough to be worth the calls
ALONE = Lock()  # of one call at a time: each uses all cores
# Once it has seen a large array go, of nearly 32 MB, glibc keeps the memory of those that follow.
# Otherwise it may give it back, and have the system fill every page of the next array with zeros.
np.empty(2**25 - 2**16, np.uint8)


def predict(x: np.ndarray) -> np.ndarray:
    """The outputs of the network for a batch of examples (N, *IN_SHAPE) of DTYPE."""
    x = np.asarray(x)
    if x.dtype != DTYPE:
        name = np.dtype(DTYPE).name
        raise TypeError(f"predict: x is {x.dtype}, expected {name}: x.astype(np.{name})")
    if x.shape[1:] != IN_SHAPE or len(x) == 0:
        expected = ", ".join(map(str, IN_SHAPE))
        raise ValueError(f"predict: x has the shape {x.shape}, expected (N, {expected})")
    parts = [x[i : i + AT_A_TIME] for i in range(0, len(x), AT_A_TIME)]
    with ALONE, ThreadPoolExecutor(os.cpu_count()) as pool:
        before = set_blas_threads(1)
        try:
            return np.concatenate(list(pool.map(network, parts)))
        finally:
            set_blas_threads(before)


def set_blas_threads(count: int) -> int:
    """Let OpenBLAS, by which NumPy multiplies, use so many threads; returns how many it used.

    More than one would be in the way of the threads of `predict`. Other libraries are left alone.
    """
    module = sys.modules.get("numpy.linalg._umath_linalg")  # it is linked with the library
    blas: Any = module and ctypes.CDLL(module.__file__)
    for prefix in ("scipy_openblas", "openblas"):
        for suffix in ("64_", ""):
            if hasattr(blas, f"{prefix}_set_num_threads{suffix}"):
                before: int = getattr(blas, f"{prefix}_get_num_threads{suffix}")()
                getattr(blas, f"{prefix}_set_num_threads{suffix}")(count)
                return before
    return count


# The command line


def main(files: Sequence[str]) -> int:
    """Print the three likeliest classes of each image in .npy files; the exit code."""
    if not files:
        print(f"usage: python {sys.argv[0]} image.npy ...", file=sys.stderr)
        return 2
    if files[0] in ("-h", "--help"):
        print(__doc__)
        return 0
    code = 0
    for file in files:
        try:
            images = images_in(file)
        except Exception as error:  # damaged bytes are whatever the reader stumbles over
            reason = getattr(error, "strerror", None) or " ".join(str(error).split())
            print(f"{file}: {reason}", file=sys.stderr)
            code = 3
            continue
        for i, p in enumerate(probabilities(images)):
            likeliest = np.argsort(-p[: len(LABELS)], kind="stable")[:3]
            place = file if len(images) == 1 else f"{file}[{i}]"
            print(f"{place}:", ", ".join(f"{LABELS[k]} {p[k]:.1%}" for k in likeliest))
    return code


def probabilities(x: np.ndarray) -> np.ndarray:
    """Those of all classes."""
    return softmax(predict(x))


def images_in(file: str) -> np.ndarray:
    """The images in a .npy file as `predict` takes them; ValueError if they are none."""
    with open(file, "rb") as stream:
        array = np.lib.format.read_array(stream, allow_pickle=False)
    x = as_batch(array)
    if x.dtype == np.uint8:
        return np.divide(x, 255, dtype=DTYPE)
    if x.dtype.kind != "f":
        raise ValueError(f"its numbers are {x.dtype}, expected uint8 up to 255 or floats up to 1")
    with np.errstate(over="ignore"):
        x = x.astype(DTYPE)
    if not np.isfinite(x).all():
        raise ValueError("its numbers must be finite")
    if np.abs(x).max() > 16:
        raise ValueError(f"its floats go up to {np.abs(x).max():g}, expected 1: divide them by 255")
    return x


def as_batch(array: np.ndarray) -> np.ndarray:
    """One example or many as (N, *IN_SHAPE). The channels of images may be the last axis; one that
    is the only one may be left out.
    """
    if len(IN_SHAPE) == 3:
        C, H, W = IN_SHAPE
        if C == 1 and array.ndim < 4 and array.shape[-2:] == (H, W):
            array = array.reshape(-1, C, H, W)
        elif array.shape[-3:] == (H, W, C) != IN_SHAPE:
            array = np.moveaxis(array, -1, -3)
    x = array[None] if array.ndim == len(IN_SHAPE) else array
    if x.shape[1:] != IN_SHAPE or len(x) == 0:
        raise ValueError(f"its shape is {array.shape}, expected {IN_SHAPE} or many of these")
    return x


# The parameters


def parameters(text: str) -> dict[str, np.ndarray]:
    """The arrays of a .npz file in base64."""
    with np.load(io.BytesIO(base64.b64decode(text))) as file:
        return {name: file[name] for name in file.files}
