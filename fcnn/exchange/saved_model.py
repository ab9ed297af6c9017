"""A model as a file holds it: the network, its parameters, and what they are for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import attrs
import numpy as np

from fcnn import tree
from fcnn.arguments.arrays import check_array, check_sizes
from fcnn.arguments.settings import check_kind
from fcnn.arguments.wording import shown
from fcnn.data.dataset import class_names
from fcnn.layers.layer import Layer, call_init
from fcnn.numerics.arrays import Shape
from fcnn.tree import Tree
from fcnn.tree.description import form

PREPARATIONS: Final = ("mnist", None)
_WIDE: Final = np.dtype(np.float64)  # which parameters may have in the place of float32


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
    labels: Sequence[str] | None,
    preparation: str | None,
) -> SavedModel:
    """What a function that writes a model is given; TypeError or ValueError for other things, and
    for what does not fit together.
    """
    saved = described(function, model, params, in_shape, labels, preparation)
    _check_fitting(function, saved)
    return saved


def described(
    function: str,
    model: Layer,
    params: Tree,
    in_shape: Any,
    labels: Sequence[str] | None,
    preparation: str | None,
) -> SavedModel:
    """A model, each part of which is of its kind; TypeError or ValueError if one is not."""
    check_kind(function, "model", model, Layer)
    if preparation not in PREPARATIONS:
        raise ValueError(f"{function}: preparation is {shown(preparation)}, expected mnist or None")
    try:
        names = None if labels is None else class_names(labels)
    except (TypeError, ValueError) as error:
        raise type(error)(f"{function}: {error}") from error
    in_shape = check_sizes(function, in_shape, least_axes=1)
    return SavedModel(model, params, in_shape, names, preparation)


def _check_fitting(function: str, saved: SavedModel) -> None:
    """ValueError unless the parameters are those of the model, and it has outputs for all labels;
    TypeError for parameters that are not in float32 or float64.
    """
    like, out_shape = call_init(saved.model, np.random.default_rng(0), saved.in_shape)
    leaves, structure = tree.flatten(saved.params)
    expected, structure_of_model = tree.flatten(like)
    if structure != structure_of_model:
        difference = structure.difference(structure_of_model)
        raise ValueError(f"{function}: params are not those of the model: {difference}")
    for path, found, known in zip(structure.paths(), leaves, expected, strict=True):
        check_array(function, f"the parameter at {path or 'the root'}", found)
        if (found.shape, found.dtype) not in ((known.shape, known.dtype), (known.shape, _WIDE)):
            raise ValueError(
                f"{function}: params are not those of the model: {path or 'the root'}: "
                f"{form(found)} against {form(known)}"
            )
    check_names(function, saved.labels, out_shape)


def dtype_of(params: Tree) -> np.dtype[Any]:
    """That of parameters that are all of one; float32, if there are none."""
    return next((leaf.dtype for leaf in tree.leaves(params)), np.dtype(np.float32))


def check_names(function: str, labels: Sequence[str] | None, out_shape: Shape) -> None:
    """ValueError if there are more names of classes than outputs of a model, or none."""
    if labels is not None and not (len(out_shape) == 1 and 1 <= len(labels) <= out_shape[0]):
        raise ValueError(
            f"{function}: there are {len(labels)} labels, but the model gives outputs {out_shape}"
        )
