"""Row windows: what a convolution multiplies its kernel with, nearly without copying.

In memory order, (H, C, W, N), the KH rows that a row of the output sees lie one after the
other. So only the KW horizontal shifts of the image are copied, side by side in each row
of a buffer; a view of KH consecutive rows of it is then the matrix that im2col would have
built, and windows of neighbouring rows overlap in memory. Where im2col copies every pixel
KH*KW times, this copies it KW times.

Two things bend the idea. Groups of channels that are convolved by themselves have a buffer
each, side by side: one more axis in front. And the rows that a kernel with vertical dilation
sees are not consecutive, so they are gathered with a copy.
"""

from functools import lru_cache
from typing import Final, NamedTuple

import numpy as np

from fcnn.numerics.arrays import Array, Index, Pair

_QUICK: Final = 1_000_000  # multiply-adds
_FEW_ROWS: Final = 32
_EVEN: Final = 32  # columns: two vector registers of the widest kind


class _Plan(NamedTuple):
    """What to put into a buffer, (G, height, KW, C/G, OW, N), and how to read it."""

    height: int
    empty: list[Index]  # where it stays empty
    copies: list[tuple[Index, Index]]  # which pixels go where: one copy for each shift
    gather: Array | None  # the rows that the windows see, if they are not consecutive
    step: int  # from the first row of a window to that of the next


def row_windows(
    rows: Array,
    kernel: Pair,
    stride: Pair,
    offset: Pair,
    out: Pair,
    dilation: Pair = (1, 1),
    groups: int = 1,
) -> Array:
    """All windows of a row of the output as one matrix, for every row, by an overlapping view.

    rows is (H, C, W, N). Output pixel (i, j) sees the kernel's shape of pixels from
    (i*SH - offset[0], j*SW - offset[1]) on, the dilation apart; what lies outside the image
    is zero. The offset is the padding of a convolution; it may be negative. Returns a
    read-only (G, OH, KH*KW*C/G, OW*N).
    """
    (H, C, W, N), (KH, KW), (OH, OW), G = rows.shape, kernel, out, groups
    plan = _plan((H, W), kernel, stride, offset, out, dilation)
    buffer = np.empty((G, plan.height, KW, C // G, OW, N), rows.dtype)
    for place in plan.empty:
        buffer[place] = 0
    # (H, C, W, N) -> (G, H, C/G, W, N)
    rows = rows.reshape(H, G, C // G, W, N).transpose(1, 0, 2, 3, 4)
    for place, source in plan.copies:
        buffer[place] = rows[source]
    if plan.gather is not None:
        buffer = buffer.take(plan.gather, 1)
    group, row, _, channel, _, _ = buffer.strides
    shape = (G, OH, KH * KW * (C // G), OW * N)
    strides = (group, plan.step * row, channel, buffer.itemsize)
    windows: Array = np.ndarray(shape, buffer.dtype, buffer, strides=strides)
    windows.flags.writeable = False  # one pixel of the buffer is in many windows
    return windows


@lru_cache(maxsize=256)
def _plan(size: Pair, kernel: Pair, stride: Pair, offset: Pair, out: Pair, dilation: Pair) -> _Plan:
    (H, W), (KH, KW), (SH, SW), (OH, OW), (DH, DW) = size, kernel, stride, out, dilation
    height = (OH - 1) * SH + (KH - 1) * DH + 1
    top, bottom = _overlap(H, 1, offset[0], height)
    inside, source = slice(top, bottom), slice(top - offset[0], bottom - offset[0])
    every = slice(None)
    empty: list[Index] = [(every, slice(0, top)), (every, slice(bottom, height))]
    copies: list[tuple[Index, Index]] = []
    for k in range(KW):
        shift = k * DW - offset[1]
        left, right = _overlap(W, SW, -shift, OW)
        empty.append((every, inside, k, every, slice(0, left)))
        empty.append((every, inside, k, every, slice(right, OW)))
        if left < right:
            first, last = left * SW + shift, (right - 1) * SW + shift
            place = (every, inside, k, every, slice(left, right))
            copies.append((place, (every, source, every, slice(first, last + 1, SW))))
    empty = [place for place in empty if place[-1].start < place[-1].stop]
    if DH == 1 or KH == 1:
        return _Plan(height, empty, copies, None, SH)
    gather = np.arange(OH)[:, None] * SH + np.arange(KH) * DH  # (OH, KH)
    return _Plan(height, empty, copies, gather.ravel(), KH)


def _overlap(size: int, step: int, offset: int, count: int) -> Pair:
    """The range of i < count for which i*step - offset is one of `size` pixels."""
    first = max(0, -(-offset // step))
    last = min(count, -(-(size + offset) // step))
    return (first, last) if first < last else (0, 0)


def row_products(kernel: Array, windows: Array) -> Array:
    """The products of kernels (G, F/G, D) with all row windows (G, OH, D, M): (OH, G, F/G, M).

    OpenBLAS has a quick way for small products, up to a million multiply-adds, which for few
    rows is up to half as fast again as the usual one: their columns are cut.
    """
    (G, F, D), (_, OH, _, M) = kernel.shape, windows.shape
    y = np.empty((OH, G, F, M), windows.dtype)
    by_group, kernel = y.transpose(1, 0, 2, 3), kernel[:, None]  # (G, OH, F, M), (G, 1, F, D)
    step = _columns_at_a_time(F, D, M)
    for first in range(0, M, step):
        columns = slice(first, first + step)
        np.matmul(kernel, windows[..., columns], out=by_group[..., columns])
    return y


def _columns_at_a_time(rows: int, depth: int, columns: int) -> int:
    """All of them, or about equal parts that are small enough for the quick way."""
    quick = _QUICK // (rows * depth) // _EVEN * _EVEN
    if rows > _FEW_ROWS or quick == 0 or quick >= columns:
        return columns
    parts = -(-columns // quick)
    return -(-columns // (parts * _EVEN)) * _EVEN


def spread(rows: Array, stride: Pair) -> Array:
    """Rows and columns moved apart by the stride, with zeros between them."""
    if stride == (1, 1):
        return rows
    (H, C, W, N), (SH, SW) = rows.shape, stride
    spread = np.zeros(((H - 1) * SH + 1, C, (W - 1) * SW + 1, N), rows.dtype)
    spread[::SH, :, ::SW] = rows
    return spread
