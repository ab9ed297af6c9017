"""Data sets: digits that come with fcnn, full MNIST, synthetic lines, and one's own files.

Every loader returns `(x_train, y_train), (x_test, y_test)`: images float32 (N, C, H, W),
labels int64 (N,).
"""

from fcnn.data.dataset import DataError, Dataset, number_of_classes
from fcnn.data.download import Progress
from fcnn.data.embedded import mnist5k
from fcnn.data.folders import idx_folder
from fcnn.data.full_mnist import download_mnist, mnist
from fcnn.data.inventory import DataStatus, FileStatus, status
from fcnn.data.loading import load
from fcnn.data.npz import npz_file
from fcnn.data.synthetic import synthetic_lines

__all__ = [
    "DataError",
    "DataStatus",
    "Dataset",
    "FileStatus",
    "Progress",
    "download_mnist",
    "idx_folder",
    "load",
    "mnist",
    "mnist5k",
    "npz_file",
    "number_of_classes",
    "status",
    "synthetic_lines",
]
