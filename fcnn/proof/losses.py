"""What the losses are: their gradients, and that those that can be the same are the same."""

import math
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

import numpy as np

import fcnn
from fcnn import check
from fcnn.layers.layer import call_backward, call_forward
from fcnn.losses.loss import Loss
from fcnn.losses.weighted import weighted
from fcnn.numerics.arrays import Array
from fcnn.proof.loss_cases import LossCase, cases_of
from fcnn.proof.proofs import BY_DIFFERENCES, Run, differences
from fcnn.proof.shipped_values import plain_functions, targets_of


def by_differences(name: str) -> Iterator[tuple[str, Run]]:
    """The whole gradient of each case, also of examples that have weights, and that the loss's
    plain functions are those of it.
    """
    for case in cases_of(name):
        if math.prod(case.shape) <= 70:
            yield str(case), partial(_check, case)
        yield f"{case}, plain functions", partial(_plain_functions, case)


def _check(case: LossCase) -> Mapping[str, float]:
    inputs = case.inputs()
    outputs, targets = inputs["outputs"], targets_of(inputs)
    by_weights = weighted(case.made(), np.linspace(0.5, 2.0, len(outputs)))
    plain, weighed = (
        check.loss(loss, outputs, targets, tolerance=BY_DIFFERENCES).errors
        for loss in (case.made(), by_weights)
    )
    return {**plain, **{f"{name}, weighted": error for name, error in weighed.items()}}


def _plain_functions(case: LossCase) -> Mapping[str, float]:
    """The functions that the names in `fcnn` say they are give what the loss gives."""
    found = plain_functions(case.operation, case.function_settings(), case.inputs())
    return differences(found, _computed(case.made(), case.inputs()))


def _computed(loss: Loss, inputs: Mapping[str, Array]) -> dict[str, Any]:
    value, cache = loss.forward(inputs["outputs"], targets_of(inputs))
    return {"loss": value, "doutputs": loss.backward(cache)}


def compositions() -> Iterator[tuple[str, Run]]:
    """The softmax layer and the cross-entropy after it are the fused loss, and so are the
    gradients by the logits: the derivative of the softmax is taken once.
    """

    def forward(logits: Array, labels: Array) -> tuple[float, Any]:
        probabilities, cache = call_forward(fcnn.softmax, (), logits, None)
        value, loss_cache = fcnn.cross_entropy.forward(probabilities, labels)
        return value, (cache, loss_cache)

    def backward(caches: Any) -> Array:
        cache, loss_cache = caches
        return call_backward(fcnn.softmax, cache, fcnn.cross_entropy.backward(loss_cache))[1]

    return _beside_the_fused_loss(lambda K: Loss("composed", forward, backward))


def without_smoothing() -> Iterator[tuple[str, Run]]:
    """Smoothing of nothing, without weights or with those that are all equal, is the fused
    loss, and counts every example alike.
    """

    def weighted(K: int) -> Loss:
        return fcnn.smoothed_cross_entropy(class_weights=np.full(K, 0.7))

    yield from _beside_the_fused_loss(lambda K: fcnn.smoothed_cross_entropy())
    yield from _beside_the_fused_loss(weighted, ", equal weights")


def _beside_the_fused_loss(
    loss_of: Callable[[int], Loss], text: str = ""
) -> Iterator[tuple[str, Run]]:
    """A loss of K classes beside the fused one."""

    def errors(N: int, K: int, size: float) -> Mapping[str, float]:
        inputs = LossCase("softmax_cross_entropy", N, K, size).inputs()
        losses = (loss_of(K), fcnn.softmax_cross_entropy)
        return differences(*(_computed(loss, inputs) for loss in losses))

    for N, K, size in ((1, 2, 1.0), (5, 10, 1.0), (64, 10, 3.0), (7, 4, 30.0)):
        name = f"{K} classes, batch of {N}, logits of size {size}{text}"
        yield name, partial(errors, N, K, size)
