"""Turning, scaling, slanting and shifting images at random, in one warp."""

import numpy as np

from fcnn.arguments.settings import not_negative
from fcnn.arguments.written import Written, written
from fcnn.augmentation.composing import Augmentation, check_arguments
from fcnn.augmentation.warping import affine_warp
from fcnn.numerics.arrays import Array


def affine(
    *, rotation: float = 0.0, scale: float = 0.0, shear: float = 0.0, shift: float = 0.0
) -> Augmentation:
    """Slant, scale, turn and then shift each image by amounts of its own, about its centre.

    Each amount is uniform between minus and plus its strength, vertical and horizontal shifts
    by themselves. Bilinear; outside the image is 0; see `affine_warp`.

    Parameters
    ----------
    rotation
        Degrees, counterclockwise where positive.
    scale
        The factor is 1 plus the amount, the same in height and width; below 1.
    shear
        Pixels to the side for each pixel of height: the tangent of the slant.
    shift
        Pixels.

    Examples
    --------
    >>> augment = affine(rotation=12, scale=0.1, shift=2.5)
    >>> augment(np.random.default_rng(0), np.ones((3, 1, 28, 28), np.float32)).shape
    (3, 1, 28, 28)
    """
    settings = {"rotation": rotation, "scale": scale, "shear": shear, "shift": shift}
    rotation, scale, shear, shift = (not_negative("affine", *each) for each in settings.items())
    if scale >= 1:
        raise ValueError(f"affine: scale is {scale}, expected below 1: the factor is 1 ± scale")
    most = np.array([np.radians(rotation), scale, shear, shift, shift])

    def augment(rng: np.random.Generator, images: Array) -> Array:
        N, *_ = check_arguments("affine", rng, images)
        drawn = most * rng.uniform(-1, 1, (N, 5))
        angle, growth, slant = drawn.T[:3]
        return affine_warp(images, *map_to_source(angle, growth, slant, drawn[:, 3:]))

    return Written(written(affine, locals()), augment)


def rotation(degrees: float) -> Augmentation:
    """Turn each image by up to so many degrees, either way: `affine(rotation=degrees)`."""
    return affine(rotation=degrees)


def scale(amount: float) -> Augmentation:
    """Scale each image by a factor of 1 ± amount at most: `affine(scale=amount)`."""
    return affine(scale=amount)


def shear(amount: float) -> Augmentation:
    """Slant each image by up to so many pixels per pixel of height: `affine(shear=amount)`."""
    return affine(shear=amount)


def shift(pixels: float) -> Augmentation:
    """Move each image by up to so many pixels, not all of them whole: `affine(shift=pixels)`."""
    return affine(shift=pixels)


def map_to_source(angle: Array, growth: Array, slant: Array, move: Array) -> tuple[Array, Array]:
    """Where the pixels of the result come from, for `affine_warp`.

    A point of the image, (i, j) down and to the right of the centre, goes to

    (1 + growth) * R @ K @ (i, j) + move,  R = [[cos, -sin], [sin, cos]],  K = [[1, 0], [-slant, 1]]

    and this is the inverse of that. Angles in radians; angle, growth, slant (N,), move (N, 2).
    """
    cos, sin = np.cos(angle), np.sin(angle)
    inverse = np.array([[cos, sin], [slant * cos - sin, slant * sin + cos]]) / (1 + growth)
    matrix = inverse.transpose(2, 0, 1)  # (2, 2, N) -> (N, 2, 2)
    return matrix, -np.einsum("nij,nj->ni", matrix, move)
