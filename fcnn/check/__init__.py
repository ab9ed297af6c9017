"""The gradient checker: is this backward function the derivative of that forward function?

`layer` checks the gradients of a layer by its parameters and by x, `loss` those of a loss, and
`function` those of any pair of functions. Each raises `GradientMismatch` for a gradient that is
wrong, and gives a `Report` of the errors of those that are right.
"""

from fcnn.check.differences import KinkError as KinkError
from fcnn.check.gradient_check import Arguments as Arguments
from fcnn.check.gradient_check import GradientMismatch as GradientMismatch
from fcnn.check.gradient_check import LossArguments as LossArguments
from fcnn.check.gradient_check import Report as Report
from fcnn.check.gradient_check import function as function
from fcnn.check.gradient_check import layer as layer
from fcnn.check.gradient_check import loss as loss

# Public is what is imported above, not the modules that it comes from.
__all__ = [
    name for name, value in globals().items() if name[0] != "_" and not hasattr(value, "__spec__")
]


def __dir__() -> list[str]:
    return __all__
