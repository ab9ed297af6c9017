"""Data sets: digits that come with fcnn, full MNIST, synthetic lines, one's own files and pictures.

Every loader returns `(x_train, y_train), (x_test, y_test)`: images float32 (N, C, H, W),
labels int64 (N,). `as_mnist` makes digits of MNIST of pictures of one's own.
"""

from fcnn.data.dataset import DataError as DataError
from fcnn.data.dataset import Dataset as Dataset
from fcnn.data.dataset import number_of_classes as number_of_classes
from fcnn.data.digit_pictures import as_mnist as as_mnist
from fcnn.data.embedded import mnist5k as mnist5k
from fcnn.data.folders import idx_folder as idx_folder
from fcnn.data.full_mnist import download_mnist as download_mnist
from fcnn.data.full_mnist import mnist as mnist
from fcnn.data.image_folders import image_folder as image_folder
from fcnn.data.inventory import DataStatus as DataStatus
from fcnn.data.inventory import FileStatus as FileStatus
from fcnn.data.inventory import status as status
from fcnn.data.loading import load as load
from fcnn.data.npz import npz_file as npz_file
from fcnn.data.synthetic import synthetic_lines as synthetic_lines
from fcnn.data.transfer import Progress as Progress

# Public is what is imported above, not the modules that it comes from.
__all__ = [
    name for name, value in globals().items() if name[0] != "_" and not hasattr(value, "__spec__")
]


def __dir__() -> list[str]:
    return __all__
