"""The reference network and recipe in PyTorch, for the comparison in the README.

    python benchmarks/accuracy_with_pytorch.py [SEEDS]

Trains on the 5,000 embedded images with He initialisation, 5 epochs, batches of 64, SGD at
0.01 with momentum 0.9, for the seeds 0, 1, ..., and prints the accuracy on the 1,000 test
images for each, with their mean and standard deviation. Needs PyTorch.
"""

import sys

import numpy as np
import torch
from torch import nn

import fcnn


def accuracy(seed: int) -> float:
    """The test accuracy after training with one seed."""
    torch.manual_seed(seed)
    (x, y), (x_test, y_test) = (map(torch.from_numpy, pair) for pair in fcnn.data.mnist5k())
    model = nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(8, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 10),
    )  # fmt: skip
    for layer in model:
        if isinstance(layer, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            nn.init.zeros_(layer.bias)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    for _epoch in range(5):
        for batch in torch.randperm(len(x)).split(64):
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(x[batch]), y[batch]).backward()
            optimizer.step()
    with torch.no_grad():
        return float((model(x_test).argmax(1) == y_test).double().mean())


def main() -> None:
    """Print the accuracy for each seed, the mean and the standard deviation."""
    seeds = range(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
    found = [accuracy(seed) for seed in seeds]
    print("  ".join(f"{a:.1%}" for a in found))
    print(f"mean {np.mean(found):.2%}, standard deviation {100 * np.std(found):.2f} points")


if __name__ == "__main__":
    main()
