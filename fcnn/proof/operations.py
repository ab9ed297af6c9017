"""Operations, layers, losses and optimizers by their names.

They are looked up in their modules at each call, so that what is tested is what is there
now, whoever has replaced it.
"""

from collections.abc import Mapping
from typing import Any, Final

from fcnn.layers import avg_pool2d as average_pooling
from fcnn.layers import batch_norm as normalization
from fcnn.layers import conv2d as convolution
from fcnn.layers import dense as fully_connected
from fcnn.layers import dropout as regularization
from fcnn.layers import flatten as reshaping
from fcnn.layers import gelu, softmax
from fcnn.layers import max_pool2d as pooling
from fcnn.layers import relu as activations
from fcnn.layers import sigmoid as smooth_activations
from fcnn.layers.layer import Layer
from fcnn.losses import cross_entropy as losses
from fcnn.losses import smoothed_cross_entropy as weighted_losses
from fcnn.losses.loss import Loss
from fcnn.networks import chain as composition
from fcnn.networks import parallel as branching
from fcnn.networks import residual as residual_
from fcnn.optimizers import adam as adaptive_moments
from fcnn.optimizers import sgd as optimizers
from fcnn.optimizers.optimizer import Optimizer

_MODULES: Final[Mapping[str, Any]] = {
    "adam": adaptive_moments,
    "adamw": adaptive_moments,
    "avg_pool2d": average_pooling,
    "batch_norm": normalization,
    "chain": composition,
    "conv2d": convolution,
    "cross_entropy": losses,
    "dense": fully_connected,
    "dropout": regularization,
    "flatten": reshaping,
    "gelu": gelu,
    "global_avg_pool": average_pooling,
    "leaky_relu": activations,
    "max_pool2d": pooling,
    "parallel": branching,
    "relu": activations,
    "residual": residual_,
    "sgd": optimizers,
    "sigmoid": smooth_activations,
    "smoothed_cross_entropy": weighted_losses,
    "softmax": softmax,
    "softmax_cross_entropy": losses,
    "tanh": smooth_activations,
}
# Those made of layers, and the settings that they have besides.
COMBINATORS: Final[Mapping[str, tuple[str, ...]]] = {
    "chain": (),
    "parallel": ("merge",),
    "residual": (),
}
# Those whose forward function draws numbers of its own, from a generator that follows x. No
# other library draws the same ones, so there are no values to compare with.
DRAWN: Final = ("dropout",)
OPTIMIZERS: Final = ("sgd", "adam", "adamw")
_PARAMETERS: Final = {
    "batch_norm": "BatchNormParams",
    "conv2d": "Conv2dParams",
    "dense": "DenseParams",
}


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


def loss(name: str, settings: Mapping[str, Any] | None = None) -> Loss:
    """The loss of that name."""
    found = getattr(_MODULES[name], name)
    made: Loss = found if isinstance(found, Loss) else found(**(settings or {}))
    return made


def optimizer(name: str, *arguments: Any, **settings: Any) -> Optimizer:
    """The optimizer of that name."""
    made: Optimizer = getattr(_MODULES[name], name)(*arguments, **settings)
    return made
