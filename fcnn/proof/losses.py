"""What the losses are: their gradients, and that those that can be the same are the same."""

from collections.abc import Callable, Iterator, Mapping
from functools import partial

import numpy as np

import fcnn
from fcnn import check
from fcnn.layers.layer import call_backward, call_forward
from fcnn.numerics.arrays import Array
from fcnn.proof.loss_cases import LossCase, cases_of
from fcnn.proof.proofs import BY_DIFFERENCES, Run, differences


def by_differences(name: str) -> Iterator[tuple[str, Run]]:
    """The whole gradient of each case, and that the loss's plain functions are those of it."""
    for case in cases_of(name):
        if case.N * case.K <= 70:
            yield str(case), partial(_check, case)
        yield f"{case}, plain functions", partial(_plain_functions, case)


def _check(case: LossCase) -> Mapping[str, float]:
    inputs = case.inputs()
    return check.loss(
        case.made(), inputs["outputs"], inputs["labels"], tolerance=BY_DIFFERENCES
    ).errors


def _plain_functions(case: LossCase) -> Mapping[str, float]:
    """The functions that the names in `fcnn` say they are give what the loss gives."""
    loss, inputs = case.made(), case.inputs()
    value, cache = loss.forward(inputs["outputs"], inputs["labels"])
    own, own_cache = getattr(fcnn, f"{case.loss}_forward")(
        inputs["outputs"], inputs["labels"], **case.arguments()
    )
    doutputs = getattr(fcnn, f"{case.loss}_backward")(own_cache)
    return differences(
        {"loss": np.asarray(own), "outputs": doutputs},
        {"loss": np.asarray(value), "outputs": loss.backward(cache)},
    )


# N, K and the size of the logits.
_LOGITS = ((1, 2, 1.0), (5, 10, 1.0), (64, 10, 3.0), (7, 4, 30.0))


def compositions() -> Iterator[tuple[str, Run]]:
    """The softmax layer and the cross-entropy after it are the fused loss, and so are the
    gradients by the logits: the derivative of the softmax is taken once.
    """

    def composed(logits: Array, labels: Array) -> tuple[float, Array]:
        probabilities, cache = call_forward(fcnn.softmax, (), logits, None)
        value, loss_cache = fcnn.cross_entropy.forward(probabilities, labels)
        _, dlogits = call_backward(fcnn.softmax, cache, fcnn.cross_entropy.backward(loss_cache))
        return value, dlogits

    yield from _beside_the_fused_loss(composed)


def without_smoothing() -> Iterator[tuple[str, Run]]:
    """Smoothing of nothing, without weights or with those that are all equal, is the fused
    loss, and counts every example alike.
    """

    def smoothed(weight: float | None, logits: Array, labels: Array) -> tuple[float, Array]:
        weights = None if weight is None else np.full(logits.shape[1], weight)
        loss = fcnn.smoothed_cross_entropy(class_weights=weights)
        value, cache = loss.forward(logits, labels)
        return value, loss.backward(cache)

    yield from _beside_the_fused_loss(partial(smoothed, None))
    yield from _beside_the_fused_loss(partial(smoothed, 0.7), ", equal weights")


def _beside_the_fused_loss(
    compute: Callable[[Array, Array], tuple[float, Array]], text: str = ""
) -> Iterator[tuple[str, Run]]:
    def errors(logits: Array, labels: Array) -> Mapping[str, float]:
        value, dlogits = compute(logits, labels)
        fused = fcnn.softmax_cross_entropy
        expected, cache = fused.forward(logits, labels)
        return differences(
            {"loss": np.asarray(value), "dlogits": dlogits},
            {"loss": np.asarray(expected), "dlogits": fused.backward(cache)},
        )

    for N, K, size in _LOGITS:
        rng = np.random.default_rng(1)
        logits, labels = size * rng.standard_normal((N, K)), rng.integers(0, K, N)
        name = f"{K} classes, batch of {N}, logits of size {size}{text}"
        yield name, partial(errors, logits, labels)
