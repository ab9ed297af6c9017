"""Covering a part of an image."""

import math

import numpy as np

from fcnn.arguments.settings import fraction, number
from fcnn.arguments.wording import shown
from fcnn.arguments.written import Written, written
from fcnn.augmentation.composing import Augmentation, check_arguments
from fcnn.numerics.arrays import Array, as_images


def random_erasing(
    probability: float = 0.5,
    area: tuple[float, float] = (0.02, 0.4),
    aspect: float = 0.3,
    value: float = 0.0,
) -> Augmentation:
    """Cover a rectangle of some of the images, in all channels.

    Zhong, Zheng, Kang, Li, Yang: "Random erasing data augmentation" (2020), algorithm 1, with a
    constant in place of random values. There the height to the width of a rectangle is uniform
    between aspect and 1 / aspect, and one that sticks out is drawn again; here the logarithm of
    that ratio is uniform, so that lying and standing rectangles are as likely, and sides are cut
    to the size of the image. All places are as likely.

    Parameters
    ----------
    probability
        Of an image to be covered, 0 to 1.
    area
        The least and the greatest part of the image, above 0 and up to 1, that is covered.
    aspect
        The least ratio of the shorter to the longer side, above 0 and up to 1.
    value
        What the pixels become.

    Examples
    --------
    >>> augment = random_erasing(1.0, area=(0.25, 0.25), aspect=1.0)
    >>> augment(np.random.default_rng(0), np.ones((1, 1, 4, 4))).sum()
    np.float64(12.0)
    """
    probability = fraction("random_erasing", "probability", probability)
    if not isinstance(area, tuple | list) or len(area) != 2:
        raise TypeError(f"random_erasing: area is {shown(area)}, expected two numbers")
    low, high = (number("random_erasing", "area", part) for part in area)
    if not 0 < low <= high <= 1:
        raise ValueError(f"random_erasing: area is {area}, expected two of 0 to 1 in order")
    aspect = number("random_erasing", "aspect", aspect)
    if not 0 < aspect <= 1:
        raise ValueError(f"random_erasing: aspect is {aspect}, expected above 0 and up to 1")
    value = number("random_erasing", "value", value)
    if not math.isfinite(value):
        raise ValueError(f"random_erasing: value is {value}, expected a finite number")
    widest = -math.log(aspect)

    def augment(rng: np.random.Generator, images: Array) -> Array:
        N, _, H, W = check_arguments("random_erasing", rng, images)
        chance, part, ratio, top, left = rng.random((N, 5)).T
        covered = (low + (high - low) * part) * H * W
        shape = np.exp(widest * (2 * ratio - 1))  # height / width
        rows = _stretch(H, np.sqrt(covered * shape), top) & (chance < probability)  # (H, N)
        columns = _stretch(W, np.sqrt(covered / shape), left)  # (W, N)
        result = np.array(images.transpose(2, 1, 3, 0), order="C")  # (N, C, H, W) -> (H, C, W, N)
        np.copyto(result, value, where=rows[:, None, None] & columns)
        return as_images(result)

    return Written(written(random_erasing, locals()), augment)


def _stretch(size: int, length: Array, place: Array) -> Array:
    """Which of so many pixels (size, N) lie in a stretch of about that length, at least one and
    at most all of them; its place, from 0 to below 1, is uniform among those that there are.
    """
    length = np.clip(np.rint(length), 1, size)
    first = place * (size - length + 1) // 1
    pixels = np.arange(size)[:, None]
    inside: Array = (pixels >= first) & (pixels < first + length)
    return inside
