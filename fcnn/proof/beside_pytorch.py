"""fcnn beside PyTorch: every operation, and training from the same start on the same batches.

What `fcnn verify --torch` adds; to import this module is to import PyTorch.
"""

from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from typing import Final

import attrs
import numpy as np

import fcnn
from fcnn import tree
from fcnn.numerics import random_streams
from fcnn.numerics.arrays import Array
from fcnn.proof import layer_cases, loss_cases, networks, pytorch
from fcnn.proof.case import Case
from fcnn.proof.loss_cases import LossCase
from fcnn.proof.proofs import Proof, Run, differences
from fcnn.proof.shipped_values import plain_functions
from fcnn.runs.model_by_name import model_by_name
from fcnn.runs.recipes import REFERENCE
from fcnn.tree import Tree

# Of an array's largest magnitude, or 1.
OPERATIONS_AGREE: Final[Mapping[str, float]] = {"float64": 1e-10, "float32": 1e-5}

# Of an array's largest magnitude, after training in float64.
PARAMETERS_AGREE: Final = 1e-9
# Two correct libraries drift apart in float32: the sums are rounded in another order, and
# what lies next to a kink may fall on its other side.
LOSSES_AGREE: Final = 5e-3
PREDICTIONS_DIFFER: Final = 0.015
DRIFT: Final = 1e-5

_SETTINGS: Final = REFERENCE.settings  # what is trained, and how


@attrs.frozen(eq=False)
class Training:
    """Two trainings side by side.

    Attributes
    ----------
    losses, torch_losses
        Of every step.
    differences
        After every step, the greatest difference of a parameter, relative to the largest
        magnitude in its array.
    errors
        Those differences at the end, by the paths of the arrays.
    epoch_losses, torch_epoch_losses
        The means over the examples of every epoch.
    test_images, predicted_differently
        Of the test images, how many the two trained networks take for different digits.
    """

    dtype: str
    losses: Array
    torch_losses: Array
    differences: Array
    errors: Mapping[str, float]
    epoch_losses: tuple[float, ...]
    torch_epoch_losses: tuple[float, ...]
    test_images: int
    predicted_differently: int

    @property
    def first_drift(self) -> int | None:
        """The first step, from 1, after which the parameters differ by more than 1e-5."""
        beyond = np.flatnonzero(~(self.differences <= DRIFT))
        return int(beyond[0]) + 1 if len(beyond) else None


def operation_proofs() -> list[Proof]:
    """Outputs and gradients of every operation and loss, in both precisions."""
    return [
        Proof(name, f"PyTorch, {dtype}", tolerance, partial(_comparisons, name, dtype))
        for name in (*pytorch.OPERATIONS, *pytorch.LOSSES)
        for dtype, tolerance in OPERATIONS_AGREE.items()
    ]


def proofs(trained: dict[str, Training]) -> list[Proof]:
    """Those of operations, and what must hold of two trainings side by side, which are put by
    their dtypes into `trained` when the first of their proofs is run.
    """

    def training(dtype: str) -> Training:
        if dtype not in trained:
            trained[dtype] = train(dtype)
        return trained[dtype]

    def parameters() -> Mapping[str, float]:
        return training("float64").errors

    def loss_of(epoch: int) -> Mapping[str, float]:
        found = training("float32")
        return {"mean loss": abs(found.epoch_losses[epoch] - found.torch_epoch_losses[epoch])}

    def predictions() -> Mapping[str, float]:
        found = training("float32")
        return {"share of predictions": found.predicted_differently / found.test_images}

    losses = [(f"epoch {i + 1}", partial(loss_of, i)) for i in range(_SETTINGS.epochs)]
    ends, shares = [("parameters at the end", parameters)], [("test images", predictions)]
    return [
        *operation_proofs(),
        Proof("training", "PyTorch, float64", PARAMETERS_AGREE, lambda: ends),
        Proof("training", "PyTorch, float32: losses", LOSSES_AGREE, lambda: losses),
        Proof("training", "PyTorch, float32: predictions", PREDICTIONS_DIFFER, lambda: shares),
    ]


def train(dtype: str) -> Training:
    """Train the reference network by the reference recipe on the embedded images, in both
    libraries step by step: the same initial parameters, the same batches in the same order.
    """
    (x, labels), (x_test, labels_test) = fcnn.data.mnist5k()
    x, x_test = x.astype(dtype), x_test.astype(dtype)
    model, loss = model_by_name(_SETTINGS.model, 10), fcnn.softmax_cross_entropy
    initial, _ = model.init(random_streams.generator(0, random_streams.PARAMETERS), x.shape[1:])
    params = tree.map(lambda p: p.astype(dtype), initial)
    network, size = pytorch.mnist_cnn(), _SETTINGS.batch_size
    rate, momentum = _SETTINGS.learning_rate, _SETTINGS.momentum
    batches = partial(networks.batches, x, labels, size, epochs=_SETTINGS.epochs, seed=0)
    ours = networks.steps(model, loss, params, fcnn.sgd(rate, momentum), batches())
    theirs = pytorch.steps(
        network,
        pytorch.LOSSES[loss.name],
        tree.leaves(params),
        batches(),
        pytorch.sgd(network, rate, momentum=momentum),
    )
    found = []
    with pytorch.threads(1):
        for (value, own), (torch_value, other) in zip(ours, theirs, strict=True):
            errors = _errors(own, other)
            found.append((value, torch_value, max(errors.values())))
        predicted = fcnn.predict(model, own, x_test, threads=1).argmax(1)
        other_predicted = pytorch.outputs(network, x_test).argmax(1)
    losses, torch_losses, drift = np.array(found).T
    return Training(
        dtype,
        losses,
        torch_losses,
        drift,
        errors,
        networks.epoch_means(losses, len(x), size),
        networks.epoch_means(torch_losses, len(x), size),
        len(labels_test),
        int((predicted != other_predicted).sum()),
    )


def _comparisons(name: str, dtype: str) -> Iterator[tuple[str, Run]]:
    table = loss_cases if name in pytorch.LOSSES else layer_cases
    for case in table.cases_of(name):
        yield str(case), partial(_compare, case, dtype)


def _compare(case: Case | LossCase, dtype: str) -> Mapping[str, float]:
    settings = case.function_settings()
    inputs = {n: a if n == "labels" else a.astype(dtype) for n, a in case.inputs().items()}
    actual = plain_functions(case.operation, settings, inputs)
    with pytorch.threads(1):
        expected = pytorch.compute(case.operation, settings, inputs)
    if "loss" in expected:  # a Python float in fcnn
        expected["loss"] = expected["loss"].astype(np.float64)
    return differences(actual, expected)


def _errors(params: Tree, others: Iterable[Array]) -> dict[str, float]:
    pairs = zip(tree.leaves_with_path(params), others, strict=True)
    return {path: float(np.abs(p - q).max() / np.abs(q).max()) for (path, p), q in pairs}
