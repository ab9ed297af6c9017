"""Mean squared error: for outputs that should be numbers, such as the images of an autoencoder."""

from typing import NamedTuple

import numpy as np

from fcnn.arguments.arrays import check_cache, check_floats, check_like
from fcnn.losses.loss import Loss
from fcnn.numerics.arrays import Array


class MeanSquaredErrorCache(NamedTuple):
    """Outputs less targets, (N, ...)."""

    difference: Array


def mean_squared_error_forward(
    outputs: Array, targets: Array
) -> tuple[float, MeanSquaredErrorCache]:
    """The mean of (output - target)^2 over all elements of the batch, taken in float64.

    Parameters
    ----------
    outputs, targets
        (N, ...), of one shape, both float32 or both float64.

    Raises TypeError for other dtypes, ValueError for shapes that differ or an empty batch.

    Examples
    --------
    >>> import numpy as np
    >>> mean_squared_error_forward(np.array([[1.0, 2.0]]), np.array([[1.0, 5.0]]))[0]
    4.5
    """
    difference = _difference(outputs, targets)
    return float(np.square(difference, dtype=np.float64).mean()), MeanSquaredErrorCache(difference)


def mean_squared_error_backward(cache: MeanSquaredErrorCache) -> Array:
    """The gradient for the outputs: 2 (output - target) / the number of elements."""
    check_cache("mean_squared_error", cache, MeanSquaredErrorCache)
    doutputs: Array = cache.difference * (2 / cache.difference.size)
    return doutputs


def _each(outputs: Array, targets: Array) -> Array:
    """The mean over the elements of each example."""
    squares = np.square(_difference(outputs, targets), dtype=np.float64)
    means: Array = squares.reshape(len(squares), -1).mean(1)
    return means


def _difference(outputs: Array, targets: Array) -> Array:
    check_floats("mean_squared_error", outputs=outputs, targets=targets)
    if outputs.ndim == 0 or outputs.size == 0:
        raise ValueError(
            f"mean_squared_error: outputs has shape {outputs.shape}, expected (N, ...), not empty"
        )
    check_like("mean_squared_error", "targets", targets, "outputs", outputs.shape, outputs.dtype)
    difference: Array = outputs - targets
    return difference


mean_squared_error = Loss(
    "mean_squared_error",
    mean_squared_error_forward,
    mean_squared_error_backward,
    targets="values",
    each=_each,
)
