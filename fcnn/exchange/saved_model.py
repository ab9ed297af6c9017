"""A model as a file holds it: the network, its parameters, and what they are for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import attrs

from fcnn.arguments.arrays import check_shape
from fcnn.arguments.settings import check_kind
from fcnn.arguments.wording import shown
from fcnn.data.dataset import class_names
from fcnn.layers.layer import Layer
from fcnn.numerics.arrays import Shape
from fcnn.tree import Tree

PREPARATIONS: Final = ("mnist", None)


@attrs.frozen(eq=False)
class SavedModel:
    """A model that was read from a file, or is to be written to one.

    Attributes
    ----------
    model, params
        The network and its parameters.
    in_shape
        The shape of an example, such as (C, H, W).
    labels
        What the classes are called, one name for each; None, if they have none but their numbers.
    preparation
        What is done to pictures before the network sees them: "mnist", see `fcnn.data.as_mnist`,
        or None.
    """

    model: Layer
    params: Tree
    in_shape: Shape
    labels: tuple[str, ...] | None = None
    preparation: str | None = None


def checked(
    function: str,
    model: Layer,
    params: Tree,
    in_shape: Any,
    labels: Sequence[str] | None = None,
    preparation: str | None = None,
) -> SavedModel:
    """What a function that writes a model is given; TypeError or ValueError for other things."""
    check_kind(function, "model", model, Layer)
    if preparation not in PREPARATIONS:
        raise ValueError(f"{function}: preparation is {shown(preparation)}, expected mnist or None")
    names = None if labels is None else class_names(labels)
    return SavedModel(model, params, check_shape(function, in_shape), names, preparation)
