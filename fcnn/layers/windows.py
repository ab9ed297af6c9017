"""What both poolings share: windows that slide along one axis at a time.

The greatest pixel of a window is the greatest of its rows' greatest, and the mean of a window
that of its rows' means. So pools work along the rows and along the columns, one after the other.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final, NamedTuple

import numpy as np

from fcnn.arguments.settings import pair
from fcnn.layers.layer import Cache, Layer, layer_without_parameters
from fcnn.layers.window_sizes import image_shape, output_size
from fcnn.numerics.arrays import Array, Index, Pair, Shape

_ROWS: Final = 0  # the axes of memory order, (H, C, W, N)
_COLUMNS: Final = 2


class PoolSettings(NamedTuple):
    """How the windows of a pool slide over an image, each vertically and horizontally."""

    window: Pair
    stride: Pair
    padding: Pair


class Windows(NamedTuple):
    """The windows along one axis."""

    axis: int
    stride: int
    padding: int
    pixels: int  # along the axis, without the padding
    number: int  # of windows
    members: tuple[Index, ...]  # where the first pixels of all windows lie, the second, ...

    @property
    def size(self) -> int:
        """How many pixels there are along the axis, with the padding."""
        return self.pixels + 2 * self.padding

    @property
    def overlap(self) -> bool:
        """Whether windows share pixels."""
        return len(self.members) > self.stride

    def at(self, begin: int, end: int) -> Index:
        """A range along the axis."""
        return (*(slice(None),) * self.axis, slice(begin, end))

    def kth_pixels(self, x: Array, k: int) -> Array:
        """The k-th pixels of all windows, to be looked at several times. Those of columns lie in
        runs of N numbers, where a loop that starts anew for each run is slow: they are copied.
        """
        if self.axis == _ROWS:
            return x[self.members[k]]
        return x.take(np.arange(self.number) * self.stride + k, self.axis)

    def padded(self, x: Array, value: float) -> Array:
        """An array with the padding along the axis; the array itself if there is none."""
        if not self.padding:
            return x
        widths = [(0, 0)] * x.ndim
        widths[self.axis] = (self.padding, self.padding)
        return np.pad(x, widths, constant_values=value)

    def cropped(self, x: Array) -> Array:
        """An array without the padding along the axis."""
        return x[self.at(self.padding, self.padding + self.pixels)] if self.padding else x

    def spread(self, dy: Array) -> Array:
        """An array to put the gradients of all pixels into, zeros where no window may be."""
        shape = (*dy.shape[: self.axis], self.size, *dy.shape[self.axis + 1 :])
        tiled = self.stride == len(self.members) and self.number * self.stride == self.size
        return np.empty(shape, dy.dtype) if tiled else np.zeros(shape, dy.dtype)


def pool(
    make: Callable[..., Layer],
    given: tuple[int | Pair, int | Pair | None, int | Pair],
    forward: Callable[[Array, PoolSettings], tuple[Array, Cache]],
    backward: Callable[[Any, Array], Array],
    apply: Callable[[Array, PoolSettings], Array] | None = None,
) -> Layer:
    """The layer that `make` makes when given a window, a stride or None, and a padding: a pool,
    (C, H, W) -> (C, OH, OW). The padding may not exceed half of the window.
    """
    name = make.__name__
    window = pair(name, "window", given[0], 1)
    stride = window if given[1] is None else pair(name, "stride", given[1], 1)
    padding = pair(name, "padding", given[2], 0)
    if padding[0] > window[0] // 2 or padding[1] > window[1] // 2:
        raise ValueError(
            f"{name}: padding {padding} exceeds half of the window {window}, rounded down"
        )
    settings = PoolSettings(window, stride, padding)

    def out_shape(in_shape: Shape) -> Shape:
        channels, height, width = image_shape(name, in_shape)
        return (channels, *output_size(name, (height, width), *settings))

    return layer_without_parameters(
        name,
        forward=lambda x: forward(x, settings),
        backward=backward,
        out_shape=out_shape,
        apply=None if apply is None else lambda x: apply(x, settings),
        settings=settings._asdict(),
        make=make,
    )


@lru_cache(maxsize=256)
def windows_of(function: str, size: Pair, settings: PoolSettings) -> tuple[Windows, Windows]:
    """The windows along the rows and along the columns of an image of some size (H, W)."""
    number = output_size(function, size, *settings)

    def along(axis: int, i: int) -> Windows:
        stride = settings.stride[i]
        reach = (number[i] - 1) * stride + 1
        every = (slice(None),) * axis
        members = tuple((*every, slice(k, k + reach, stride)) for k in range(settings.window[i]))
        return Windows(axis, stride, settings.padding[i], size[i], number[i], members)

    return along(_ROWS, 0), along(_COLUMNS, 1)
