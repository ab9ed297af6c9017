"""Max-pooling: what its padding counts as."""

import numpy as np
import pytest

import fcnn


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("lowest", [True, False])
def test_padding_of_a_pool_is_below_all_numbers(dtype, lowest):
    value = np.finfo(dtype).min if lowest else -np.inf
    x = np.full((1, 1, 4, 4), value, dtype)
    y, cache = fcnn.max_pool2d_forward(x, window=3, stride=2, padding=1)
    assert (y == value).all()
    dx = fcnn.max_pool2d_backward(cache, np.ones_like(y))
    assert dx[0, 0].tolist() == [[1, 1, 0, 0], [1, 1, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]]
    y, cache = fcnn.max_pool2d_forward(x, window=(2, 3), stride=(3, 2), padding=1)
    assert (y == value).all()
    assert fcnn.max_pool2d_backward(cache, np.ones_like(y)).sum() == y.size
