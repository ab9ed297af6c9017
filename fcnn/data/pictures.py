"""Pictures in files, as Pillow reads them: PNG, JPEG and many more.

Pillow is an optional extra: it is imported when the first picture is read.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final, TypeGuard

import numpy as np

from fcnn.data.dataset import naming
from fcnn.files.reading import home_expanded, regular_file
from fcnn.numerics.arrays import Array

if TYPE_CHECKING:
    from PIL.Image import Image

MODES: Final = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}  # of Pillow, by the channels


def pillow() -> ModuleType:
    """Pillow's module of images; ImportError that says what to install."""
    try:
        from PIL import Image
    except ImportError as error:
        raise ImportError(
            f"pictures need Pillow, which cannot be imported ({error}): "
            "pip install pillow, or the extra [pictures] of fcnn"
        ) from error
    return Image


def open_picture(path: str | os.PathLike[str]) -> Image:
    """The picture in a file, upright, in 8 bits and one of `MODES`; DataError if it is none."""
    with _opened(path) as image:
        from PIL import ImageOps

        return eight_bits(ImageOps.exif_transpose(image))


def is_grey(path: str | os.PathLike[str]) -> bool:
    """Whether the picture in a file has no colours, for the price of its first bytes."""
    with _opened(path) as image:
        return _grey(image)


@contextmanager
def _opened(path: str | os.PathLike[str]) -> Iterator[Image]:
    """A picture of which nothing is decoded yet; what goes wrong is a DataError with its path."""
    Image = pillow()
    file = home_expanded(path)
    with naming(file), regular_file(file) as stream, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of odd metadata
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        with Image.open(stream) as image:
            yield image


def eight_bits(image: Image) -> Image:
    """The picture in 8 bits: grey or RGB, with alpha if anything of it may be transparent."""
    Image = pillow()
    if image.mode.startswith("I"):  # 16 bits, which `convert` would cut off at 255
        values = np.asarray(image)
        return Image.fromarray((values.clip(0, 65535) >> 8).astype(np.uint8))  # type: ignore[no-any-return]
    if image.mode == "F":
        raise ValueError("its pixels are floats without a scale")
    return image.convert(MODES[(1 if _grey(image) else 3) + image.has_transparency_data])


def _grey(image: Image) -> bool:
    return image.mode[:1] in ("1", "L", "I") and image.mode != "LAB"


def is_picture(value: Any) -> TypeGuard[Image]:
    """Whether it is an image of Pillow, which then has been imported."""
    return type(value).__module__.partition(".")[0] == "PIL"


def pixels_of(image: Image) -> Array:
    """The pixels of a picture, uint8 (H, W, C)."""
    pixels = np.asarray(eight_bits(image))
    return pixels if pixels.ndim == 3 else pixels[..., None]


def fitted(image: Image, channels: int, size: tuple[int, int] | None) -> Array:
    """The pixels of a picture, uint8 (C, H, W), with so many channels and, if asked for, resized.

    Without a channel for alpha, what is transparent is shown on white.
    """
    if image.mode.endswith("A") and channels in (1, 3):
        white = pillow().new("RGBA", image.size, "white")
        white.alpha_composite(image.convert("RGBA"))
        image = white
    image = image.convert(MODES[channels])
    if size is not None and image.size != size[::-1]:
        image = image.resize(size[::-1], pillow().Resampling.BILINEAR)  # anti-aliased
    return np.moveaxis(pixels_of(image), 2, 0)  # (H, W, C) -> (C, H, W)
