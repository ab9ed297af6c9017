"""Lines in noise: data that any network which works learns within two epochs."""

from __future__ import annotations

import numpy as np

from fcnn.arguments.settings import whole_number
from fcnn.data.dataset import Dataset, Examples
from fcnn.numerics.random_streams import DATA, generator

SIZE = 14
MIDDLE = 7
NOISE = 0.1
TRAIN_COUNT, TEST_COUNT = 600, 150


def synthetic_lines(seed: int = 0) -> Dataset:
    """Images of one line each: a column, a row or the main diagonal, in normal noise.

    The label of image i is i % 3. A full line of value 1 runs through column 7 (label 0),
    row 7 (label 1) or the main diagonal (label 2); normal noise of standard deviation 0.1
    is added and not clipped, so pixels leave [0, 1] slightly.

    Parameters
    ----------
    seed : int
        At least 0. Training and test noise come from two streams derived from it.

    Returns
    -------
    Dataset
        600 training and 150 test images, float32 (N, 1, 14, 14); labels int64 (N,).

    Examples
    --------
    >>> from fcnn.data import synthetic_lines
    >>> (x_train, y_train), (x_test, y_test) = synthetic_lines(seed=0)
    >>> x_train.shape, x_test.shape, y_train[:4].tolist()
    ((600, 1, 14, 14), (150, 1, 14, 14), [0, 1, 2, 0])
    """
    # Without a number, the seed would come from the operating system.
    seed = whole_number("synthetic_lines", "seed", seed, 0)
    return Dataset(_part(seed, 0, TRAIN_COUNT), _part(seed, 1, TEST_COUNT))


def _part(seed: int, part: int, count: int) -> Examples:
    lines = np.zeros((3, 1, SIZE, SIZE), np.float32)
    lines[0, 0, :, MIDDLE] = 1
    lines[1, 0, MIDDLE, :] = 1
    np.fill_diagonal(lines[2, 0], 1)
    noise = generator(seed, DATA, part).standard_normal((count, 1, SIZE, SIZE), dtype=np.float32)
    labels = np.arange(count, dtype=np.int64) % 3
    return lines[labels] + np.float32(NOISE) * noise, labels
