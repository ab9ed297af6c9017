"""How the cost of training grows with images, pixels and width: docs/pictures/scaling.png.

    python benchmarks/scaling.py [--rounds 5] [--seconds 0.3]

Cost is linear where the curves are flat: images per second over the batch size; pixels per
second over the side of the images; multiply-adds per second over the number of features. The
settings take turns, and a point is the median over the rounds.
"""

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from time import perf_counter

import matplotlib as mpl
import numpy as np

import fcnn
from fcnn import chain, conv2d, dense, flatten, max_pool2d, relu
from fcnn.networks.summary import summarize

mpl.use("agg")
import matplotlib.pyplot as plt

PICTURE = Path(__file__).parent.parent / "docs" / "pictures" / "scaling.png"
BATCHES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)
SIDES = (8, 12, 20, 28, 40, 64, 96, 128)
WIDTHS = (1, 2, 4, 8, 16, 32, 64)  # times 4 and 8 features


def main() -> None:
    """Measure the three series, print them, draw them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=0.3)
    options = parser.parse_args()
    panels = [
        ("images in a batch", "images/s", BATCHES, [(network(2), n, 28, n) for n in BATCHES]),
        (
            "pixels on a side (batches of 64)",
            "million pixels/s",
            SIDES,
            [(network(2), 64, side, 64 * side**2 / 1e6) for side in SIDES],
        ),
        (
            "features of the last convolution (batches of 64)",
            "forward multiply-adds/s, thousand millions",
            [8 * width for width in WIDTHS],
            [(network(w), 64, 28, 64 * multiply_adds(network(w)) / 1e9) for w in WIDTHS],
        ),
    ]
    figure, axes = plt.subplots(1, 3, figsize=(13, 4), layout="constrained")
    for ax, (xlabel, ylabel, xs, settings) in zip(axes, panels, strict=True):
        rates = measure(settings, options.rounds, options.seconds)
        print(f"\n{xlabel}: {ylabel}")
        for x, rate in zip(xs, rates, strict=True):
            print(f"{x:6} {rate:12,.1f}")
        ax.plot(xs, rates, "o-", color="#1f5fa8")
        ax.set_xscale("log", base=2)
        ax.set_xticks(xs, [str(x) for x in xs])
        ax.set_ylim(0, 1.15 * max(rates))
        ax.set(xlabel=xlabel, ylabel=ylabel)
        ax.grid(alpha=0.3)
        ax.spines[["top", "right"]].set_visible(False)
    figure.savefig(PICTURE, dpi=110)
    print(f"\n{PICTURE}")


def network(width: int) -> fcnn.Layer:
    """`mnist_cnn` with other numbers of features; width 2 is the one that has that name."""
    return chain(
        conv2d(4 * width, 3, padding=1), relu, max_pool2d(2),
        conv2d(8 * width, 3, padding=1), relu, max_pool2d(2),
        flatten, dense(128), relu, dense(10),
    )  # fmt: skip


def multiply_adds(model: fcnn.Layer) -> int:
    """Of one 28x28 image, forward."""
    return sum(row.multiply_adds or 0 for row in summarize(model, (1, 28, 28)))


def measure(
    settings: Sequence[tuple[fcnn.Layer, int, int, float]], rounds: int, seconds: float
) -> list[float]:
    """Training steps per second of each setting (model, batch, side), times its last number."""
    steps = [step(model, batch, side) for model, batch, side, _ in settings]
    times: list[list[float]] = [[] for _ in steps]
    for run in steps:
        for _ in range(4):  # until helpers are at work
            run()
    for _ in range(rounds):
        for run, measured in zip(steps, times, strict=True):
            begun, count = perf_counter(), 0
            while count == 0 or perf_counter() - begun < seconds:
                run()
                count += 1
            measured.append((perf_counter() - begun) / count)
    return [work / median(measured) for (*_, work), measured in zip(settings, times, strict=True)]


def step(model: fcnn.Layer, batch: int, side: int) -> Callable[[], None]:
    """A function that makes one training step on random images."""
    rng = np.random.default_rng(0)
    params, _ = model.init(rng, (1, side, side))
    x = rng.random((batch, 1, side, side), np.float32)
    labels = rng.integers(0, 10, batch)
    gradient = fcnn.value_and_grad(model, fcnn.softmax_cross_entropy)
    optimizer = fcnn.sgd(0.001, momentum=0.9)
    state = optimizer.init(params)

    def run() -> None:
        nonlocal params, state
        _, grads = gradient(params, x, labels)
        params, state = optimizer.step(params, grads, state)

    return run


if __name__ == "__main__":
    main()
