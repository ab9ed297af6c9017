"""What the bytes of a data file say, by small readers of the tests' own."""

import gzip
import io
import math
import struct
import warnings
import zipfile

import numpy as np

from fcnn import data


def told_by_idx(content):
    """The array in an IDX file of bytes, packed or not; None if there is none."""
    if content[:2] == b"\x1f\x8b":
        try:
            content = gzip.decompress(content)
        except Exception:
            return None
    if len(content) < 4 or content[:3] != b"\0\0\x08" or content[3] == 0:
        return None
    axes = content[3]
    if len(content) < 4 + 4 * axes:
        return None
    shape = struct.unpack(f">{axes}I", content[4 : 4 + 4 * axes])
    pixels = content[4 + 4 * axes :]
    if math.prod(shape) != len(pixels) or not pixels:
        return None
    return np.frombuffer(pixels, np.uint8).reshape(shape) if axes <= 4 else None


def told_by_npz(content, keys=None):
    """The arrays in an archive by their names; None if one of them is not whole."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            held = {entry.filename.removesuffix(".npy"): entry for entry in archive.infolist()}
            return {name: told_by_npy(archive.read(held[name])) for name in keys or held}
    except Exception:
        return None


def told_by_npy(content):
    assert len(content) < 10_000_000
    stream = io.BytesIO(content)
    version = np.lib.format.read_magic(stream)
    read = {(1, 0): "read_array_header_1_0", (2, 0): "read_array_header_2_0"}[version]
    shape, column_order, dtype = getattr(np.lib.format, read)(stream)
    rest = stream.read()
    assert dtype.kind in "biufc"
    assert min(shape, default=1) >= 0
    assert len(rest) == math.prod(shape) * dtype.itemsize
    order = "F" if column_order else "C"
    return np.array(np.ndarray(shape, dtype, rest, order=order), order="C")


def data_set(x_train, y_train, x_test, y_test, *, plain=False):
    """Four arrays as the data set that they are; None if they are none.

    In plain ones, of IDX files, channels and columns are nowhere else than they should be.
    """
    parts = (
        (images(x_train, plain), labels(y_train, plain)),
        (images(x_test, plain), labels(y_test, plain)),
    )
    if any(part is None for pair in parts for part in pair):
        return None
    (x, y), (x_other, y_other) = parts
    if x.shape[1:] != x_other.shape[1:] or len(x) != len(y) or len(x_other) != len(y_other):
        return None
    most = max(1000, len(y))
    return data.Dataset(*parts) if max(y.max(), y_other.max()) < most else None


def images(x, plain):
    if x is None or x.ndim not in (3, 4) or x.size == 0:
        return None
    if x.ndim == 3:
        x = x[:, None]
    elif not plain and x.shape[3] in (1, 3, 4):
        if x.shape[1] in (1, 3, 4):
            return None
        x = x.transpose(0, 3, 1, 2)
    if x.dtype == np.uint8:
        return np.ascontiguousarray(x.astype(np.float32) / np.float32(255))
    if x.dtype.kind != "f":
        return None
    with np.errstate(over="ignore"):
        x = np.ascontiguousarray(x.astype(np.float32))
    return x if np.isfinite(x).all() and np.abs(x).max() <= 16 else None


def labels(y, plain):
    if y is None:
        return None
    if not plain and y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    if y.ndim != 1 or y.size == 0 or y.dtype.kind not in "iu":
        return None
    y = y.astype(np.int64)
    return y if y.min() >= 0 else None
