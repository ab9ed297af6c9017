"""Means: of windows, of images, of numbers whose sum would overflow."""

import numpy as np
import pytest

import fcnn


def test_the_zeros_of_the_padding_count_in_the_mean():
    y, _ = fcnn.avg_pool2d_forward(np.ones((1, 1, 4, 4)), window=3, stride=3, padding=1)
    assert (y[0, 0] * 9).round(12).tolist() == [[4, 4], [4, 4]]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("settings", [{}, {"window": 3, "stride": 1, "padding": 1}])
def test_means_of_the_greatest_numbers_are_finite(dtype, settings):
    greatest = np.finfo(dtype).max / 2
    signs = np.random.default_rng(0).choice([-1, 1], (3, 2, 8, 6))
    for x in (signs * greatest, np.full(signs.shape, greatest)):
        x = x.astype(dtype)
        with np.errstate(all="raise"):
            for y in (
                fcnn.avg_pool2d_forward(x, **settings)[0],
                fcnn.global_avg_pool_forward(x)[0],
            ):
                assert np.isfinite(y).all()
                assert np.abs(y).max() <= greatest * (1 + 1e-6)


def test_a_global_mean_is_a_mean_of_means_and_of_every_pixel():
    x = np.random.default_rng(0).standard_normal((3, 2, 6, 4))
    y, _ = fcnn.global_avg_pool_forward(x)
    small, _ = fcnn.avg_pool2d_forward(x)
    assert np.allclose(y, x.mean((2, 3)), rtol=1e-13)
    assert np.allclose(y, fcnn.global_avg_pool_forward(small)[0], rtol=1e-13)
    assert np.allclose(y, fcnn.avg_pool2d_forward(x, window=(6, 4))[0][:, :, 0, 0], rtol=1e-13)


def test_images_stay_batch_innermost_in_memory():
    x = np.ones((4, 5, 6, 3), np.float32).transpose(3, 1, 0, 2)  # (H, C, W, N) -> (N, C, H, W)
    y, cache = fcnn.avg_pool2d_forward(x)
    assert y.transpose(2, 1, 3, 0).flags.c_contiguous
    assert fcnn.avg_pool2d_backward(cache, y).transpose(2, 1, 3, 0).flags.c_contiguous
    assert fcnn.global_avg_pool_forward(x)[0].T.flags.c_contiguous


def test_the_gradient_of_a_global_mean_is_a_view_that_nobody_can_write_to():
    y, cache = fcnn.global_avg_pool_forward(np.ones((2, 3, 4, 5)))
    dx = fcnn.global_avg_pool_backward(cache, y)
    assert dx.shape == (2, 3, 4, 5)
    assert not dx.flags.writeable
    assert (dx == 1 / 20).all()
