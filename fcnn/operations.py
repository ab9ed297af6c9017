"""Operations, layers and losses by their names.

They are looked up in their modules at each call, so that what is tested is what is there
now, whoever has replaced it.
"""

from collections.abc import Mapping
from typing import Any, Final

from fcnn import activations, composition, convolution, fully_connected, losses, pooling, reshaping
from fcnn.layer import Layer
from fcnn.losses import Loss

_MODULES: Final[Mapping[str, Any]] = {
    "chain": composition,
    "conv2d": convolution,
    "cross_entropy": losses,
    "dense": fully_connected,
    "flatten": reshaping,
    "max_pool2d": pooling,
    "relu": activations,
    "softmax": activations,
    "softmax_cross_entropy": losses,
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
    """The layer of an operation; that of a chain has the setting `layers`, pairs like these
    two arguments.
    """
    found = getattr(_MODULES[operation], operation)
    if operation == "chain":
        chained: Layer = found(*(layer(name, own) for name, own in settings["layers"]))
        return chained
    made: Layer = found if isinstance(found, Layer) else found(**settings)
    return made


def loss(name: str) -> Loss:
    """The loss of that name."""
    found: Loss = getattr(_MODULES[name], name)
    return found
