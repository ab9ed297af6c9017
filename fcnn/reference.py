"""Values computed with PyTorch, shipped with fcnn: an oracle that needs no PyTorch.

Each case names an operation, its settings, inputs and the outputs that are right. The
file is made by `tools/make_reference_values.py`: a text in JSON that names the cases and
the shapes of their arrays, and all the arrays, one after the other, in float64.
"""

import json
from typing import IO, Any

import attrs
import numpy as np

from fcnn import (
    activations,
    average_pooling,
    composition,
    convolution,
    fully_connected,
    gradients,
    losses,
    optimizers,
    pooling,
    reshaping,
    smooth_activations,
    tree,
)
from fcnn.arrays import Array, freeze
from fcnn.layer import Layer
from fcnn.losses import Loss
from fcnn.tree import Tree

FILE_NAME = "reference_values.npz"
TOLERANCE = 1e-12  # of the largest magnitude or 1: float64 to rounding, whatever the BLAS

# Functions are looked up in their modules at each call, so that what is tested is what
# is there now, whoever has replaced it.
_MODULES: dict[str, Any] = {
    "avg_pool2d": average_pooling,
    "conv2d": convolution,
    "cross_entropy": losses,
    "dense": fully_connected,
    "flatten": reshaping,
    "gelu": smooth_activations,
    "global_avg_pool": average_pooling,
    "leaky_relu": activations,
    "max_pool2d": pooling,
    "relu": activations,
    "sigmoid": smooth_activations,
    "softmax": activations,
    "softmax_cross_entropy": losses,
    "tanh": smooth_activations,
}


@attrs.frozen(eq=False)
class ReferenceCase:
    """One computation and what must come out of it.

    Attributes
    ----------
    name
        What reports call it.
    operation
        An operation or a loss by its name in fcnn, or `value_and_grad` or `sgd` of a chain.
    settings
        Keyword arguments of the operation; for a chain its layers, loss and optimizer.
    inputs
        Arrays by name: x, w, b and dy, or outputs and labels; for a chain x, labels and the
        parameters by their paths.
    expected
        Arrays by name: y and the gradients dx, dw, db, or loss and doutputs; for a chain
        the losses and, by path, the gradients or the parameters after training.
    """

    name: str
    operation: str
    settings: dict[str, Any]
    inputs: dict[str, Array]
    expected: dict[str, Array] = attrs.field(factory=dict)


def reference_cases() -> list[ReferenceCase]:
    """The cases that come with fcnn; their arrays are read-only.

    Examples
    --------
    >>> case = reference_cases()[0]
    >>> case.name
    'conv2d kernel 3 stride 1 padding 1 on 2x2x5x6'
    >>> worst_error(case) < TOLERANCE
    True
    """
    from importlib.resources import files

    with (files("fcnn") / FILE_NAME).open("rb") as file:
        return read_cases(file)


def read_cases(file: IO[bytes]) -> list[ReferenceCase]:
    """The cases in a file of the form described above; nothing is unpickled."""
    with np.load(file, allow_pickle=False) as archive:
        texts, values = json.loads(archive["cases"].tobytes()), freeze(archive["values"])
    begin = 0

    def take(shapes: dict[str, list[int]]) -> dict[str, Array]:
        nonlocal begin
        arrays = {}
        for name, shape in shapes.items():
            end = begin + int(np.prod(shape))
            arrays[name] = values[begin:end].reshape(shape)
            begin = end
        if "labels" in arrays:
            arrays["labels"] = freeze(arrays["labels"].astype(np.int64))
        return arrays

    return [
        ReferenceCase(
            text["name"],
            text["operation"],
            text["settings"],
            inputs=take(text["inputs"]),
            expected=take(text["expected"]),
        )
        for text in texts
    ]


def compute(case: ReferenceCase) -> dict[str, Array]:
    """What fcnn computes for a case, under the names of `case.expected`."""
    if case.operation == "value_and_grad":
        return _value_and_grad(case)
    if case.operation == "sgd":
        return _sgd(case)
    module, settings, inputs = _MODULES[case.operation], case.settings, case.inputs
    forward = getattr(module, f"{case.operation}_forward")
    backward = getattr(module, f"{case.operation}_backward")
    if "labels" in inputs:
        loss, cache = forward(inputs["outputs"], inputs["labels"])
        return {"loss": np.asarray(loss), "doutputs": backward(cache)}
    if "w" in inputs:
        classes = {"conv2d": convolution.Conv2dParams, "dense": fully_connected.DenseParams}
        params = classes[case.operation](w=inputs["w"], b=inputs.get("b"))
        y, cache = forward(params, inputs["x"], **settings)
        dparams, dx = backward(cache, inputs["dy"])
        found = {"y": y, "dx": dx, "dw": dparams.w, "db": dparams.b}
        return {name: array for name, array in found.items() if array is not None}
    y, cache = forward(inputs["x"], **settings)
    return {"y": y, "dx": backward(cache, inputs["dy"])}


def worst_error(case: ReferenceCase) -> float:
    """The greatest error of a case: of each array relative to its largest magnitude or 1.

    Infinite if an array is missing, not finite, or of another shape or dtype.
    """
    actual = compute(case)
    if actual.keys() != case.expected.keys():
        return np.inf
    return max(_error(actual[name], expected) for name, expected in case.expected.items())


def _error(actual: Array, expected: Array) -> float:
    if actual.shape != expected.shape or actual.dtype != expected.dtype:
        return np.inf
    error = float(np.abs(actual - expected).max() / max(1.0, np.abs(expected).max()))
    return error if np.isfinite(error) else np.inf


def _value_and_grad(case: ReferenceCase) -> dict[str, Array]:
    x, labels = case.inputs["x"], case.inputs["labels"]
    model, params, loss = _network(case, x.shape[1:])
    value, grads = gradients.value_and_grad(model, loss)(params, x, labels)
    return {"loss": np.asarray(value), **dict(tree.leaves_with_path(grads))}


def _sgd(case: ReferenceCase) -> dict[str, Array]:
    """One step for each batch of x (steps, N, ...) and labels (steps, N)."""
    x, labels = case.inputs["x"], case.inputs["labels"]
    model, params, loss = _network(case, x.shape[2:])
    optimizer = optimizers.sgd(case.settings["learning_rate"], case.settings["momentum"])
    value_and_grad = gradients.value_and_grad(model, loss)
    state, values = optimizer.init(params), []
    for batch in zip(x, labels, strict=True):
        value, grads = value_and_grad(params, *batch)
        params, state = optimizer.step(params, grads, state)
        values.append(value)
    return {"losses": np.asarray(values), **dict(tree.leaves_with_path(params))}


def _network(case: ReferenceCase, in_shape: tuple[int, ...]) -> tuple[Layer, Tree, Loss]:
    """The chain of a case, its parameters and its loss."""
    model = composition.chain(*(_layer(name, own) for name, own in case.settings["layers"]))
    initial, _ = model.init(np.random.default_rng(0), in_shape)
    params = tree.map_with_path(lambda path, _: case.inputs[path], initial)
    name = case.settings["loss"]
    loss: Loss = getattr(_MODULES[name], name)
    return model, params, loss


def _layer(name: str, settings: dict[str, Any]) -> Layer:
    found = getattr(_MODULES[name], name)
    layer: Layer = found if isinstance(found, Layer) else found(**settings)
    return layer
