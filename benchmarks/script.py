"""A script of `save_script`, which has NumPy alone, beside `fcnn.predict`.

    python benchmarks/script.py [--networks mnist_cnn ...] [--images 1000] [--rounds 9]
        [--seconds 0.5]

The script of a network and `predict` of the same network are programs of their own that stay up
and take turns, on as many images at a time as are given. Prints, in images per second, the median
of each over the rounds, and that of the ratios within a round. The script is to be within a factor
of two.
"""

import argparse
import runpy
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from statistics import median
from time import perf_counter

import numpy as np
import turns

NETWORKS = ("mnist_cnn", "deep_cnn", "deep_cnn_small", "lenet5")
IN_SHAPE = (1, 28, 28)


def main() -> None:
    """Print a row for each network as soon as it is measured."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--networks", nargs="+", default=NETWORKS, choices=NETWORKS)
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--seconds", type=float, default=0.5, help="for each in a round")
    options = parser.parse_args()
    print(f"| {options.images:,} images | script, images/s | fcnn.predict | script by predict |")
    print("| --- | --- | --- | --- |")
    with tempfile.TemporaryDirectory() as folder:
        for name in options.networks:
            path = Path(folder, f"{name}.py")
            write(name, path)
            script, predict = measure(
                [(path, options.images), (name, options.images)], options.rounds, options.seconds
            )
            ratio = median(a / b for a, b in zip(script, predict, strict=True))
            print(f"| {name} | {median(script):,.0f} | {median(predict):,.0f} | {ratio:.2f} |",
                  flush=True)  # fmt: skip


def write(name: str, path: Path) -> None:
    """Write the script of a network."""
    import fcnn

    fcnn.exchange.save_script(path, *model_and_params(name), IN_SHAPE)


def measure(workers: list[tuple[object, int]], rounds: int, seconds: float) -> list[list[float]]:
    """Images per second of each worker in each round."""
    programs = [turns.start(__file__, "--worker", *worker) for worker in workers]
    found: list[list[float]] = [[] for _ in programs]
    for number in range(rounds + 1):
        for program, rates in zip(programs, found, strict=True):
            answer = turns.ask([program], seconds)
            if answer is None:
                raise SystemExit("a worker has failed")
            if number > 0:  # the first is for starting up
                rates += answer
    turns.end(programs)
    return found


def work(what: str, images: int) -> None:
    """The worker's side: of the script at a path, or of `predict` of a network by name."""
    outputs_of = predict_of_script(what) if what.endswith(".py") else predict_of_fcnn(what)
    x = np.random.default_rng(0).random((images, *IN_SHAPE), np.float32)
    for line in sys.stdin:
        begun, done = perf_counter(), 0
        while done == 0 or perf_counter() < begun + float(line):
            outputs_of(x)
            done += images
        print(done / (perf_counter() - begun), flush=True)


def predict_of_script(path: str) -> Callable[[np.ndarray], np.ndarray]:
    """What the script has under that name; nothing of fcnn is loaded."""
    predict: Callable[[np.ndarray], np.ndarray] = runpy.run_path(path)["predict"]
    return predict


def predict_of_fcnn(name: str) -> Callable[[np.ndarray], np.ndarray]:
    """`fcnn.predict` of a network."""
    import fcnn

    model, params = model_and_params(name)
    return lambda x: fcnn.predict(model, params, x)


def model_and_params(name: str) -> tuple[object, object]:
    """A network and its first parameters."""
    import fcnn

    model = getattr(fcnn.models, name)()
    params, _ = model.init(np.random.default_rng(0), IN_SHAPE)
    return model, params


if __name__ == "__main__":
    if sys.argv[1:2] == ["--worker"]:
        work(sys.argv[2], int(sys.argv[3]))
    else:
        main()
