"""A small data set, as folders of IDX files, and what must be read from them."""

import gzip
import struct

import numpy as np

MNIST_NAMES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)


def idx_bytes(array, kind=0x08):
    header = struct.pack(f">HBB{array.ndim}I", 0, kind, array.ndim, *array.shape)
    return header + array.tobytes()


def small_arrays():
    rng = np.random.default_rng(5)
    return {
        "x_train": rng.integers(0, 256, (6, 4, 5), np.uint8),
        "y_train": np.array([0, 1, 2, 0, 1, 2], np.uint8),
        "x_test": rng.integers(0, 256, (3, 4, 5), np.uint8),
        "y_test": np.array([2, 0, 1], np.uint8),
    }


def write_idx_folder(folder, arrays=None, names=MNIST_NAMES, suffix=""):
    for name, array in zip(names, (arrays or small_arrays()).values(), strict=True):
        content = idx_bytes(array)
        (folder / f"{name}{suffix}").write_bytes(gzip.compress(content) if suffix else content)
    return folder


def assert_holds(dataset, arrays):
    """That a data set is these arrays: bytes (N, H, W), scaled, with a channel axis."""
    (x_train, y_train), (x_test, y_test) = dataset
    assert (x_train.dtype, y_train.dtype) == (np.float32, np.int64)
    assert x_train.flags.c_contiguous
    np.testing.assert_allclose(x_train[:, 0] * 255, arrays["x_train"], rtol=1e-6)
    np.testing.assert_allclose(x_test[:, 0] * 255, arrays["x_test"], rtol=1e-6)
    np.testing.assert_array_equal(y_train, arrays["y_train"])
    np.testing.assert_array_equal(y_test, arrays["y_test"])
