"""The points at which losses are proved, as data: a new loss is a new entry here."""

from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any, Final

import attrs
import numpy as np

import fcnn
from fcnn.losses.loss import Loss
from fcnn.numerics.arrays import Array


@attrs.frozen
class LossCase:
    """A loss with its settings, random outputs (N, K, ...) of some size, and labels or targets.

    Attributes
    ----------
    operation, settings
        The name of a loss, and what it is made with.
    N, K, size, rest
        The shape of the outputs, rest for what follows K, and the size of logits; probabilities
        are mild, for their differences to be exact.
    weighted
        Whether the classes have weights, one of them 0.
    """

    operation: str
    N: int
    K: int
    size: float
    settings: Mapping[str, Any] = attrs.field(factory=dict)
    weighted: bool = False
    rest: tuple[int, ...] = ()

    def __str__(self) -> str:
        given = [f"{name} {value}" for name, value in self.settings.items()]
        given += ["weighted"] * self.weighted
        what = f"{self.K} classes" if self.made().of_classes else f"outputs {self.shape[1:]}"
        text = f"{what}, batch of {self.N}, outputs of size {self.size}"
        return ", ".join([text, *given])

    @property
    def shape(self) -> tuple[int, ...]:
        """That of the outputs."""
        return (self.N, self.K, *self.rest)

    def inputs(self) -> dict[str, Array]:
        """The arrays by the names that `fcnn.proof.shipped_values` has for them."""
        rng = np.random.default_rng(0)
        if self.operation == "mean_squared_error":
            outputs, targets = self.size * rng.standard_normal((2, *self.shape))
            return {"outputs": outputs, "targets": targets}
        outputs = self.size * rng.standard_normal((self.N, self.K))
        inputs = {"outputs": outputs, "labels": rng.integers(0, self.K, self.N)}
        if self.operation == "cross_entropy":
            inputs["outputs"] = rng.uniform(0.1, 0.9, (self.N, self.K))
        if self.weighted:
            weights = rng.uniform(0.5, 2, self.K)
            if self.K > 1:
                weights[inputs["labels"][0] - 1] = 0  # of another class: the batch weighs something
            inputs["class_weights"] = weights
        return inputs

    def function_settings(self) -> dict[str, Any]:
        """Those that the plain functions take; the weights of the classes are an input."""
        return dict(self.settings)

    def made(self) -> Loss:
        """The loss, made now."""
        found, weights = getattr(fcnn, self.operation), self.inputs().get("class_weights")
        if isinstance(found, Loss):
            return found
        loss: Loss = found(**self.settings, class_weights=weights)
        return loss


# Chosen by hand: of these, values of PyTorch are shipped.
_PLAIN: Final[Sequence[tuple[int, int, float]]] = ((1, 2, 1), (5, 4, 1), (3, 10, 20))  # N, K, size
CHOSEN: Final[Mapping[str, list[LossCase]]] = {
    "softmax_cross_entropy": [LossCase("softmax_cross_entropy", *o) for o in _PLAIN],
    "cross_entropy": [LossCase("cross_entropy", *o) for o in _PLAIN],
    "smoothed_cross_entropy": [
        LossCase("smoothed_cross_entropy", N, K, size, {"label_smoothing": smoothing}, weighted)
        for N, K, size, smoothing, weighted in (
            (5, 4, 1, 0.1, False),
            (1, 3, 1, 0.3, False),
            (7, 3, 1, 0.0, True),
            (5, 4, 1, 0.1, True),
            (4, 5, 20, 0.2, True),
            (3, 4, 1, 1.0, True),
        )
    ],
    "mean_squared_error": [
        LossCase("mean_squared_error", N, K, size, rest=rest)
        for N, K, size, rest in ((2, 3, 1, ()), (5, 4, 1, ()), (3, 2, 1, (4, 3)), (2, 10, 20, ()))
    ],
}

_OUTPUTS: Final[Sequence[tuple[int, int, float]]] = (
    (1, 1, 1), (1, 10, 1), (4, 3, 1), (5, 3, 0.1), (7, 10, 1), (9, 5, 1), (2, 5, 30), (3, 4, 300),
    (64, 10, 0.1), (64, 10, 1), (64, 10, 30),
)  # fmt: skip
PRODUCTS: Final[Mapping[str, list[LossCase]]] = {
    "softmax_cross_entropy": [LossCase("softmax_cross_entropy", *o) for o in _OUTPUTS],
    "cross_entropy": [LossCase("cross_entropy", *o) for o in _OUTPUTS],
    "smoothed_cross_entropy": [
        LossCase("smoothed_cross_entropy", *o, {"label_smoothing": smoothing}, weighted)
        for o, smoothing, weighted in product(_OUTPUTS, (0.0, 0.05, 0.3, 1.0), (False, True))
    ],
    "mean_squared_error": [
        LossCase("mean_squared_error", *o, rest=rest)
        for o, rest in product(_OUTPUTS, ((), (1,), (2, 3)))
    ],
}


def cases_of(loss: str) -> list[LossCase]:
    """The whole table of a loss."""
    return [*CHOSEN[loss], *PRODUCTS[loss]]
