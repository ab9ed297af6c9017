"""The digits that come with fcnn: the first 5,000 and 1,000 of MNIST, in one file.

`tools/make_mnist5k.py` makes the file, and MNIST-NOTICE.txt says whose work it is.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterable

from fcnn.data.dataset import DataError, Dataset, assemble, naming
from fcnn.data.npz import read_arrays
from fcnn.numerics.arrays import Array

FILE_NAME = "mnist5k.npz"
TRAIN_COUNT, TEST_COUNT = 5000, 1000
SHA256 = "03dc591647c4e8363958fc6c69d1022e753e01151e5423680b7f1fc198d2e693"


def mnist5k() -> Dataset:
    """The first 5,000 training and the first 1,000 test images of MNIST, embedded.

    They are part of the package: nothing is downloaded, and nothing else is needed. DataError
    if the embedded file is missing or damaged.

    Returns
    -------
    Dataset
        Images float32 (N, 1, 28, 28) in [0, 1], labels int64 (N,).

    Examples
    --------
    >>> from fcnn.data import mnist5k
    >>> (x_train, y_train), (x_test, y_test) = mnist5k()
    >>> x_train.shape, x_test.shape, y_train[:4].tolist()
    ((5000, 1, 28, 28), (1000, 1, 28, 28), [5, 0, 4, 1])
    """
    name = f"{FILE_NAME} in the installed fcnn"
    with naming(name):
        arrays = read_arrays(io.BytesIO(packed()), name)
    if digest(arrays) != SHA256:
        raise DataError(f"{name} is damaged: its SHA-256 is wrong; install fcnn again")
    return assemble("mnist5k", *arrays)


def packed() -> bytes:
    """The embedded file as it is."""
    from importlib.resources import files

    return (files("fcnn.data") / FILE_NAME).read_bytes()


def digest(arrays: Iterable[Array]) -> str:
    """SHA-256 of the arrays' bytes, one after the other, however the file is compressed."""
    return hashlib.sha256(b"".join(array.tobytes() for array in arrays)).hexdigest()
