"""What `fit` makes of the cores of a machine, beside as many fits that share nothing.

    python benchmarks/cores.py [--networks mnist_cnn deep_cnn_small] [--batch 64] [--cores 2]
        [--rounds 9] [--seconds 1]

Two cores of a shared machine seldom do the work of two, so what independent fits do side by side
is the measure, not what one does. All programs stay up and take turns: in every round, for the
given seconds each, one fit with one thread, as many of these at once as there are cores, one fit
with a thread for each core, and a loop of `value_and_grad` and `Optimizer.step` with as many.
Figures are medians over the rounds, ratios those of ratios within a round. In brackets are the
floor and the goal that fcnn has set itself, for two cores. The first step of an epoch, in which
processes may be started, does not count.
"""

import argparse
import sys
from collections.abc import Callable, Iterator
from statistics import median
from time import perf_counter
from typing import Any, Final

import numpy as np
import turns
from tasks import MNIST, NETWORKS
from with_fcnn import build

import fcnn

BOUNDS: Final = {("mnist_cnn", 64, 2): "(0.80, 0.95)", ("deep_cnn_small", 64, 2): "(0.92, 0.97)"}
BATCHES_OF_EPOCH: Final = 10


def main() -> None:
    """Print a table for each network as soon as it is measured."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--networks", nargs="+", default=["mnist_cnn", "deep_cnn_small"],
                        choices=NETWORKS)  # fmt: skip
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--seconds", type=float, default=1.0, help="for a part of a round")
    options = parser.parse_args()
    for name in options.networks:
        parts = measure(name, options.batch, options.cores, options.rounds, options.seconds)
        bounds = BOUNDS.get((name, options.batch, options.cores), "")
        title = f"{name}, batches of {options.batch}"
        print(f"\n{title:30} {'images/s':>14}")
        for line in table(parts, options.cores, bounds):
            print(line, flush=True)


def table(parts: list[list[float]], cores: int, bounds: str) -> Iterator[str]:
    """A line for each part: its median, and that of its ratios to another part."""
    one, together, fit, loop = parts
    for name, rates, ratio in (
        ("one fit, threads=1", one, ""),
        (f"{cores} such fits side by side", together, f"{within(together, one)} of one fit"),
        (f"one fit, threads={cores}", fit, f"{within(fit, together)} of those {bounds}"),
        (f"value_and_grad, threads={cores}", loop, f"{within(loop, together)} of those {bounds}"),
    ):
        yield f"{name:30} {median(rates):>14,.0f}   {ratio}".rstrip()


def within(rates: list[float], others: list[float]) -> str:
    """The median of the ratios within a round."""
    return f"{median(a / b for a, b in zip(rates, others, strict=True)):.2f}"


def measure(name: str, batch: int, cores: int, rounds: int, seconds: float) -> list[list[float]]:
    """Images per second in each round: of one fit, of several together, of one on all cores, and
    of the loop.
    """
    singles = [turns.start(__file__, "--worker", "fit", name, batch, 1) for _ in range(cores)]
    fit, loop = (turns.start(__file__, "--worker", w, name, batch, cores) for w in ("fit", "loop"))
    programs = [singles[:1], singles, [fit], [loop]]
    found: list[list[float]] = [[] for _ in programs]
    for number in range(rounds + 1):
        for side_by_side, rates in zip(programs, found, strict=True):
            answers = turns.ask(side_by_side, seconds)
            if answers is None:
                raise SystemExit("a worker has failed")
            if number > 0:  # the first is for starting up
                rates.append(sum(answers))
    turns.end([*singles, fit, loop])
    return found


def work(kind: str, name: str, batch: int, threads: int) -> None:
    """The worker's side: of `fit`, or of a loop of one's own."""
    epochs = {"fit": epochs_of_fit, "loop": epochs_of_loop}[kind]
    times: list[float] = []
    done = epochs(name, batch, lambda *_: times.append(perf_counter()), threads=threads)
    answer(done, times, batch)


def answer(epochs: Iterator[object], times: list[float], batch: int) -> None:
    """Read how long, go through epochs for that time, say how fast, again and again. An epoch
    leaves the times of its steps.
    """
    for line in sys.stdin:
        until = perf_counter() + float(line)
        steps, taken = 0, 0.0
        while taken == 0 or perf_counter() < until:
            times.clear()
            next(epochs)
            # What others work beside, to the end of the epoch, is not counted.
            counted = [time for time in times if time < until] or times
            steps += len(counted) - 1
            taken += counted[-1] - counted[0]
        print(steps * batch / taken, flush=True)


def epochs_of_fit(
    name: str, batch: int, on_batch: Callable[[int, int], None], **options: Any
) -> Iterator[object]:
    """Epochs of `fit` on random images."""
    model, params, optimizer, train = begin(name, batch)
    return fcnn.fit(
        model, params, optimizer, train, epochs=10**9, batch_size=batch, seed=0,
        on_batch=on_batch, **options,
    )  # fmt: skip


def epochs_of_loop(
    name: str, batch: int, on_batch: Callable[[int, int], None], **options: Any
) -> Iterator[object]:
    """The same steps in a loop of one's own."""
    model, params, optimizer, (x, labels) = begin(name, batch)
    state = optimizer.init(params)
    rng = np.random.default_rng(0)
    gradient = fcnn.value_and_grad(model, fcnn.softmax_cross_entropy, **options)
    while True:
        order = rng.permutation(len(x))
        for step in range(BATCHES_OF_EPOCH):
            chosen = order[step * batch : (step + 1) * batch]
            _, grads = gradient(params, x[chosen], labels[chosen], rng)
            params, state = optimizer.step(params, grads, state)
            on_batch(step + 1, BATCHES_OF_EPOCH)
        yield None


def begin(
    name: str, batch: int
) -> tuple[fcnn.Layer, object, fcnn.Optimizer, tuple[np.ndarray, np.ndarray]]:
    """A network, its parameters, an optimizer, and what is trained on."""
    model = build(NETWORKS[name])
    rng = np.random.default_rng(0)
    params, _ = model.init(rng, MNIST)
    x = rng.random((BATCHES_OF_EPOCH * batch, *MNIST), np.float32)
    return model, params, fcnn.sgd(0.01, momentum=0.9), (x, rng.integers(0, 10, len(x)))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--worker"]:
        kind, name, *numbers = sys.argv[2:]
        work(kind, name, *map(int, numbers))
    else:
        main()
