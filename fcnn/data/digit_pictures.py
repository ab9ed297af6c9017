"""Pictures of digits, however they were made, as MNIST has them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

import numpy as np

from fcnn.arguments.wording import kind_of
from fcnn.data.dataset import scaled
from fcnn.data.ink import ink_in, stroke_width, widened
from fcnn.data.pictures import is_picture, open_picture, pixels_of
from fcnn.data.resampling import area_averaged, reduced
from fcnn.numerics.arrays import Array

if TYPE_CHECKING:
    from PIL.Image import Image

SIDE: Final = 28  # pixels of an image of MNIST
OF_MNIST: Final = (1, SIDE, SIDE)  # the shape of an image
BOX: Final = 20  # and of the square into which its digit fits
MIDDLE: Final = 14.5  # where the centres of mass are in MNIST: in the middle of pixel 14
LOOKED_AT: Final = 600  # pixels of the longer side in which the ink is looked for
FAINT: Final = 0.15  # ink at the edge of a stroke, which still counts
LEAST_STROKE: Final = 1.7  # pixels of the box: a thinner pen is made as wide
CHANNELS: Final = (1, 2, 3, 4)  # grey, grey and alpha, RGB, RGBA
LUMINANCE: Final = np.array([0.299, 0.587, 0.114])  # of red, green and blue


def as_mnist(image: Array | Image | str | os.PathLike[str]) -> Array:
    """A picture of one digit as MNIST was prepared: (1, 28, 28), light ink on black, in [0, 1].

    The ink is found whatever its colour, size and place, dark on light or light on dark, on
    transparency, in uneven light. It is cropped, scaled to 20 pixels on its longer side with
    anti-aliasing, and laid into 28x28 with its centre of mass in the middle, as the images of
    MNIST were made. Light is taken for a smooth function of the place, ink for what differs
    from it by more than Otsu's threshold; specks are left out. Ink as bright as its paper is
    found by its colour, and a sheet on a table, or within a frame, is looked at alone.

    Parameters
    ----------
    image : array, Pillow image, or path
        An array is (H, W), or has one to four channels as its last axis or as its first: grey,
        grey and alpha, RGB, or RGBA. It is uint8 from 0 to 255 or floats from 0 to 1. A path is
        that of a file that Pillow reads (`pip install pillow`, the extra `pictures`).

    Returns
    -------
    array
        (1, 28, 28) float32.

    Raises
    ------
    ValueError
        If there is no ink, as on a blank page, or the array is no picture.
    TypeError
        If it is something else.
    DataError
        If a file cannot be read.

    References
    ----------
    LeCun, Bottou, Bengio and Haffner, "Gradient-based learning applied to document
    recognition", Proceedings of the IEEE 86, 1998; LeCun, Cortes and Burges, "The MNIST
    database of handwritten digits", http://yann.lecun.com/exdb/mnist/.

    Otsu, "A threshold selection method from gray-level histograms", IEEE Transactions on
    Systems, Man, and Cybernetics 9, 1979.

    Examples
    --------
    >>> import numpy as np
    >>> from fcnn.data import as_mnist
    >>> page = np.full((200, 300), 230, np.uint8)  # a one, on paper
    >>> page[40:160, 100:112] = 30
    >>> digit = as_mnist(page)
    >>> digit.shape, [int(n) for n in digit[0].nonzero()[0][[0, -1]]]  # 20 rows of ink
    ((1, 28, 28), [4, 23])
    """
    pixels = _pixels(image)
    try:
        ink = _ink(pixels)
    except ValueError as error:
        raise ValueError(f"as_mnist: there is no digit in the picture: {error}") from None
    return _centred(_boxed(ink))[None].astype(np.float32)  # (H, W) -> (C, H, W)


def _pixels(image: Array | Image | str | os.PathLike[str]) -> Array:
    """The picture as floats from 0 to 1, (H, W, C)."""
    if isinstance(image, str | os.PathLike):
        image = open_picture(image)
    if is_picture(image):
        image = pixels_of(image)
    if not isinstance(image, np.ndarray):
        raise TypeError(f"as_mnist: image is {kind_of(image)}, expected a picture or its path")
    if image.size == 0:
        raise ValueError(f"as_mnist: image is empty, its shape is {image.shape}")
    first, last = (image.ndim == 3 and image.shape[axis] in CHANNELS for axis in (0, 2))
    if image.ndim == 2:
        image = image[..., None]
    elif first == last:
        expected = "(H, W), (H, W, C) or (C, H, W) with one to four channels C"
        raise ValueError(f"as_mnist: image has the shape {image.shape}, expected {expected}")
    return scaled("as_mnist", np.moveaxis(image, 0, 2) if first else image).astype(np.float64)


def _ink(pixels: Array) -> Array:
    """The ink (H, W) of a picture (H, W, C): by its brightness, or else by its colour."""
    try:
        return ink_in(reduced(_what_shows(pixels, LUMINANCE), LOOKED_AT))
    except ValueError:
        if pixels.shape[2] < 3:
            raise
    return ink_in(reduced(_what_shows(pixels, _most_different(pixels[..., :3])), LOOKED_AT))


def _most_different(colours: Array) -> Array:
    """The mixture of red, green and blue in which colours (H, W, 3) differ most, (3,): the first
    of their principal components.
    """
    values = colours.reshape(-1, 3)
    _, directions = np.linalg.eigh(np.cov(values, rowvar=False, bias=True))
    mixture: Array = directions[:, -1]
    return mixture


def _what_shows(pixels: Array, mixture: Array) -> Array:
    """The luminance (H, W) of a picture (H, W, C), or another mixture of its colours.

    What is transparent lets a ground be seen: around an opaque page, one of its own shade; behind
    mere ink, the opposite of the ink's.
    """
    C = pixels.shape[2]
    grey: Array = pixels[..., 0] if C < 3 else pixels[..., :3] @ mixture
    if C in (1, 3):
        return grey
    alpha = pixels[..., -1]
    if not alpha.any():
        return np.zeros_like(grey)
    if alpha.mean() > 0.5:
        ground = float(np.median(grey[alpha > 0.5]))
    else:
        ground = float(np.average(grey, weights=alpha) < 0.5)
    shown: Array = grey * alpha + ground * (1 - alpha)
    return shown


def _boxed(ink: Array) -> Array:
    """The ink alone, with 20 pixels on its longer side; the strongest is 1."""
    down, across = (np.flatnonzero((ink > FAINT).any(axis)) for axis in (1, 0))
    ink = ink[down[0] : down[-1] + 1, across[0] : across[-1] + 1]
    least = LEAST_STROKE * max(ink.shape) / BOX
    missing = max(0, int(np.ceil((least - stroke_width(ink)) / 2)))
    ink = widened(np.pad(ink, missing), missing)
    height, width = (max(1, round(side * BOX / max(ink.shape))) for side in ink.shape)
    box = area_averaged(ink, height, width)
    boxed: Array = np.clip(box / np.quantile(box[box > 0.1], 0.9), 0, 1)
    return boxed


def _centred(box: Array) -> Array:
    """The box laid into 28x28, with its centre of mass in the middle as far as there is room."""
    places = []
    for axis in (0, 1):
        mass, side = box.sum(1 - axis), box.shape[axis]
        centre = mass @ (np.arange(side) + 0.5) / mass.sum()
        places.append(min(max(round(MIDDLE - centre), 0), SIDE - side))
    (top, left), (height, width) = places, box.shape
    image = np.zeros((SIDE, SIDE))
    image[top : top + height, left : left + width] = box
    return image
