"""Examples with weights of their own: what each adds to a loss is multiplied by its weight."""

from typing import Any

import attrs
import numpy as np

from fcnn.arguments.arrays import check_floats
from fcnn.losses.loss import Loss, LossOfEach, call_loss, call_loss_backward, call_weight
from fcnn.numerics.arrays import Array


def weighted(loss: Loss, weights: Array) -> Loss:
    """A loss of a batch of N examples with these weights, float64, (N,).

    It is the sum over i of weights[i] l[i], where l[i] is what example i adds, divided by what the
    labels weigh, as the loss itself is: for a mean over examples by N, and not by the sum of the
    weights. An example of weight 0 adds nothing, even if its own loss is infinite.

    Examples
    --------
    >>> import fcnn
    >>> outputs, targets = np.array([[0.0], [3.0]]), np.array([[1.0], [1.0]])
    >>> fcnn.mean_squared_error.forward(outputs, targets)[0]  # (1 + 4) / 2
    2.5
    >>> weighted(fcnn.mean_squared_error, np.array([5.0, 0.5])).forward(outputs, targets)[0]
    3.5
    """
    of_each = loss.each
    if of_each is None:
        raise ValueError(f"{loss.name}: has no `each`, and so examples cannot have weights")

    def each(outputs: Array, labels: Array) -> Array:
        losses = _call_each(loss.name, of_each, outputs, labels)
        return np.multiply(weights, losses, out=np.zeros_like(weights), where=weights > 0)

    def forward(outputs: Array, labels: Array) -> tuple[float, Any]:
        _, cache = call_loss(loss, outputs, labels)
        total = call_weight(loss, labels) or 1.0
        return float(each(outputs, labels).sum()) / total, (cache, outputs)

    def backward(caches: Any) -> Array:
        doutputs = call_loss_backward(loss, *caches)
        rows = weights.reshape(-1, *[1] * (doutputs.ndim - 1))  # (N,) -> (N, 1, ...)
        return (doutputs * rows).astype(doutputs.dtype, copy=False)

    return attrs.evolve(loss, forward=forward, backward=backward, each=each)


def _call_each(name: str, of_each: LossOfEach, outputs: Array, labels: Array) -> Array:
    """`each` of a loss; TypeError or ValueError unless it gives a number for each example."""
    losses = of_each(outputs, labels)
    check_floats(name, **{"what each returns": losses})
    N = len(outputs)
    if losses.shape != (N,):
        raise ValueError(
            f"{name}: what each returns has shape {losses.shape}, expected ({N},) as (N,)"
        )
    return losses
