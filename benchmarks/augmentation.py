"""What augmentation costs, beside the training step it is for.

    python benchmarks/augmentation.py [--images 100] [--rounds 200]

Each round draws a batch of digits, augments it in every way and makes one training step with
mnist_cnn. Milliseconds, median over the rounds and the least.
"""

import argparse
from statistics import median
from time import perf_counter

import numpy as np

import fcnn
from fcnn.augmentation import affine, compose, elastic, noise, random_erasing

recipe = affine(rotation=12, scale=0.1, shift=2.5)
KINDS = {
    "affine(rotation=12, scale=0.1, shift=2.5)": recipe,
    "elastic(20, 4)": elastic(20, 4),
    "random_erasing()": random_erasing(),
    "noise(0.1)": noise(0.1),
    "affine, then elastic": compose(recipe, elastic(20, 4)),
}
STEP = "training step of mnist_cnn"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=200)
    arguments = parser.parse_args()

    (images, labels), _ = fcnn.data.mnist5k()
    model, optimizer = fcnn.models.mnist_cnn(), fcnn.sgd(0.01, momentum=0.9)
    rng = np.random.default_rng(0)
    params, _ = model.init(rng, images.shape[1:])
    state = optimizer.init(params)
    gradient = fcnn.value_and_grad(model, fcnn.softmax_cross_entropy)

    seconds: dict[str, list[float]] = {name: [] for name in (*KINDS, STEP)}
    for _ in range(arguments.rounds):
        batch = rng.integers(0, len(images), arguments.images)
        x = images[batch]
        for name, augment in KINDS.items():
            begun = perf_counter()
            augment(rng, x)
            seconds[name].append(perf_counter() - begun)
        x = recipe(rng, x)
        begun = perf_counter()
        _, grads = gradient(params, x, labels[batch])
        params, state = optimizer.step(params, grads, state)
        seconds[STEP].append(perf_counter() - begun)

    print(f"| {arguments.images} images of 28x28 | median, ms | least, ms |\n| --- | --- | --- |")
    for name, times in seconds.items():
        print(f"| {name} | {1e3 * median(times):.2f} | {1e3 * min(times):.2f} |")


if __name__ == "__main__":
    main()
