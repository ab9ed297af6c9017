"""Make fcnn/reference_values.npz, values computed with PyTorch that come with fcnn.

    python tools/make_reference_values.py [FILE]

Needs PyTorch; everything is computed in float64, on one thread. The same versions on the
same machine give the same bytes.
"""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from fcnn.numerics.arrays import Array, Shape
from fcnn.proof import pytorch as torch_operations
from fcnn.proof.shipped_values import FILE_NAME, ReferenceCase, worst_error

ROOT = Path(__file__).resolve().parent.parent
TARGET = ROOT / "fcnn" / FILE_NAME

Sizes = int | tuple[int, int]

CONVOLUTIONS: list[tuple[Sizes, Sizes, Sizes, Shape, int]] = [
    # kernel, stride, padding, (N, C, H, W), features
    (3, 1, 1, (2, 2, 5, 6), 3),
    (3, 1, 0, (1, 1, 5, 4), 2),
    (1, 1, 0, (2, 3, 3, 4), 2),
    (2, 1, 0, (2, 2, 4, 5), 2),
    (2, 2, 1, (1, 2, 5, 5), 2),
    (5, 1, 2, (1, 1, 7, 5), 2),
    (5, 2, 2, (1, 2, 7, 7), 1),
    (3, 2, 1, (2, 2, 7, 6), 2),
    (3, 2, 0, (1, 2, 8, 8), 2),
    (3, 3, 1, (2, 1, 8, 7), 2),
    (2, 3, 0, (1, 2, 9, 8), 2),
    ((3, 1), 1, (1, 0), (2, 2, 4, 5), 2),
    ((1, 4), (1, 2), (0, 3), (1, 2, 3, 6), 2),
    ((2, 3), (2, 1), (0, 2), (2, 2, 5, 4), 2),
    (3, (1, 3), 1, (1, 1, 5, 7), 2),
    (3, 1, 4, (1, 2, 3, 2), 2),
    (2, 5, 4, (1, 1, 2, 3), 2),
    (1, 2, 3, (2, 2, 2, 2), 1),
    (3, 1, 1, (1, 1, 1, 1), 1),
    (1, 1, 0, (1, 2, 1, 1), 3),
    (4, 1, 0, (1, 2, 4, 4), 2),
    (3, 1, 1, (5, 4, 3, 3), 5),
]

UNUSUAL: list[tuple[Sizes, dict[str, Any], Shape, int, bool]] = [
    # kernel, settings, (N, C, H, W), features, bias
    ((2, 4), {"padding": "same"}, (1, 1, 4, 5), 2, True),
    ((3, 2), {"stride": [2, 1], "padding": [1, 2], "dilation": [2, 3]}, (1, 1, 7, 5), 2, True),
    (3, {"padding": "same", "groups": 3}, (1, 3, 3, 4), 3, False),
    (2, {"stride": 2, "dilation": [1, 2], "groups": 2}, (2, 2, 4, 5), 4, True),
]

POOLS: list[tuple[Sizes, Sizes | None, Sizes, Shape]] = [
    # window, stride, padding, (N, C, H, W)
    (2, None, 0, (2, 2, 6, 4)),
    (2, None, 0, (1, 2, 5, 7)),
    (3, None, 0, (2, 1, 7, 6)),
    (3, 2, 1, (2, 2, 7, 6)),
    (2, 1, 0, (1, 2, 4, 5)),
    (3, 1, 1, (2, 1, 5, 4)),
    (2, 3, 1, (1, 1, 7, 8)),
    ((3, 2), (1, 2), (1, 0), (1, 2, 5, 6)),
    ((1, 4), (2, 1), (0, 2), (1, 1, 5, 5)),
    (1, 2, 0, (1, 2, 5, 5)),
    (4, 2, 2, (1, 1, 2, 1)),
]

RELU: list[Shape] = [(1, 1), (3, 5), (2, 2, 3, 4)]
SOFTMAX: list[Shape] = [(1, 1), (4, 6), (2, 3, 4)]
FLATTEN: list[Shape] = [(1, 1, 1, 1), (3, 2, 3, 4)]
DENSE: list[tuple[int, int, int]] = [(1, 1, 1), (1, 5, 3), (4, 6, 3), (7, 1, 2)]  # N, D, K

BATCH_NORMS: list[tuple[Shape, bool, float]] = [
    # shape of x, training, epsilon
    ((2, 2, 3, 2), True, 1e-5),
    ((3, 1, 1, 1), True, 1e-5),
    ((1, 2, 1, 3), True, 0.1),
    ((4, 3), True, 1e-5),
    ((2, 1), True, 0.1),
    ((2, 2, 3, 2), False, 1e-5),
    ((1, 3), False, 0.1),
]

SMOOTHED: list[tuple[int, int, float, float, bool]] = [
    # N, K, size, label smoothing, weighted
    (5, 4, 1, 0.1, False),
    (1, 3, 1, 0.3, False),
    (7, 3, 1, 0.0, True),
    (5, 4, 1, 0.1, True),
    (4, 5, 20, 0.2, True),
    (3, 4, 1, 1.0, True),
]

OPTIMIZERS: list[tuple[str, str, dict[str, Any]]] = [
    ("sgd with Nesterov's momentum 0.9", "sgd", {"momentum": 0.9, "nesterov": True}),
    ("adam", "adam", {"beta1": 0.8, "beta2": 0.95, "epsilon": 1e-3}),
    ("adamw", "adamw", {"beta1": 0.8, "beta2": 0.95, "epsilon": 1e-3, "weight_decay": 0.3}),
]

LABELLED: list[tuple[int, int, float]] = [(1, 2, 1), (5, 4, 1), (3, 10, 20)]  # N, K, size

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
    with torch_operations.threads(1):
        cases = all_cases()
    write(target, cases)
    worst = max(map(worst_error, cases))
    print(f"{target}: {target.stat().st_size:,} bytes, {len(cases)} cases")
    print(f"greatest error of fcnn, of an array's largest magnitude or 1: {worst:.1e}")


def all_cases() -> list[ReferenceCase]:
    """Every case, with what PyTorch computes for it."""
    return [
        *convolutions(),
        *pools(),
        *others(),
        *losses(),
        *networks(),
        *unusual_convolutions(),
        *average_pools(),
        *activations(),
        *batch_norms(),
        *smoothed_losses(),
        *optimizers(),
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


def convolutions() -> list[ReferenceCase]:
    """Kernels, strides and paddings; images of one pixel, batches of one."""
    draws, cases = Draws(1), []
    for kernel, stride, padding, (N, C, H, W), F in CONVOLUTIONS:
        inputs = {
            "x": draws.numbers(N, C, H, W),
            "w": draws.numbers(F, C, *_pair(kernel)),
            "b": draws.numbers(F),
            "dy": draws.numbers(N, F, *_output_size((H, W), kernel, stride, padding)),
        }
        name = f"conv2d kernel {kernel} stride {stride} padding {padding} on {_times(N, C, H, W)}"
        cases.append(_operation(name, "conv2d", inputs, stride=stride, padding=padding))
    return cases


def pools() -> list[ReferenceCase]:
    """Windows, strides and paddings, on numbers that all differ and on ties."""
    draws, cases = Draws(2), []
    for window, stride, padding, (N, C, H, W) in POOLS:
        out = _output_size((H, W), window, stride or window, padding)
        name = f"max_pool2d window {window} stride {stride or window} padding {padding}"
        name += f" on {_times(N, C, H, W)}"
        for suffix, draw in [("", draws.numbers), (" with ties", draws.ties)]:
            inputs = {"x": draw(N, C, H, W), "dy": draws.numbers(N, C, *out)}
            settings = {"window": window, "stride": stride, "padding": padding}
            cases.append(_operation(name + suffix, "max_pool2d", inputs, **settings))
    return cases


def others() -> list[ReferenceCase]:
    """Dense layers, flatten, relu and softmax."""
    draws, cases = Draws(3), []
    for N, D, K in DENSE:
        inputs = {
            "x": draws.numbers(N, D),
            "w": draws.numbers(D, K),
            "b": draws.numbers(K),
            "dy": draws.numbers(N, K),
        }
        cases.append(_operation(f"dense {D} to {K}, batch of {N}", "dense", inputs))
    for shape in FLATTEN:
        inputs = {"x": draws.numbers(*shape), "dy": draws.numbers(shape[0], math.prod(shape[1:]))}
        cases.append(_operation(f"flatten on {_times(*shape)}", "flatten", inputs))
    for shape in RELU:
        for suffix, draw in [("", draws.numbers), (" with zeros", draws.ties)]:
            inputs = {"x": draw(*shape), "dy": draws.numbers(*shape)}
            cases.append(_operation(f"relu on {_times(*shape)}{suffix}", "relu", inputs))
    for shape in SOFTMAX:
        inputs = {"x": draws.numbers(*shape), "dy": draws.numbers(*shape)}
        cases.append(_operation(f"softmax on {_times(*shape)}", "softmax", inputs))
    return cases


def losses() -> list[ReferenceCase]:
    """Both losses, on mild and on extreme outputs."""
    draws, cases = Draws(4), []
    for N, K, size in LABELLED:
        logits, labels = size * draws.numbers(N, K), draws.labels(K, N)
        probabilities = draws.numbers(N, K) / 4.1 + 0.5  # from 0.01 to 0.99
        probabilities /= probabilities.sum(1, keepdims=True)
        for loss, outputs in [
            ("softmax_cross_entropy", logits),
            ("cross_entropy", probabilities),
        ]:
            inputs = {"outputs": outputs, "labels": labels}
            name = f"{loss} of {K} classes, batch of {N}"
            cases.append(_operation(name, loss, inputs))
    return cases


def unusual_convolutions() -> list[ReferenceCase]:
    """Padding "same", dilation, groups, no bias; and a dense layer without bias."""
    draws, cases = Draws(6), []
    for kernel, settings, (N, C, H, W), F, bias in UNUSUAL:
        x = draws.numbers(N, C, H, W)
        w = draws.numbers(F, C // settings.get("groups", 1), *_pair(kernel))
        inputs = {"x": x, "w": w} | ({"b": draws.numbers(F)} if bias else {})
        tensors = {name: torch.from_numpy(array) for name, array in inputs.items()}
        inputs["dy"] = draws.numbers(*torch_operations.conv2d(tensors, **settings).shape)
        given = " ".join(f"{key} {value}" for key, value in settings.items())
        name = f"conv2d kernel {kernel} {given} on {_times(N, C, H, W)}"
        cases.append(_operation(name, "conv2d", inputs, **settings))
    inputs = {"x": draws.numbers(4, 5), "w": draws.numbers(5, 3), "dy": draws.numbers(4, 3)}
    return [*cases, _operation("dense 5 to 3, batch of 4, without bias", "dense", inputs)]


def average_pools() -> list[ReferenceCase]:
    """Some of the windows of max-pooling, and whole images."""
    draws, cases = Draws(7), []
    for window, stride, padding, (N, C, H, W) in POOLS[5:8:2]:
        out = _output_size((H, W), window, stride or window, padding)
        name = f"avg_pool2d window {window} stride {stride or window} padding {padding}"
        inputs = {"x": draws.numbers(N, C, H, W), "dy": draws.numbers(N, C, *out)}
        settings = {"window": window, "stride": stride, "padding": padding}
        name += f" on {_times(N, C, H, W)}"
        cases.append(_operation(name, "avg_pool2d", inputs, **settings))
    for shape in FLATTEN[1:]:
        inputs = {"x": draws.numbers(*shape), "dy": draws.numbers(*shape[:2])}
        name = f"global_avg_pool on {_times(*shape)}"
        cases.append(_operation(name, "global_avg_pool", inputs))
    return cases


def activations() -> list[ReferenceCase]:
    """Leaky relu with zeros too, and the smooth activations, from small to large numbers."""
    draws, cases = Draws(8), []
    for shape, size in [((1, 1), 1.0), ((3, 5), 4.0)]:
        for operation in ("gelu", "sigmoid", "tanh"):
            inputs = {"x": size * draws.numbers(*shape), "dy": draws.numbers(*shape)}
            cases.append(_operation(f"{operation} on {_times(*shape)}", operation, inputs))
        for slope, draw in ((0.01, draws.numbers), (0.3, draws.ties)):
            inputs = {"x": draw(*shape), "dy": draws.numbers(*shape)}
            name = f"leaky_relu slope {slope} on {_times(*shape)}"
            cases.append(_operation(name, "leaky_relu", inputs, slope=slope))
    return cases


def batch_norms() -> list[ReferenceCase]:
    """Of images and vectors, in training and in inference; one pixel, and two values."""
    draws, cases = Draws(9), []
    for shape, training, epsilon in BATCH_NORMS:
        C = shape[1]
        inputs = {
            "x": draws.numbers(*shape),
            "scale": draws.numbers(C),
            "shift": draws.numbers(C),
            "mean": draws.numbers(C),
            "var": draws.numbers(C) ** 2 + 0.1,
            "dy": draws.numbers(*shape),
        }
        name = f"batch_norm in {'training' if training else 'inference'} epsilon {epsilon}"
        name += f" on {_times(*shape)}"
        settings = {"training": training, "epsilon": epsilon}
        cases.append(_operation(name, "batch_norm", inputs, **settings))
    return cases


def smoothed_losses() -> list[ReferenceCase]:
    """Smoothing, weights of classes, and both; one class weighs nothing."""
    draws, cases = Draws(10), []
    for N, K, size, smoothing, weighted in SMOOTHED:
        inputs = {"outputs": size * draws.numbers(N, K), "labels": draws.labels(K, N)}
        name = f"smoothed_cross_entropy of {K} classes, batch of {N}, smoothing {smoothing}"
        if weighted:
            weights = draws.numbers(K) ** 2 + 0.1
            weights[inputs["labels"][0] - 1] = 0
            inputs["class_weights"], name = weights, f"{name}, weighted"
        cases.append(_operation(name, "smoothed_cross_entropy", inputs, label_smoothing=smoothing))
    return cases


def networks() -> list[ReferenceCase]:
    """A whole network by both losses, and three steps of SGD without and with momentum."""
    params, x, labels = _network_inputs()
    return [
        _gradients(params, x[0], labels[0], "softmax_cross_entropy"),
        _gradients(params, x[0], labels[0], "cross_entropy"),
        _training("sgd with momentum 0.0", "sgd", momentum=0.0),
        _training("sgd with momentum 0.9", "sgd", momentum=0.9),
    ]


def optimizers() -> list[ReferenceCase]:
    """Three steps of the other optimizers."""
    return [_training(text, name, **settings) for text, name, settings in OPTIMIZERS]


def _network_inputs() -> tuple[dict[str, Array], Array, Array]:
    """Parameters, and three batches of three images with their labels."""
    draws = Draws(5)
    params = {path: 0.4 * draws.numbers(*shape) for path, shape in PARAMETERS.items()}
    return params, draws.numbers(3, 3, 2, 7, 6), draws.labels(3, 3, 3)


def _gradients(params: dict[str, Array], x: Array, labels: Array, loss: str) -> ReferenceCase:
    layers, network = CONVOLUTIONAL, convolutional()
    if loss == "cross_entropy":
        layers, network = [*layers, ("softmax", {})], network.append(nn.Softmax(-1))
    value, grads = torch_operations.value_and_grad(
        network, torch_operations.LOSSES[loss], params.values(), x, labels
    )
    return ReferenceCase(
        f"gradients of a network by {loss}",
        "value_and_grad",
        settings={"layers": layers, "loss": loss},
        inputs={"x": x, "labels": labels, **params},
        expected={"loss": np.asarray(value), **dict(zip(params, grads, strict=True))},
    )


def _training(text: str, optimizer: str, **settings: Any) -> ReferenceCase:
    loss, learning_rate = "softmax_cross_entropy", 0.1
    params, x, labels = _network_inputs()
    values, trained = torch_operations.train(
        convolutional(),
        torch_operations.LOSSES[loss],
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


def _operation(
    name: str, operation: str, inputs: dict[str, Array], **settings: Any
) -> ReferenceCase:
    expected = torch_operations.compute(operation, settings, inputs)
    return ReferenceCase(name, operation, settings, inputs, expected)


def _output_size(image: Shape, window: Sizes, stride: Sizes, padding: Sizes) -> list[int]:
    axes = zip(image, _pair(window), _pair(stride), _pair(padding), strict=True)
    return [(size + 2 * p - k) // s + 1 for size, k, s, p in axes]


def _pair(sizes: Sizes) -> tuple[int, int]:
    return sizes if isinstance(sizes, tuple) else (sizes, sizes)


def _times(*shape: int) -> str:
    return "x".join(map(str, shape))


if __name__ == "__main__":
    main()
