"""Values computed with PyTorch, shipped with fcnn: an oracle that needs no PyTorch.

Each case names an operation, its settings, inputs and the outputs that are right. The
file is made by `tools/make_reference_values.py`: a text in JSON that names the cases and
their arrays, each by where it begins and its shape, and all the numbers in float64. Arrays
that several cases share are there once.
"""

import json
import math
from collections.abc import Iterator, Mapping
from functools import cache, partial
from typing import IO, Any, Final

import attrs
import numpy as np

import fcnn
from fcnn import tree
from fcnn.numerics.arrays import Array, freeze
from fcnn.proof.case import made
from fcnn.proof.networks import steps
from fcnn.proof.proofs import Run, differences
from fcnn.tree import Tree

FILE_NAME: Final = "reference_values.npz"
PARAMETERS: Final[Mapping[str, Any]] = {
    "batch_norm": fcnn.BatchNormParams,
    "conv2d": fcnn.Conv2dParams,
    "dense": fcnn.DenseParams,
}
OPTIMIZERS: Final = ("sgd", "adam", "adamw")


@attrs.frozen(eq=False)
class ReferenceCase:
    """One computation and what must come out of it.

    Attributes
    ----------
    name
        What reports call it.
    operation
        An operation or a loss by its name in fcnn, or `value_and_grad` or an optimizer of a
        chain.
    settings
        Keyword arguments of the operation; for a chain its layers, its loss, and what the
        optimizer is made with.
    inputs
        Arrays by name: x, dy and parameters such as w and b, or outputs, labels (or
        targets) and class_weights; for a chain x, labels and the parameters by their paths.
    expected
        Arrays by name: y and the gradients dx, dw, db, or loss and doutputs; for a chain
        the losses and, by path, the gradients or the parameters after training.
    """

    name: str
    operation: str
    settings: dict[str, Any]
    inputs: dict[str, Array]
    expected: dict[str, Array] = attrs.field(factory=dict)


@cache
def reference_cases() -> tuple[ReferenceCase, ...]:
    """The cases that come with fcnn; their arrays are read-only.

    Examples
    --------
    >>> case = reference_cases()[0]
    >>> case.name
    'conv2d kernel 3 stride 1 padding 1 on 2x2x5x6'
    >>> max(errors(case).values()) < 1e-12
    True
    """
    from importlib.resources import files

    with (files("fcnn.proof") / FILE_NAME).open("rb") as file:
        return tuple(read_cases(file))


def by_values(operation: str) -> Iterator[tuple[str, Run]]:
    """The cases of an operation, a loss, an optimizer or `value_and_grad`."""
    for case in reference_cases():
        if case.operation == operation:
            yield case.name, partial(errors, case)


def read_cases(file: IO[bytes]) -> list[ReferenceCase]:
    """The cases in a file of the form described above; nothing is unpickled."""
    with np.load(file, allow_pickle=False) as archive:
        texts, values = json.loads(archive["cases"].tobytes()), freeze(archive["values"])

    def take(places: dict[str, list[int]]) -> dict[str, Array]:
        arrays = {}
        for name, (begin, *shape) in places.items():
            arrays[name] = values[begin : begin + math.prod(shape)].reshape(shape)
        if "labels" in arrays:
            arrays["labels"] = freeze(arrays["labels"].astype(np.int64))
        return arrays

    return [
        ReferenceCase(**text | {kind: take(text[kind]) for kind in ("inputs", "expected")})
        for text in texts
    ]


def compute(case: ReferenceCase) -> dict[str, Array]:
    """What fcnn computes for a case, under the names of `case.expected`."""
    if "layers" in case.settings:
        return _of_chain(case)
    return plain_functions(case.operation, case.settings, case.inputs)


def plain_functions(
    operation: str, settings: Mapping[str, Any], inputs: Mapping[str, Array]
) -> dict[str, Array]:
    """What the functions give that the names in `fcnn` say are those of a layer or loss."""
    forward = getattr(fcnn, f"{operation}_forward")
    backward = getattr(fcnn, f"{operation}_backward")
    if "outputs" in inputs:
        weights = {name: inputs[name] for name in ("class_weights",) if name in inputs}
        loss, cache = forward(inputs["outputs"], targets_of(inputs), **weights, **settings)
        return {"loss": np.asarray(loss), "doutputs": backward(cache)}
    if operation not in PARAMETERS:
        y, cache = forward(inputs["x"], **settings)
        return {"y": y, "dx": backward(cache, inputs["dy"])}
    kind = PARAMETERS[operation]
    params = kind(**{field.name: inputs.get(field.name) for field in attrs.fields(kind)})
    y, cache = forward(params, inputs["x"], **settings)
    dparams, dx = backward(cache, inputs["dy"])
    return {"y": y, "dx": dx, **gradients(dparams)}


def targets_of(inputs: Mapping[str, Array]) -> Array:
    """What the outputs of a loss are compared with: labels, or targets of their own shape."""
    return inputs["labels" if "labels" in inputs else "targets"]


def gradients(dparams: Tree) -> dict[str, Array]:
    """Those of a layer's parameters by their names here."""
    return {f"d{path.lstrip('.')}": leaf for path, leaf in tree.leaves_with_path(dparams)}


def errors(case: ReferenceCase) -> dict[str, float]:
    """The relative error of each array of a case."""
    return differences(compute(case), case.expected)


def _of_chain(case: ReferenceCase) -> dict[str, Array]:
    """The gradient of a batch; of an optimizer, one step for each batch of x (steps, N, ...) and
    labels (steps, N).
    """
    settings, x, labels = dict(case.settings), case.inputs["x"], case.inputs["labels"]
    model = made("chain", {"layers": settings.pop("layers")})
    loss, trained = getattr(fcnn, settings.pop("loss")), case.operation in OPTIMIZERS
    initial, _ = model.init(np.random.default_rng(0), x.shape[2 if trained else 1 :])
    params = tree.map_with_path(lambda path, _: case.inputs[path], initial)
    if not trained:
        value, grads = fcnn.value_and_grad(model, loss)(params, x, labels)
        return {"loss": np.asarray(value), **dict(tree.leaves_with_path(grads))}
    optimizer, batches = getattr(fcnn, case.operation)(**settings), zip(x, labels, strict=True)
    losses, after = zip(*steps(model, loss, params, optimizer, batches), strict=True)
    return {"losses": np.asarray(losses), **dict(tree.leaves_with_path(after[-1]))}
