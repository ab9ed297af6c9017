"""Images made smaller or larger by averaging over areas, which is what anti-aliasing means."""

import numpy as np

from fcnn.numerics.arrays import Array


def area_averaged(image: Array, height: int, width: int) -> Array:
    """An image (H, W) in another size: each new pixel is the mean of the area that it covers."""
    H, W = image.shape
    return _overlaps(H, height) @ image @ _overlaps(W, width).T


def reduced(image: Array, most: int) -> Array:
    """The image with no side longer than so many pixels, and at least one."""
    factor = min(1.0, most / max(image.shape))
    height, width = (max(1, round(side * factor)) for side in image.shape)
    return area_averaged(image, height, width)


def _overlaps(old: int, new: int) -> Array:
    """How much of each of the new pixels along a line lies in each of the old, (new, old)."""
    edges = np.arange(new + 1)[:, None] * (old / new)
    below = np.clip(edges - np.arange(old), 0, 1)  # of each old pixel, the part below each edge
    overlaps: Array = np.diff(below, axis=0) * (new / old)
    return overlaps
