"""Row windows: what a convolution multiplies its kernel with, nearly without copying.

In memory order, (H, C, W, N), the KH rows that a row of the output sees lie one after the
other. So only the KW horizontal shifts of the image are copied, side by side in each row
of a buffer; a view of KH consecutive rows of it is then the matrix that im2col would have
built, and windows of neighbouring rows overlap in memory. Where im2col copies every pixel
KH*KW times, this copies it KW times.

All shifts are one view of the padded image, whose pixels overlap in memory too: one copy of
that view is the buffer.

Two things bend the idea. Groups of channels that are convolved by themselves have a buffer
each, side by side: one more axis in front. And the rows that a kernel with vertical dilation
sees are not consecutive, so they are all copied.
"""

from typing import Final

import numpy as np

from fcnn.numerics.arrays import Array, Pair
from fcnn.numerics.products import product

_QUICK: Final = 1_000_000  # multiply-adds
_FEW_ROWS: Final = 32
_EVEN: Final = 32  # columns: two vector registers of the widest kind


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
    (KH, KW), (SH, SW), (OH, OW), (DH, DW), G = kernel, stride, out, dilation, groups
    height, width = (OH - 1) * SH + (KH - 1) * DH + 1, (OW - 1) * SW + (KW - 1) * DW + 1
    image = _part(rows, offset, (height, width))
    C, N, item = image.shape[1] // G, image.shape[3], image.itemsize
    row, channel, pixel, _ = image.strides
    if DH == 1 or KH == 1:
        # (height, G*C/G, width, N) -> (G, height, 1, KW, C/G, OW, N): every row once
        seen, to_seen, step = (height, 1), (row, 0), SH
    else:
        seen, to_seen, step = (OH, KH), (SH * row, DH * row), KH
    shifts: Array = np.ndarray(
        (G, *seen, KW, C, OW, N),
        image.dtype,
        image,
        strides=(C * channel, *to_seen, DW * pixel, channel, SW * pixel, item),
    )
    buffer, channel = shifts.copy(), OW * N * item
    row = KW * C * channel
    windows: Array = np.ndarray(
        (G, OH, KH * KW * C, OW * N),
        buffer.dtype,
        buffer,
        strides=(buffer.nbytes // G, step * row, channel, item),
    )
    windows.flags.writeable = False  # one pixel of the buffer is in many windows
    return windows


def _part(rows: Array, offset: Pair, size: Pair) -> Array:
    """The part of an image (H, C, W, N) that begins at -offset, with zeros outside of the image;
    the image itself if it begins where that does.
    """
    (H, C, W, N), (top, left), (height, width) = rows.shape, offset, size
    if top == left == 0 and height <= H and width <= W:
        return rows
    part = np.zeros((height, C, width, N), rows.dtype)
    inside = rows[max(0, -top) : max(0, height - top), :, max(0, -left) : max(0, width - left)]
    top, left = max(0, top), max(0, left)
    part[top : top + inside.shape[0], :, left : left + inside.shape[2]] = inside
    return part


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
        product(kernel, windows[..., columns], out=by_group[..., columns])
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
