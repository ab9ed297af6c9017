"""What the losses claim: their gradients, and that those that can be the same are the same."""

from collections.abc import Callable, Iterator, Mapping
from functools import partial

import numpy as np

import fcnn
from fcnn import check
from fcnn.layers.layer import call_backward, call_forward
from fcnn.losses.loss import Loss
from fcnn.numerics.arrays import Array
from fcnn.proof import operations
from fcnn.proof import shipped_values as reference
from fcnn.proof.loss_cases import LOSSES, LossCase
from fcnn.proof.proofs import BY_DIFFERENCES, Run


def by_differences(name: str) -> Iterator[tuple[str, Run]]:
    """Each case by the loss and by the plain functions, by the whole gradient."""
    for case in LOSSES[name]:
        yield str(case), partial(_check, case, LossCase.made)
        yield f"{case}, plain functions", partial(_check, case, _plain_loss)


def _check(case: LossCase, make: Callable[[LossCase], Loss]) -> Mapping[str, float]:
    inputs = case.inputs()
    return check.loss(
        make(case), inputs["outputs"], inputs["labels"], tolerance=BY_DIFFERENCES
    ).errors


def _plain_loss(case: LossCase) -> Loss:
    """A loss made of the public functions, as the names in `fcnn` say they are."""
    return Loss(
        case.loss,
        partial(getattr(fcnn, f"{case.loss}_forward"), **case.arguments()),
        getattr(fcnn, f"{case.loss}_backward"),
    )


# N, K and the size of the logits.
_LOGITS = ((1, 2, 1.0), (5, 10, 1.0), (64, 10, 3.0), (7, 4, 30.0))


def compositions() -> Iterator[tuple[str, Run]]:
    """The softmax layer and the cross-entropy after it are the fused loss, and so are the
    gradients by the logits: the derivative of the softmax is taken once.
    """

    def composed(logits: Array, labels: Array) -> tuple[float, Array]:
        softmax, loss = operations.layer("softmax", {}), operations.loss("cross_entropy")
        probabilities, cache = call_forward(softmax, (), logits, None)
        value, loss_cache = loss.forward(probabilities, labels)
        _, dlogits = call_backward(softmax, cache, loss.backward(loss_cache))
        return value, dlogits

    yield from _beside_the_fused_loss(composed)


def without_smoothing() -> Iterator[tuple[str, Run]]:
    """Smoothing of nothing, without weights or with those that are all equal, is the fused
    loss, and counts every example alike.
    """

    def smoothed(weight: float | None, logits: Array, labels: Array) -> tuple[float, Array]:
        weights = None if weight is None else np.full(logits.shape[1], weight)
        loss = operations.loss("smoothed_cross_entropy", {"class_weights": weights})
        value, cache = loss.forward(logits, labels)
        return value, loss.backward(cache)

    yield from _beside_the_fused_loss(partial(smoothed, None))
    yield from _beside_the_fused_loss(partial(smoothed, 0.7), ", equal weights")


def _beside_the_fused_loss(
    compute: Callable[[Array, Array], tuple[float, Array]], text: str = ""
) -> Iterator[tuple[str, Run]]:
    def errors(logits: Array, labels: Array) -> Mapping[str, float]:
        value, dlogits = compute(logits, labels)
        fused = operations.loss("softmax_cross_entropy")
        expected, cache = fused.forward(logits, labels)
        return reference.differences_of(
            {"loss": np.asarray(value), "dlogits": dlogits},
            {"loss": np.asarray(expected), "dlogits": fused.backward(cache)},
        )

    for N, K, size in _LOGITS:
        rng = np.random.default_rng(1)
        logits, labels = size * rng.standard_normal((N, K)), rng.integers(0, K, N)
        name = f"{K} classes, batch of {N}, logits of size {size}{text}"
        yield name, partial(errors, logits, labels)
