"""What a trained network says of pictures in files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import attrs
import numpy as np

from fcnn.data import DataError, as_mnist
from fcnn.data.dataset import naming, scaled
from fcnn.data.digit_pictures import OF_MNIST
from fcnn.data.npz import channels_first
from fcnn.data.pictures import MODES, fitted, open_picture
from fcnn.files.npz import read_array
from fcnn.files.reading import home_expanded, regular_file
from fcnn.numerics.arrays import Array, Shape
from fcnn.runs.trained import Trained

LIKELIEST: Final = 3  # classes that are told


@attrs.frozen(eq=False)
class Prediction:
    """What a network says of a file: the image (C, H, W) that the network saw, and the likeliest
    classes by name with their probabilities, the first of all first; or what is wrong with it.
    """

    file: str
    image: Array | None = None
    probabilities: dict[str, float] = attrs.Factory(dict)
    error: str | None = None

    def plain(self) -> dict[str, Any]:
        """The prediction as JSON has it."""
        if self.error is not None:
            return {"file": self.file, "error": self.error}
        label = next(iter(self.probabilities))
        return {"file": self.file, "label": label, "probabilities": self.probabilities}


def predictions(
    trained: Trained, files: Sequence[str], *, preparation: str | None, threads: int | None = None
) -> list[Prediction]:
    """What a network says of each file, whatever keeps the others from being read.

    With the preparation "mnist" pictures go through `fcnn.data.as_mnist`. Without any they are
    resized and get the channels of the model, and arrays in `.npy` files must have its shape.
    """
    shape = trained.saved.in_shape
    if preparation == "mnist" and shape != OF_MNIST:
        raise ValueError(f"images of MNIST are {OF_MNIST}, the model was trained on {shape}")
    found = [_seen(file, shape, preparation) for file in files]
    images = [each.image for each in found if each.image is not None]
    if not images:
        return found
    names = trained.class_names
    answers = iter(trained.probabilities(np.stack(images), threads))
    return [
        each
        if each.image is None
        else attrs.evolve(each, probabilities=_likeliest(next(answers), names))
        for each in found
    ]


def _likeliest(probabilities: Array, names: Sequence[str]) -> dict[str, float]:
    order = np.argsort(-probabilities[: len(names)], kind="stable")[:LIKELIEST]
    return {names[k]: float(probabilities[k]) for k in order}


def _seen(file: str, shape: Shape, preparation: str | None) -> Prediction:
    try:
        return Prediction(file, _image(home_expanded(file), shape, preparation))
    except DataError as error:
        return Prediction(file, error=str(error))
    except ValueError as error:
        return Prediction(file, error=f"{file}: {error}")


def _image(file: Path, shape: Shape, preparation: str | None) -> Array:
    """A file as an image (C, H, W) of that shape, float32."""
    if file.suffix.lower() == ".npy":
        with naming(file), regular_file(file) as stream:
            array = read_array(stream)
        return as_mnist(array) if preparation == "mnist" else _of_shape(array, shape)
    picture = open_picture(file)
    if preparation == "mnist":
        return as_mnist(picture)
    if len(shape) != 3 or shape[0] not in MODES:
        raise ValueError(f"the model was trained on {shape}, which no picture is: give an array")
    channels, height, width = shape
    return scaled(str(file), fitted(picture, channels, (height, width)))


def _of_shape(array: Array, shape: Shape) -> Array:
    """An array (C, H, W), (H, W, C) or, of one channel, (H, W) as an image of that shape."""
    image = array
    if image.shape != shape and image.ndim == 2:
        image = image[None]  # (H, W) -> (C, H, W)
    elif image.shape != shape and image.ndim == 3:
        image = channels_first(image[None])[0]
    if image.shape != shape:
        raise ValueError(
            f"its shape is {array.shape}, the model was trained on {shape} as (C, H, W)"
        )
    return scaled("predict", image)
