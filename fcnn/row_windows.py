"""Row windows: what a convolution multiplies its kernel with, nearly without copying.

In memory order, (H, C, W, N), the KH rows that a row of the output sees lie one after the
other. So only the KW horizontal shifts of the image are copied, side by side in each row
of a buffer; a view of KH consecutive rows of it is then the matrix that im2col would have
built, and windows of neighbouring rows overlap in memory. Where im2col copies every pixel
KH*KW times, this copies it KW times.
"""

from functools import lru_cache

import numpy as np

from fcnn.arrays import Array, Index, Pair


def row_windows(rows: Array, kernel: Pair, stride: Pair, offset: Pair, out: Pair) -> Array:
    """All windows of a row of the output as one matrix, for every row, by an overlapping view.

    rows is (H, C, W, N). Output pixel (i, j) sees the kernel's shape of pixels from
    (i*SH - offset[0], j*SW - offset[1]) on; what lies outside the image is zero. The
    offset is the padding of a convolution; it may be negative. Returns a read-only
    (OH, KH*KW*C, OW*N).
    """
    (H, C, W, N), (KH, KW), (OH, OW) = rows.shape, kernel, out
    height, empty, copies = _plan((H, W), kernel, stride, offset, out)
    buffer = np.empty((height, KW, C, OW, N), rows.dtype)
    for place in empty:
        buffer[place] = 0
    for place, source in copies:
        buffer[place] = rows[source]
    row, _, channel, _, _ = buffer.strides
    shape, strides = (OH, KH * KW * C, OW * N), (stride[0] * row, channel, buffer.itemsize)
    windows: Array = np.ndarray(shape, buffer.dtype, buffer, strides=strides)
    windows.flags.writeable = False  # one pixel of the buffer is in many windows
    return windows


@lru_cache(maxsize=256)
def _plan(
    size: Pair, kernel: Pair, stride: Pair, offset: Pair, out: Pair
) -> tuple[int, list[Index], list[tuple[Index, Index]]]:
    """The height of the buffer, where it stays empty, and which pixels go where: one copy for
    each horizontal shift.
    """
    (H, W), (KH, KW), (SH, SW), (OH, OW) = size, kernel, stride, out
    height = (OH - 1) * SH + KH
    top, bottom = _overlap(H, 1, offset[0], height)
    inside, source = slice(top, bottom), slice(top - offset[0], bottom - offset[0])
    empty: list[Index] = [(slice(0, top),), (slice(bottom, height),)]
    copies: list[tuple[Index, Index]] = []
    for shift in range(KW):
        left, right = _overlap(W, SW, offset[1] - shift, OW)
        empty.append((inside, shift, slice(None), slice(0, left)))
        empty.append((inside, shift, slice(None), slice(right, OW)))
        if left < right:
            first, last = left * SW + shift - offset[1], (right - 1) * SW + shift - offset[1]
            place = (inside, shift, slice(None), slice(left, right))
            copies.append((place, (source, slice(None), slice(first, last + 1, SW))))
    return height, [place for place in empty if place[-1].start < place[-1].stop], copies


def _overlap(size: int, step: int, offset: int, count: int) -> Pair:
    """The range of i < count for which i*step - offset is one of `size` pixels."""
    first = max(0, -(-offset // step))
    last = min(count, -(-(size + offset) // step))
    return (first, last) if first < last else (0, 0)


def spread(rows: Array, stride: Pair) -> Array:
    """Rows and columns moved apart by the stride, with zeros between them."""
    if stride == (1, 1):
        return rows
    (H, C, W, N), (SH, SW) = rows.shape, stride
    spread = np.zeros(((H - 1) * SH + 1, C, (W - 1) * SW + 1, N), rows.dtype)
    spread[::SH, :, ::SW] = rows
    return spread
