"""A stand-in for the four files of MNIST, of a few images, for tests of loading them."""

import gzip
import hashlib

import numpy as np
from idx_files import idx_bytes

from fcnn.data import full_mnist, mnist_files

CONTENTS = {
    "train-images-idx3-ubyte": idx_bytes(np.arange(120, dtype=np.uint8).reshape(6, 4, 5)),
    "train-labels-idx1-ubyte": idx_bytes(np.arange(6, dtype=np.uint8)),
    "t10k-images-idx3-ubyte": idx_bytes(np.arange(60, dtype=np.uint8).reshape(3, 4, 5)),
    "t10k-labels-idx1-ubyte": idx_bytes(np.arange(3, dtype=np.uint8)),
}
IMAGES = "train-images-idx3-ubyte"


def fill(folder, suffix=""):
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in CONTENTS.items():
        packed = gzip.compress(content) if suffix else content
        (folder / f"{name}{suffix}").write_bytes(packed)
    return folder


def replace_mnist(tmp_path, monkeypatch):
    """A cache of the test's own, no mirrors, and MNIST replaced by the stand-in."""
    monkeypatch.delenv("FCNN_DATA_DIR", raising=False)
    monkeypatch.setattr("platformdirs.user_cache_dir", lambda *_, **__: str(tmp_path / "cache"))
    monkeypatch.setattr(full_mnist, "MIRRORS", ("http://127.0.0.1:1/",))
    files = tuple(
        mnist_files.MnistFile(name, len(content), hashlib.sha256(content).hexdigest())
        for name, content in CONTENTS.items()
    )
    monkeypatch.setattr(mnist_files, "FILES", files)
    return tmp_path / "cache" / "mnist"


def assert_is_stand_in(dataset):
    (x_train, y_train), (x_test, y_test) = dataset
    assert (x_train.shape, x_test.shape) == ((6, 1, 4, 5), (3, 1, 4, 5))
    assert (x_train.dtype, y_train.dtype) == (np.float32, np.int64)
    np.testing.assert_allclose(x_train.ravel() * 255, np.arange(120), rtol=1e-6)
    assert (y_train.tolist(), y_test.tolist()) == ([0, 1, 2, 3, 4, 5], [0, 1, 2])
