"""Augmentation: pure functions `(rng, images) -> images` that change training images at random.

Images are (N, C, H, W), float32 or float64, in any memory order. Each image is drawn by itself;
the same generator in the same state gives the same images. The result has the shape and dtype
of the images, which are not written to, and lies batch innermost in memory.

Each function here is made from its settings, which are checked at once; images that are no
floats or have other axes raise TypeError or ValueError when it is called. `compose` puts some
together, and anything else of this form may be among them::

    augment = compose(affine(rotation=12, scale=0.1, shift=2.5), random_erasing(0.5))
    images = augment(np.random.default_rng(0), images)

affine turns, scales, slants and shifts in one warp, and rotation, scale, shear and shift are
names for its parts. elastic bends; random_erasing covers; noise adds noise.
"""

from fcnn.augmentation.composing import Augmentation as Augmentation
from fcnn.augmentation.composing import compose as compose
from fcnn.augmentation.elastic_distortion import elastic as elastic
from fcnn.augmentation.erasing import random_erasing as random_erasing
from fcnn.augmentation.gaussian_noise import noise as noise
from fcnn.augmentation.random_affine import affine as affine
from fcnn.augmentation.random_affine import rotation as rotation
from fcnn.augmentation.random_affine import scale as scale
from fcnn.augmentation.random_affine import shear as shear
from fcnn.augmentation.random_affine import shift as shift
from fcnn.augmentation.warping import affine_warp as affine_warp

# Public is what is imported above, not the modules that it comes from.
__all__ = [
    name for name, value in globals().items() if name[0] != "_" and not hasattr(value, "__spec__")
]


def __dir__() -> list[str]:
    return __all__
