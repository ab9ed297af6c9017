"""The training step in JAX, jitted, with images channels last."""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from jax import numpy as jnp
from tasks import NETWORKS, Task


def prepare(task: Task) -> Callable[[int], None]:
    """A function that works through that many batches of a task."""
    rng = np.random.default_rng(0)
    params = _parameters(rng, task)
    velocity = jax.tree.map(jnp.zeros_like, params)
    channels, height, width = task.shape
    x = jnp.asarray(rng.random((8, task.batch, height, width, channels), np.float32))
    labels = jnp.asarray(rng.integers(0, 10, (8, task.batch)))

    def outputs(params: Any, x: Any) -> Any:
        values = iter(params)
        for text in NETWORKS[task.network]:
            match text:
                case "relu":
                    x = jax.nn.relu(x)
                case "flatten":
                    x = x.reshape(len(x), -1)
                case ("conv", _, _, int(padding)):
                    w, b = next(values)
                    around = [(padding, padding)] * 2
                    order = ("NHWC", "HWIO", "NHWC")
                    x = jax.lax.conv_general_dilated(x, w, (1, 1), around, None, None, order) + b
                case ("pool", int(window)):
                    size = (1, window, window, 1)
                    x = jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, size, size, "VALID")
                case ("dense", _):
                    w, b = next(values)
                    x = x @ w + b
        return x

    def loss(params: Any, x: Any, labels: Any) -> Any:
        log_p = jax.nn.log_softmax(outputs(params, x))
        return -jnp.take_along_axis(log_p, labels[:, None], 1).mean()

    @jax.jit
    def step(params: Any, velocity: Any, x: Any, labels: Any) -> Any:
        grads = jax.grad(loss)(params, x, labels)
        velocity = jax.tree.map(lambda v, g: 0.9 * v - 0.01 * g, velocity, grads)
        return jax.tree.map(lambda p, v: p + v, params, velocity), velocity

    infer = jax.jit(outputs)

    def train(count: int) -> None:
        nonlocal params, velocity
        for i in range(count):
            params, velocity = step(params, velocity, x[i % 8], labels[i % 8])
        jax.block_until_ready(params)

    def predict(count: int) -> None:
        for i in range(count):
            jax.block_until_ready(infer(params, x[i % 8]))

    return train if task.kind == "train" else predict


def _parameters(rng: np.random.Generator, task: Task) -> list[tuple[Any, Any]]:
    params = []
    (channels, height, width), values = task.shape, 0
    for text in NETWORKS[task.network]:
        match text:
            case ("conv", int(features), int(kernel), int(padding)):
                shape: tuple[int, ...] = (kernel, kernel, channels, features)
                params.append(_layer(rng, shape, kernel * kernel * channels))
                channels = features
                height, width = (n + 2 * padding - kernel + 1 for n in (height, width))
            case ("pool", int(window)):
                height, width = height // window, width // window
            case "flatten":
                values = channels * height * width
            case ("dense", int(features)):
                params.append(_layer(rng, (values, features), values))
                values = features
    return params


def _layer(rng: np.random.Generator, shape: tuple[int, ...], fan_in: int) -> tuple[Any, Any]:
    w = rng.standard_normal(shape, np.float32) * np.float32(np.sqrt(2 / fan_in))
    return jnp.asarray(w), jnp.zeros(shape[-1], jnp.float32)
