"""Operations, layers and losses by their names.

They are looked up in their modules at each call, so that what is tested is what is there
now, whoever has replaced it.
"""

from collections.abc import Mapping
from typing import Any, Final

from fcnn import (
    activations,
    average_pooling,
    branching,
    composition,
    convolution,
    fully_connected,
    losses,
    pooling,
    reshaping,
    smooth_activations,
)
from fcnn.layer import Layer
from fcnn.losses import Loss

_MODULES: Final[Mapping[str, Any]] = {
    "avg_pool2d": average_pooling,
    "chain": composition,
    "conv2d": convolution,
    "cross_entropy": losses,
    "dense": fully_connected,
    "flatten": reshaping,
    "gelu": smooth_activations,
    "global_avg_pool": average_pooling,
    "leaky_relu": activations,
    "max_pool2d": pooling,
    "parallel": branching,
    "relu": activations,
    "residual": branching,
    "sigmoid": smooth_activations,
    "softmax": activations,
    "softmax_cross_entropy": losses,
    "tanh": smooth_activations,
}
# Those made of layers, and the settings that they have besides.
COMBINATORS: Final[Mapping[str, tuple[str, ...]]] = {
    "chain": (),
    "parallel": ("merge",),
    "residual": (),
}
_PARAMETERS: Final = {"conv2d": "Conv2dParams", "dense": "DenseParams"}


def functions(operation: str) -> tuple[Any, Any]:
    """The forward and the backward function of an operation or a loss."""
    module = _MODULES[operation]
    return getattr(module, f"{operation}_forward"), getattr(module, f"{operation}_backward")


def parameters_class(operation: str) -> Any:
    """The class of an operation's parameters; None if it has none."""
    name = _PARAMETERS.get(operation)
    return None if name is None else getattr(_MODULES[operation], name)


def layer(operation: str, settings: Mapping[str, Any]) -> Layer:
    """The layer of an operation; that of a combinator has the setting `layers`, pairs like
    these two arguments.
    """
    found = getattr(_MODULES[operation], operation)
    if operation in COMBINATORS:
        own = {name: settings[name] for name in COMBINATORS[operation] if name in settings}
        combined: Layer = found(*(layer(*inner) for inner in settings["layers"]), **own)
        return combined
    made: Layer = found if isinstance(found, Layer) else found(**settings)
    return made


def loss(name: str) -> Loss:
    """The loss of that name."""
    found: Loss = getattr(_MODULES[name], name)
    return found
