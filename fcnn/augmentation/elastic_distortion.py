"""Elastic distortion: a smooth random field moves every pixel."""

import math
from functools import lru_cache

import numpy as np

from fcnn.arguments.settings import above_zero, not_negative
from fcnn.arguments.written import Written, written
from fcnn.augmentation.composing import Augmentation, check_arguments
from fcnn.augmentation.warping import warp
from fcnn.distributed.blas_threads import on_one_blas_thread
from fcnn.numerics.arrays import Array, freeze
from fcnn.numerics.products import product


def elastic(alpha: float = 34.0, sigma: float = 4.0) -> Augmentation:
    """Bend each image by a field of its own.

    For both directions, every pixel draws a number between -1 and 1; these are smoothed by a
    Gaussian of standard deviation sigma, outside of the image they count as 0, and multiplied by
    alpha. So far, in pixels, is the place that a pixel's value comes from, with bilinear
    interpolation; outside the image is 0.

    Simard, Steinkraus, Platt: "Best practices for convolutional neural networks applied to
    visual document analysis" (2003), section 2; the defaults are those usual for MNIST. Far
    from the border the moves have a standard deviation of alpha / (sigma sqrt(12 pi)): with the
    defaults, 1.4 pixels.

    Parameters
    ----------
    alpha
        How strong the distortion is.
    sigma
        How smooth, in pixels; greater than 0.

    Examples
    --------
    >>> augment = elastic()
    >>> augment(np.random.default_rng(0), np.ones((3, 1, 28, 28), np.float32)).shape
    (3, 1, 28, 28)
    """
    alpha = not_negative("elastic", "alpha", alpha)
    sigma = above_zero("elastic", "sigma", sigma)

    def augment(rng: np.random.Generator, images: Array) -> Array:
        N, _, H, W = check_arguments("elastic", rng, images)
        numbers = rng.random((N, 2, H, W), images.dtype)
        numbers *= 2 * alpha
        numbers -= alpha
        down, across = smooth(numbers, sigma)
        down += np.arange(H, dtype=images.dtype)[:, None, None]
        across += np.arange(W, dtype=images.dtype)[:, None]
        return warp(images, lambda rows: (down[rows], across[rows]))

    return Written(written(elastic, locals()), augment)


@on_one_blas_thread  # whose bits do not depend on the number of cores
def smooth(fields: Array, sigma: float) -> Array:
    """Fields (N, K, H, W), smoothed by a Gaussian along both axes: (K, H, W, N) in memory. Along
    each of them it is the product with a matrix.
    """
    N, K, H, W = fields.shape
    down, across = (gaussian(size, sigma, fields.dtype) for size in (H, W))
    rows = product(fields.reshape(-1, W), across)
    # (N, K, H, W) -> (K, H, W, N)
    turned = np.ascontiguousarray(rows.reshape(N, K, H, W).transpose(1, 2, 3, 0))
    smoothed = product(down, turned.reshape(K, H, W * N))
    return smoothed.reshape(K, H, W, N)


@lru_cache(maxsize=16)
def gaussian(size: int, sigma: float, dtype: np.dtype[np.floating]) -> Array:
    """The matrix (size, size) of a Gaussian filter. Its weights would add to 1 without the
    border: they are divided by the sum over all whole distances.
    """
    reach = max(size, math.ceil(10 * sigma))
    weights = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    weights /= weights.sum()
    distance = np.subtract.outer(np.arange(size), np.arange(size))
    return freeze(weights[distance + reach].astype(dtype))
