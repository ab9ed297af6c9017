"""Where the time of a training step goes: every layer, forward and backward, one thread.

    python benchmarks/profile_layers.py [NETWORK] [SHARD]

NETWORK is one of `tasks.NETWORKS`; SHARD how many images at a time (32). Prints medians
in microseconds, the share of the whole, and for products the GFLOP/s, beside those of one
large matrix product on this machine. What is left to the whole are checks, the chain and
the interpreter.
"""

import sys
import time
from collections.abc import Callable
from statistics import median

import numpy as np
from tasks import MNIST, NETWORKS
from with_fcnn import build

import fcnn
from fcnn.distributed.blas_threads import on_one_blas_thread
from fcnn.distributed.malloc import keep_freed_memory
from fcnn.networks.rewriting import faster
from fcnn.networks.summary import summarize
from fcnn.numerics.arrays import Array


def main() -> None:
    """Print one line per layer."""
    network = sys.argv[1] if len(sys.argv) > 1 else "mnist_cnn"
    shard = int(sys.argv[2]) if len(sys.argv) > 2 else 32
    keep_freed_memory()
    on_one_blas_thread(profile)(network, shard)


def profile(network: str, shard: int) -> None:
    """Time each layer by itself, on what the layers before and behind it give it."""
    model = faster(build(NETWORKS[network]))
    params, _ = model.init(np.random.default_rng(0), MNIST)
    multiply_adds = [row.multiply_adds or 0 for row in summarize(model, MNIST)]
    rng = np.random.default_rng(1)
    x = rng.random((shard, *MNIST), np.float32)
    labels = rng.integers(0, 10, shard)
    ys, caches = [x], []
    for layer, own in zip(model.children, params, strict=True):
        y, cache = layer.forward(own, ys[-1], rng)
        ys.append(y)
        caches.append(cache)
    _, loss_cache = fcnn.softmax_cross_entropy.forward(ys[-1], labels)
    dys: list[Array] = [fcnn.softmax_cross_entropy.backward(loss_cache)]
    for layer, cache in zip(reversed(model.children), reversed(caches), strict=True):
        dys.insert(0, layer.backward(cache, dys[0])[1])
    gradient = fcnn.value_and_grad(model, fcnn.softmax_cross_entropy, threads=1, shard=shard)
    whole = microseconds(lambda: gradient(params, x, labels, rng))
    left = whole
    print(f"{network}, {shard} images at a time, one thread; matrix product {peak():.0f} GFLOP/s")
    print(f"{'layer':28}{'forward':>9}{'GFLOP/s':>9}{'backward':>10}{'GFLOP/s':>9}{'share':>8}")
    for i, layer in enumerate(model.children):
        lowest = i == 0 and layer.backward_params is not None
        back = layer.backward_params if lowest else layer.backward
        assert back is not None
        forward = microseconds(lambda i=i, layer=layer: layer.forward(params[i], ys[i], rng))
        backward = microseconds(lambda i=i, back=back: back(caches[i], dys[i + 1]))
        left -= forward + backward
        work = 2 * multiply_adds[i] * shard / 1000  # GFLOP/s times microseconds
        speeds = (work / forward, (1 if lowest else 2) * work / backward) if work else (0, 0)
        cells = [f"{speed:9.0f}" if speed else " " * 9 for speed in speeds]
        print(
            f"{layer!r:28}{forward:9.0f}{cells[0]}{backward:10.0f}{cells[1]}"
            f"{(forward + backward) / whole:8.1%}"
        )
    print(f"{'the rest':28}{left:9.0f}{left / whole:36.1%}")
    print(f"{'the whole':28}{whole:9.0f}")


def microseconds(function: Callable[[], object]) -> float:
    """The median time of a call over 15 series."""
    function()
    count = 1
    times = []
    while len(times) < 15:
        begun = time.perf_counter()
        for _ in range(count):
            function()
        seconds = time.perf_counter() - begun
        if seconds < 0.005:
            count *= 2
        else:
            times.append(seconds / count * 1e6)
    return median(times)


def peak() -> float:
    """GFLOP/s of one large float32 product in one thread."""
    a = np.random.default_rng(0).random((1500, 1500), np.float32)
    return 2 * 1500**3 / microseconds(lambda: a @ a) / 1000


if __name__ == "__main__":
    main()
