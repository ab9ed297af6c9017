"""Make fcnn/proof/reference_values.npz, values computed with PyTorch that come with fcnn.

    python tools/make_reference_values.py [FILE]

Needs PyTorch; everything is computed in float64, on one thread. The same versions on the
same machine give the same bytes.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn
from torch_training import train, value_and_grad

from fcnn import tree
from fcnn.layers.window_sizes import times
from fcnn.numerics.arrays import Array, Shape
from fcnn.proof import pytorch
from fcnn.proof.case import Case
from fcnn.proof.layer_cases import SHIPPED
from fcnn.proof.loss_cases import CHOSEN as LOSSES
from fcnn.proof.loss_cases import LossCase
from fcnn.proof.shipped_values import FILE_NAME, ReferenceCase, errors

TARGET = Path(__file__).resolve().parent.parent / "fcnn" / "proof" / FILE_NAME

OPTIMIZERS: list[tuple[str, str, dict[str, Any]]] = [
    ("sgd with Nesterov's momentum 0.9", "sgd", {"momentum": 0.9, "nesterov": True}),
    ("adam", "adam", {"beta1": 0.8, "beta2": 0.95, "epsilon": 1e-3}),
    ("adamw", "adamw", {"beta1": 0.8, "beta2": 0.95, "epsilon": 1e-3, "weight_decay": 0.3}),
]

CONVOLUTIONAL: list[tuple[str, dict[str, Any]]] = [
    ("conv2d", {"features": 3, "kernel": 3, "padding": 1}),
    ("relu", {}),
    ("max_pool2d", {"window": 2}),
    ("conv2d", {"features": 4, "kernel": [2, 3], "stride": [1, 2], "padding": [0, 1]}),
    ("relu", {}),
    ("flatten", {}),
    ("dense", {"features": 5}),
    ("relu", {}),
    ("dense", {"features": 3}),
]


PARAMETERS: dict[str, Shape] = {
    "[0].w": (3, 2, 3, 3),
    "[0].b": (3,),
    "[3].w": (4, 3, 2, 3),
    "[3].b": (4,),
    "[6].w": (16, 5),
    "[6].b": (5,),
    "[8].w": (5, 3),
    "[8].b": (3,),
}


def convolutional() -> nn.Sequential:
    """The same chain, on images (2, 7, 6), in PyTorch."""
    return nn.Sequential(
        nn.Conv2d(2, 3, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(3, 4, (2, 3), stride=(1, 2), padding=(0, 1)),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(16, 5),
        nn.ReLU(),
        nn.Linear(5, 3),
    )


def main() -> None:
    """Make the file and say what it is."""
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else TARGET
    with pytorch.threads(1):
        cases = all_cases()
    write(target, cases)
    worst = max(max(errors(case).values()) for case in cases)
    print(f"{target}: {target.stat().st_size:,} bytes, {len(cases)} cases")
    print(f"greatest error of fcnn, of an array's largest magnitude or 1: {worst:.1e}")


def all_cases() -> list[ReferenceCase]:
    """Every case, with what PyTorch computes for it."""
    convolutions, pools, others, unusual, averages, activations, norms = SHIPPED
    return [
        *operations(1, convolutions),
        *operations(2, pools),
        *operations(3, others),
        *plain_losses(4),
        *networks(5),
        *operations(6, unusual),
        *operations(7, averages),
        *operations(8, activations),
        *operations(9, norms),
        *smoothed_losses(10),
        *optimizers(5),
        *squared_errors(11),
    ]


class Draws:
    """Uniform numbers from a stream that NumPy promises never to change."""

    def __init__(self, seed: int) -> None:
        self.random = np.random.RandomState(seed)

    def numbers(self, *shape: int) -> Array:
        """From -2 to 2."""
        return self.random.uniform(-2, 2, shape)

    def ties(self, *shape: int) -> Array:
        """-1, 0 or 1: windows with several maxima, and zeros for relu."""
        return self.random.randint(-1, 2, shape).astype(np.float64)

    def labels(self, classes: int, *shape: int) -> Array:
        """Class indices."""
        return self.random.randint(0, classes, shape).astype(np.int64)


def operations(seed: int, cases: Sequence[Case]) -> list[ReferenceCase]:
    """Layers as plain functions."""
    draws, found = Draws(seed), []
    for case in cases:
        params, _, dy = case.arguments()
        x = draws.ties if case.point else draws.numbers
        inputs = {"x": case.size * x(*case.shape)}
        for path, leaf in tree.leaves_with_path(params):
            inputs[path.lstrip(".")] = draws.numbers(*leaf.shape)
        if "var" in inputs:
            inputs["var"] = inputs["var"] ** 2 + 0.1
        inputs["dy"] = draws.numbers(*dy.shape)
        settings = case.function_settings()
        found.append(_computed(name_of(case), case.operation, settings, inputs))
    return found


def name_of(case: Case) -> str:
    """As reports have it, in words."""
    x, settings = times(case.shape), dict(case.settings)
    if case.operation == "dense":
        name = f"dense {case.in_shape[0]} to {settings['features']}, batch of {case.batch}"
        return name if settings.get("bias", True) else f"{name}, without bias"
    if case.operation == "batch_norm":
        return f"batch_norm in {'training' if case.training else 'inference'} " + (
            f"epsilon {settings['epsilon']} on {x}"
        )
    if "window" in settings:
        settings["stride"] = settings["stride"] or settings["window"]
    given = [f"{key} {value}" for key, value in settings.items() if key not in ("features", "bias")]
    name = " ".join([case.operation, *given, "on", x])
    if case.point is None or case.operation == "leaky_relu":
        return name
    return f"{name} with {'zeros' if case.operation == 'relu' else 'ties'}"


def plain_losses(seed: int) -> list[ReferenceCase]:
    """Both losses of labels that are to be trusted, of the same logits and labels."""
    draws, found = Draws(seed), []
    for case in LOSSES["softmax_cross_entropy"]:
        N, K = case.N, case.K
        logits, labels = case.size * draws.numbers(N, K), draws.labels(K, N)
        probabilities = draws.numbers(N, K) / 4.1 + 0.5  # from 0.01 to 0.99
        probabilities /= probabilities.sum(1, keepdims=True)
        for loss, outputs in (
            ("softmax_cross_entropy", logits),
            ("cross_entropy", probabilities),
        ):
            inputs = {"outputs": outputs, "labels": labels}
            found.append(_computed(f"{loss} of {K} classes, batch of {N}", loss, {}, inputs))
    return found


def smoothed_losses(seed: int) -> list[ReferenceCase]:
    """Smoothing, weights of classes, and both; one class weighs nothing."""
    draws = Draws(seed)
    return [_smoothed(draws, case) for case in LOSSES["smoothed_cross_entropy"]]


def _smoothed(draws: Draws, case: LossCase) -> ReferenceCase:
    N, K = case.N, case.K
    inputs = {"outputs": case.size * draws.numbers(N, K), "labels": draws.labels(K, N)}
    smoothing = case.settings["label_smoothing"]
    name = f"{case.operation} of {K} classes, batch of {N}, smoothing {smoothing}"
    if case.weighted:
        weights = draws.numbers(K) ** 2 + 0.1
        weights[inputs["labels"][0] - 1] = 0
        inputs["class_weights"], name = weights, f"{name}, weighted"
    return _computed(name, case.operation, dict(case.settings), inputs)


def squared_errors(seed: int) -> list[ReferenceCase]:
    """Outputs and targets of the same shape, vectors and images."""
    draws, found = Draws(seed), []
    for case in LOSSES["mean_squared_error"]:
        outputs, targets = case.size * draws.numbers(2, *case.shape)
        name = f"mean_squared_error on {times(case.shape)}"
        inputs = {"outputs": outputs, "targets": targets}
        found.append(_computed(name, case.operation, {}, inputs))
    return found


def networks(seed: int) -> list[ReferenceCase]:
    """A whole network by both losses, and three steps of SGD without and with momentum."""
    params, x, labels = _network_inputs(seed)
    return [
        _gradients(params, x[0], labels[0], "softmax_cross_entropy"),
        _gradients(params, x[0], labels[0], "cross_entropy"),
        _training(seed, "sgd with momentum 0.0", "sgd", momentum=0.0),
        _training(seed, "sgd with momentum 0.9", "sgd", momentum=0.9),
    ]


def optimizers(seed: int) -> list[ReferenceCase]:
    """Three steps of the other optimizers."""
    return [_training(seed, text, name, **settings) for text, name, settings in OPTIMIZERS]


def _network_inputs(seed: int) -> tuple[dict[str, Array], Array, Array]:
    """Parameters, and three batches of three images with their labels."""
    draws = Draws(seed)
    params = {path: 0.4 * draws.numbers(*shape) for path, shape in PARAMETERS.items()}
    return params, draws.numbers(3, 3, 2, 7, 6), draws.labels(3, 3, 3)


def _gradients(params: dict[str, Array], x: Array, labels: Array, loss: str) -> ReferenceCase:
    layers, network = CONVOLUTIONAL, convolutional()
    if loss == "cross_entropy":
        layers, network = [*layers, ("softmax", {})], network.append(nn.Softmax(-1))
    value, grads = value_and_grad(network, pytorch.LOSSES[loss], params.values(), x, labels)
    return ReferenceCase(
        f"gradients of a network by {loss}",
        "value_and_grad",
        settings={"layers": layers, "loss": loss},
        inputs={"x": x, "labels": labels, **params},
        expected={"loss": np.asarray(value), **dict(zip(params, grads, strict=True))},
    )


def _training(seed: int, text: str, optimizer: str, **settings: Any) -> ReferenceCase:
    loss, learning_rate = "softmax_cross_entropy", 0.1
    params, x, labels = _network_inputs(seed)
    values, trained = train(
        convolutional(),
        pytorch.LOSSES[loss],
        params.values(),
        zip(x, labels, strict=True),
        optimizer,
        learning_rate=learning_rate,
        **settings,
    )
    return ReferenceCase(
        f"{len(x)} steps of {text}",
        optimizer,
        settings={
            "layers": CONVOLUTIONAL,
            "loss": loss,
            "learning_rate": learning_rate,
            **settings,
        },
        inputs={"x": x, "labels": labels, **params},
        expected={"losses": np.asarray(values), **dict(zip(params, trained, strict=True))},
    )


def write(target: Path, cases: list[ReferenceCase]) -> None:
    """The form that `shipped_values` describes, not compressed: no version of zlib matters."""
    places: dict[bytes, int] = {}
    values: list[Array] = []

    def place(array: Array) -> list[int]:
        """Where an array begins, and its shape; one that is there already is not kept again."""
        numbers = array.astype(np.float64).ravel()
        key = numbers.tobytes()
        if key not in places:
            places[key] = sum(map(len, values))
            values.append(numbers)
        return [places[key], *array.shape]

    texts = [
        {
            "name": case.name,
            "operation": case.operation,
            "settings": case.settings,
            "inputs": {name: place(array) for name, array in case.inputs.items()},
            "expected": {name: place(array) for name, array in case.expected.items()},
        }
        for case in cases
    ]
    text = json.dumps(texts, separators=(",", ":")).encode()
    with target.open("wb") as file:
        np.savez(file, cases=np.frombuffer(text, np.uint8), values=np.concatenate(values))


def _computed(
    name: str, operation: str, settings: dict[str, Any], inputs: dict[str, Array]
) -> ReferenceCase:
    return ReferenceCase(
        name, operation, settings, inputs, pytorch.compute(operation, settings, inputs)
    )


if __name__ == "__main__":
    main()
