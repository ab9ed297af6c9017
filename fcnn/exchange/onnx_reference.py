"""Operators for ONNX's reference, where its own are slow or wrong.

Its pools are loops over pixels, and MaxPool takes the padding on the left for that below where the
stride is 1. Its BatchNormalization of opset 13 and before trains in inference.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from fcnn.numerics.arrays import Array


def operators(onnx: Any) -> list[Any]:
    """Operators as fcnn has them: in inference, with pools of whole windows, zeros counted."""

    class MaxPool(onnx.reference.op_run.OpRun):  # type: ignore[misc]
        op_domain = ""

        def _run(self, x: Array, **settings: Any) -> tuple[Array]:
            return (_windows(x, -math.inf, **settings).max((-2, -1)),)

    class AveragePool(onnx.reference.op_run.OpRun):  # type: ignore[misc]
        op_domain = ""

        def _run(self, x: Array, **settings: Any) -> tuple[Array]:
            return (_windows(x, 0, **settings).mean((-2, -1)),)

    class BatchNormalization(onnx.reference.op_run.OpRun):  # type: ignore[misc]
        op_domain = ""

        def _run(self, x: Array, *given: Array, epsilon: float = 1e-5, **_: Any) -> tuple[Array]:
            scale, shift, mean, var = (a.reshape(-1, *(1,) * (x.ndim - 2)) for a in given)
            return ((x - mean) / np.sqrt(var + np.float32(epsilon)) * scale + shift,)

    return [MaxPool, AveragePool, BatchNormalization]


def _windows(
    x: Array, pixel: float, *, kernel_shape: Any, strides: Any = None, pads: Any = None, **_: Any
) -> Array:
    """The windows of images: (N, C, H, W) -> (N, C, OH, OW, KH, KW)."""
    top, left, bottom, right = pads or (0, 0, 0, 0)
    rows, columns = strides or (1, 1)
    widths = ((0, 0), (0, 0), (top, bottom), (left, right))
    padded = np.pad(x, widths, constant_values=pixel)
    windows = np.lib.stride_tricks.sliding_window_view(padded, tuple(kernel_shape), (2, 3))
    return windows[:, :, ::rows, ::columns]
