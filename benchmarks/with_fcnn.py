"""The tasks in fcnn, through its public functions."""

from collections.abc import Callable, Sequence

import numpy as np
from tasks import NETWORKS, Task

import fcnn
from fcnn.distributed.threads import run_on_threads
from fcnn.training.throughput import operations

SIDE = 1024
OPERATIONS_OF_PRODUCT = 2 * SIDE**3


def prepare(task: Task, threads: int | None = None) -> Callable[[int], None]:
    """A function that works through that many batches of a task."""
    model = build(NETWORKS[task.network])
    params, _ = model.init(np.random.default_rng(0), task.shape)
    rng = np.random.default_rng(1)
    x = rng.random((8 * task.batch, *task.shape), np.float32)
    labels = rng.integers(0, 10, len(x))
    batches = [slice(i * task.batch, (i + 1) * task.batch) for i in range(8)]
    gradient = fcnn.value_and_grad(model, fcnn.softmax_cross_entropy, threads=threads)
    optimizer = fcnn.sgd(0.01, momentum=0.9)
    state = optimizer.init(params)
    drawn = rng if model.needs_rng else None

    def train(count: int) -> None:
        nonlocal params, state
        for i in range(count):
            _, grads = gradient(params, x[batches[i % 8]], labels[batches[i % 8]], drawn)
            params, state = optimizer.step(params, grads, state)

    def predict(count: int) -> None:
        for i in range(count):
            fcnn.predict(model, params, x[batches[i % 8]], threads=threads)

    return train if task.kind == "train" else predict


def prepare_peak(threads: int | None = None) -> Callable[[int], None]:
    """A function that makes that many large matrix products."""
    a = np.ones((SIDE, SIDE), np.float32)

    def multiply(count: int) -> None:
        run_on_threads(lambda _: a @ a, range(count), threads)

    return multiply


def operations_per_image(task: Task) -> int:
    """Floating-point operations of the products of one image."""
    forward, backward = operations(build(NETWORKS[task.network]), task.shape)
    assert forward is not None
    return forward + backward if task.kind == "train" else forward


def build(network: Sequence[str | tuple[object, ...]]) -> fcnn.Layer:
    """The chain of a network that is given as data."""
    return fcnn.chain(*map(_layer, network))


def _layer(text: str | tuple[object, ...]) -> fcnn.Layer:
    match text:
        case "relu":
            return fcnn.relu
        case "flatten":
            return fcnn.flatten
        case "batch norm":
            return fcnn.batch_norm()
        case "global mean":
            return fcnn.global_avg_pool
        case ("conv", int(features), int(kernel), int(padding)):
            return fcnn.conv2d(features, kernel, padding=padding)
        case ("conv", int(features), int(kernel), int(padding), "no bias"):
            return fcnn.conv2d(features, kernel, padding=padding, bias=False)
        case ("pool", int(window)):
            return fcnn.max_pool2d(window)
        case ("dropout", float(rate)):
            return fcnn.dropout(rate)
        case ("dense", int(features)):
            return fcnn.dense(features)
    raise ValueError(f"unknown layer {text}")
