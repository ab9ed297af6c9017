"""The checks of what is trained on and evaluated: examples and their labels, or other targets.

`fit` and `evaluate` look at every number once, which costs less than reading it did. A single
step, `value_and_grad` or `predict`, does not: there NaN goes in and comes out.
"""

from typing import Any

import numpy as np

from fcnn.arguments.arrays import check_array, check_labels
from fcnn.arguments.wording import kind_of
from fcnn.numerics.arrays import Array


def check_examples(function: str, x: Array, labels: Array) -> None:
    """Inputs and labels of the same, positive number of examples."""
    for name, array in (("x", x), ("labels", labels)):
        check_batch(function, name, array)
    if len(x) != len(labels):
        raise ValueError(f"{function}: {len(x)} inputs, but {len(labels)} labels")


def check_batch(function: str, name: str, array: Array) -> None:
    """An array whose first axis is that of the examples, of which there is at least one."""
    check_array(function, name, array, "a batch as a NumPy array")
    if array.ndim == 0:
        raise ValueError(f"{function}: {name} has no axes, expected a batch (N, ...)")
    if len(array) == 0:
        raise ValueError(f"{function}: {name} is empty, N=0, expected at least one example")


def check_data(function: str, x: Array, targets: Array, *, of_classes: bool) -> None:
    """Finite inputs of the same number as targets: class indices from 0, or any finite numbers."""
    check_examples(function, x, targets)
    if of_classes:
        check_labels(function, targets, len(x))
    else:
        _check_finite(function, "targets", targets)
    _check_finite(function, "x", x)


def _check_finite(function: str, name: str, array: Array) -> None:
    if array.dtype.kind not in "fc" or array.size == 0:
        return
    with np.errstate(invalid="ignore"):
        # Both are NaN if one number is, and neither makes a copy as large as the array.
        extremes = np.array([array.min(), array.max()])
    if not np.isfinite(extremes).all():
        places = np.argwhere(~np.isfinite(array))
        first = places[0].tolist()
        numbers = "1 value that is" if len(places) == 1 else f"{len(places):,} values that are"
        raise ValueError(
            f"{function}: {name} has {numbers} not finite, "
            f"the first, {array[tuple(first)]}, at {first}"
        )


def examples(function: str, name: str, value: Any, *, of_classes: bool) -> tuple[Array, Array]:
    """A pair of inputs and targets, as `check_data` has them; TypeError for anything else."""
    if not isinstance(value, tuple | list) or len(value) != 2:
        kind = kind_of(value, with_length=True)
        raise TypeError(f"{function}: {name} is {kind}, expected a pair (x, labels)")
    x, targets = value
    check_data(f"{function}: {name}", x, targets, of_classes=of_classes)
    return x, targets
