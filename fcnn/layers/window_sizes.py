"""The pixels that a sliding window leaves."""

from collections.abc import Sequence
from functools import lru_cache

from fcnn.arguments.arrays import check_shape
from fcnn.arguments.settings import pair
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


def pool_sizes(
    function: str, window: int | Pair, stride: int | Pair | None, padding: int | Pair
) -> tuple[Pair, Pair, Pair]:
    """Window, stride and padding of a pool as pairs; the stride defaults to the window.

    Raises ValueError if the padding exceeds half of the window, rounded down.
    """
    window = pair(function, "window", window, 1)
    stride = window if stride is None else pair(function, "stride", stride, 1)
    padding = pair(function, "padding", padding, 0)
    if padding[0] > window[0] // 2 or padding[1] > window[1] // 2:
        raise ValueError(
            f"{function}: padding {padding} exceeds half of the window {window}, rounded down"
        )
    return window, stride, padding


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
