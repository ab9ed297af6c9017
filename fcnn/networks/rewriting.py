"""Rewrites of a network that compute the same bits in less time.

They happen inside `value_and_grad` and `predict`. The parameters stay where they are, so
nothing of it shows in a tree, nor in an error.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import TypeVar

import attrs

from fcnn.layers.layer import Layer
from fcnn.layers.max_pool2d import max_pool2d
from fcnn.layers.relu import relu
from fcnn.networks.chain import chain

Result = TypeVar("Result")


def by_faster(
    model: Layer,
    run: Callable[[Layer], Result],
    again: Callable[[Layer], Result] | None = None,
) -> Result:
    """What `run` makes of a model, by way of the one that is `faster`.

    What cannot be run is run again, by `again` if it is given, with the model as it is written,
    whose error names layers and their places as the caller knows them.
    """
    try:
        return run(faster(model))
    except (TypeError, ValueError) as error:
        failure = error
    (again or run)(model)
    raise failure


@lru_cache(maxsize=64)
def faster(model: Layer) -> Layer:
    """The same function and gradients, rewritten for speed.

    Max-pooling goes before relu: max(relu(x)) = relu(max(x)), and the first maximum of a
    window is the same, or relu stops the gradient in both. Relu then has fewer pixels to
    look at. Both have no parameters, so the tree of the chain stays as it is. The chains
    inside of other combinators are rewritten too. A layer that does not say how it is made
    of its children stays as it is.
    """
    if model.make is None or not model.children:
        return model
    layers = [faster(layer) for layer in model.children]
    if model.make is chain:
        for i in range(len(layers) - 1):
            if layers[i] is relu and layers[i + 1].make is max_pool2d:
                layers[i], layers[i + 1] = layers[i + 1], layers[i]
    return attrs.evolve(model.make(*layers, **model.settings), frozen=model.frozen)
