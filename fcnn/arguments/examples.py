"""The checks of what is trained on and evaluated: examples and their labels.

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
    if len(x) == 0:
        raise ValueError(f"{function}: the batch is empty, N=0")


def check_batch(function: str, name: str, array: Array) -> None:
    """An array whose first axis is that of the examples."""
    check_array(function, name, array, "a batch as a NumPy array")
    if array.ndim == 0:
        raise ValueError(f"{function}: {name} has no axes, expected a batch (N, ...)")


def check_inputs(function: str, x: Array) -> None:
    """At least one input."""
    check_batch(function, "x", x)
    if len(x) == 0:
        raise ValueError(f"{function}: x is empty, N=0, expected at least one example")


def check_data(function: str, x: Array, labels: Array) -> None:
    """Finite inputs of the same number as labels, which are class indices from 0."""
    check_examples(function, x, labels)
    check_labels(function, labels, len(x))
    check_finite(function, "x", x)


def check_finite(function: str, name: str, array: Array) -> None:
    """No NaN and no infinity; ValueError that says where the first one is."""
    if array.dtype.kind not in "fc" or array.size == 0:
        return
    with np.errstate(invalid="ignore"):
        # Both are NaN if one number is, and neither makes a copy as large as the array.
        extremes = np.array([array.min(), array.max()])
    if np.isfinite(extremes).all():
        return
    wrong = ~np.isfinite(array)
    first = tuple(int(i) for i in np.argwhere(wrong)[0])
    count = int(wrong.sum())
    numbers = "1 value that is" if count == 1 else f"{count:,} values that are"
    raise ValueError(
        f"{function}: {name} has {numbers} not finite, the first, {array[first]}, at {list(first)}"
    )


def two_arrays(function: str, name: str, value: Any) -> tuple[Array, Array]:
    """A pair of inputs and labels; TypeError for anything else."""
    if not isinstance(value, tuple | list) or len(value) != 2:
        kind = kind_of(value, with_length=True)
        raise TypeError(f"{function}: {name} is {kind}, expected a pair (x, labels)")
    return value[0], value[1]
