"""The record that every loss is, and what losses of class labels have in common."""

from collections.abc import Callable
from typing import Any, Final, TypeAlias

import attrs
import numpy as np

from fcnn.arguments.arrays import check_labels, check_like, shapes
from fcnn.arguments.settings import check_function, check_kind, not_negative, number
from fcnn.arguments.wording import kind_of, unknown
from fcnn.numerics.arrays import Array

_TARGETS: Final = ("classes", "values")

LossOfEach: TypeAlias = Callable[[Array, Array], Array]


@attrs.frozen(eq=False)
class Loss:
    """A loss as a record of pure functions.

    Attributes
    ----------
    name
        What errors and tables call it.
    forward
        `forward(outputs, labels) -> (loss, cache)`, the loss a Python float.
    backward
        `backward(cache) -> doutputs`.
    weight
        `weight(labels)`: what these examples weigh when the losses of the shards of a
        batch are averaged. For a mean over examples, their number. Of examples that weigh 0,
        forward gives the sum of what they add all the same, since it cannot divide.
    written
        What one would write to make it, which is how it prints; without it, its name.
    targets
        What stands in the place of labels: "classes", integer class indices (N,), of which `fit`
        and `evaluate` also count how many are told right; or "values", any arrays (N, ...) that
        forward takes, for which there is no accuracy.
    each
        `each(outputs, labels) -> (N,)`, what each example adds: forward gives their sum divided by
        `weight(labels)`. What examples that have weights of their own need, see `fit`; None if the
        loss is no such sum.
    """

    name: str
    forward: Callable[[Array, Array], tuple[float, Any]]
    backward: Callable[[Any], Array]
    weight: Callable[[Array], float] = len
    written: str = ""
    targets: str = "classes"
    each: LossOfEach | None = None

    def __attrs_post_init__(self) -> None:
        check_kind("Loss", "name", self.name, str)
        for name in ("forward", "backward", "weight"):
            check_function("Loss", name, getattr(self, name))
        if self.each is not None:
            check_function("Loss", "each", self.each)
        check_kind("Loss", "written", self.written, str)
        check_kind("Loss", "targets", self.targets, str)
        if self.targets not in _TARGETS:
            raise ValueError(f"Loss: {unknown('targets', self.targets, _TARGETS)}")

    @property
    def of_classes(self) -> bool:
        """Whether its targets are class indices."""
        return self.targets == "classes"

    def __repr__(self) -> str:
        return self.written or self.name


def call_loss(loss: Loss, outputs: Array, labels: Array) -> tuple[float, Any]:
    """`loss.forward`; TypeError unless it returns a pair of a number and a cache."""
    result = loss.forward(outputs, labels)
    if not isinstance(result, tuple) or len(result) != 2:
        kind = kind_of(result, with_length=True)
        raise TypeError(f"{loss.name}: forward must return the tuple (loss, cache), not {kind}")
    return number(loss.name, "the loss", result[0]), result[1]


def call_loss_backward(loss: Loss, cache: Any, outputs: Array) -> Array:
    """`loss.backward`; TypeError or ValueError unless its result is like the outputs."""
    doutputs = loss.backward(cache)
    shape, dtype = outputs.shape, outputs.dtype
    check_like(loss.name, "the gradient", doutputs, "the outputs", shape, dtype)
    return doutputs


def call_weight(loss: Loss, labels: Array) -> float:
    """`loss.weight`; TypeError or ValueError unless it is a finite number of at least 0."""
    return not_negative(loss.name, "the weight", loss.weight(labels))


def check_some_weight(function: str, weight: float) -> None:
    """ValueError for examples that weigh nothing: there is no mean over them."""
    if not weight > 0:
        raise ValueError(f"{function}: the examples weigh {weight} in all, expected more than 0")


def check_outputs(function: str, labels: Array, **outputs: Array) -> tuple[int, int]:
    """The sizes (N, K) of outputs that are floats, if there is a label from 0 to K - 1 for each
    of the N examples; TypeError or ValueError otherwise.
    """
    ((name, array),) = outputs.items()
    N, K = shapes(function, **{name: (array, "N, K")})
    check_labels(function, labels, N, K)
    return N, K


def softmax_and_log(logits: Array) -> tuple[Array, Array, Array]:
    """The softmax p of logits, and two arrays whose difference is -log p: log(sum of exp(z)),
    (N, 1), and z, (N, K), both less the greatest logit of each example.
    """
    with np.errstate(over="ignore"):  # -inf, and so p = 0, is right
        z = logits - logits.max(1, keepdims=True)
    p = np.exp(z)
    total = p.sum(1, keepdims=True)
    p /= total
    return p, np.log(total), z
