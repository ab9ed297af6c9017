"""What an augmentation is, and several in a row."""

from collections.abc import Callable
from typing import TypeAlias

import numpy as np

from fcnn.arguments.arrays import shapes
from fcnn.arguments.settings import check_function, check_kind
from fcnn.arguments.written import Written, written
from fcnn.numerics.arrays import Array

Augmentation: TypeAlias = Callable[[np.random.Generator, Array], Array]


def compose(*augmentations: Augmentation) -> Augmentation:
    """The augmentations one after the other, from the first to the last, with one generator.

    Examples
    --------
    >>> doubled = compose(lambda rng, x: x + 1, lambda rng, x: 2 * x)
    >>> doubled(np.random.default_rng(0), np.zeros((1, 1, 1, 2)))
    array([[[[2., 2.]]]])
    """
    for index, augmentation in enumerate(augmentations):
        check_function("compose", f"augmentation {index}", augmentation)

    def augment(rng: np.random.Generator, images: Array) -> Array:
        for augmentation in augmentations:
            images = augmentation(rng, images)
        return images

    return Written(written(compose, locals()), augment)


def check_arguments(function: str, rng: np.random.Generator, images: Array) -> tuple[int, ...]:
    """The sizes N, C, H, W of images of floats; TypeError or ValueError for anything else, and for
    what is no generator.
    """
    check_kind(function, "rng", rng, np.random.Generator)
    return shapes(function, images=(images, "N, C, H, W"))
