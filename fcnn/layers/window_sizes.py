"""The sizes of images, and of what a window that slides over them leaves."""

from collections.abc import Sequence
from functools import lru_cache

from fcnn.arguments.arrays import check_shape
from fcnn.numerics.arrays import Pair, Shape


@lru_cache(maxsize=256)
def output_size(
    function: str, size: Pair, window: Pair, stride: Pair, padding: Pair, noun: str = "window"
) -> Pair:
    """Rows and columns of windows on an image: (size + 2 padding - window) // stride + 1.

    Raises ValueError if the window exceeds the padded image.
    """
    padded = (size[0] + 2 * padding[0], size[1] + 2 * padding[1])
    if window[0] > padded[0] or window[1] > padded[1]:
        raise ValueError(
            f"{function}: the {noun} {times(window)} exceeds the image {times(size)} "
            f"with padding {times(padding)}"
        )
    rows, columns = ((padded[i] - window[i]) // stride[i] + 1 for i in (0, 1))
    return rows, columns


def image_shape(function: str, in_shape: Shape) -> tuple[int, int, int]:
    """The shape of one image as (C, H, W); TypeError or ValueError for any other."""
    in_shape = check_shape(function, in_shape)
    if len(in_shape) != 3 or min(in_shape) < 1:
        raise ValueError(f"{function}: expects images (C, H, W), got {in_shape}")
    channels, height, width = in_shape
    return channels, height, width


def times(sizes: Sequence[int]) -> str:
    """Sizes as one says them: 3x3, 8x28x28."""
    return "x".join(map(str, sizes))
