"""Noise all over an image."""

import numpy as np

from fcnn.arguments.settings import not_negative
from fcnn.arguments.written import Written, written
from fcnn.augmentation.composing import Augmentation, check_arguments
from fcnn.numerics.arrays import Array, as_images, batch_innermost


def noise(deviation: float) -> Augmentation:
    """Add normal noise to every value, which is not clipped afterwards.

    Parameters
    ----------
    deviation
        Its standard deviation, at least 0.

    Examples
    --------
    >>> augment = noise(0.1)
    >>> augment(np.random.default_rng(0), np.zeros((2, 1, 50, 50))).std().round(2)
    np.float64(0.1)
    """
    deviation = not_negative("noise", "deviation", deviation)

    def augment(rng: np.random.Generator, images: Array) -> Array:
        check_arguments("noise", rng, images)
        # Drawn image by image: what an image gets does not depend on how many follow.
        drawn = np.asarray(rng.standard_normal(images.shape, images.dtype))
        drawn *= deviation
        return as_images(batch_innermost(drawn) + batch_innermost(images))

    return Written(written(noise, locals()), augment)
