"""What is measured: networks as data, so that every library builds the same, and tasks."""

from typing import Final, NamedTuple


def _deep(width: int, *before_dense: tuple[object, ...]) -> list[str | tuple[object, ...]]:
    """`fcnn.models.deep_cnn`."""
    layers: list[str | tuple[object, ...]] = []
    for index, factor in enumerate((1, 2, 2, 4, 4)):
        layers += [("conv", factor * width, 3, 1, "no bias"), "batch norm", "relu"]
        if index in (0, 2):
            layers.append(("pool", 2))
    return [*layers, "global mean", *before_dense, ("dense", 10)]


# ("conv", features, kernel, padding), also with "no bias"; ("pool", window), ("dense", features),
# ("dropout", rate), "relu", "flatten", "batch norm", "global mean"
NETWORKS: Final[dict[str, list[str | tuple[object, ...]]]] = {
    "mnist_cnn": [
        ("conv", 8, 3, 1), "relu", ("pool", 2), ("conv", 16, 3, 1), "relu", ("pool", 2),
        "flatten", ("dense", 128), "relu", ("dense", 10),
    ],
    "lenet5": [
        ("conv", 6, 5, 2), "relu", ("pool", 2), ("conv", 16, 5, 0), "relu", ("pool", 2),
        "flatten", ("dense", 120), "relu", ("dense", 84), "relu", ("dense", 10),
    ],
    "wide": [
        ("conv", 32, 3, 1), "relu", ("conv", 32, 3, 1), "relu", ("pool", 2),
        ("conv", 64, 3, 1), "relu", ("conv", 64, 3, 1), "relu", ("pool", 2),
        "flatten", ("dense", 128), "relu", ("dense", 10),
    ],
    "deep_cnn": _deep(24, ("dropout", 0.2)),
    "deep_cnn_small": _deep(12),
}  # fmt: skip


class Task(NamedTuple):
    """One row of the table: training steps or predictions of a network on random images.

    floor and goal: how many times as many images per second as PyTorch, as it is commonly
    written and at its best.
    """

    kind: str
    network: str
    batch: int
    shape: tuple[int, int, int]
    floor: tuple[float, float]
    goal: tuple[float, float]

    @property
    def name(self) -> str:
        """The task in words."""
        size = "x".join(map(str, self.shape))
        return f"{self.kind} {self.network}, batch {self.batch}, {size}"


MNIST: Final = (1, 28, 28)
TASKS: Final = [
    Task("train", "mnist_cnn", 64, MNIST, (1.8, 1.5), (2.5, 2.0)),
    Task("train", "mnist_cnn", 256, MNIST, (1.8, 1.5), (2.5, 2.0)),
    Task("train", "lenet5", 64, MNIST, (1.5, 1.2), (2.0, 1.5)),
    Task("train", "wide", 64, MNIST, (0.9, 0.8), (1.3, 1.1)),
    Task("train", "mnist_cnn", 128, (3, 32, 32), (1.3, 1.1), (1.8, 1.4)),
    Task("train", "deep_cnn", 128, MNIST, (0.8, 0.8), (1.2, 1.2)),
    Task("train", "deep_cnn_small", 64, MNIST, (0.8, 0.8), (1.2, 1.2)),
    Task("predict", "mnist_cnn", 1, MNIST, (1.0, 1.0), (1.5, 1.5)),
    Task("predict", "mnist_cnn", 1000, MNIST, (2.5, 1.5), (3.5, 2.0)),
    Task("predict", "wide", 256, MNIST, (0.8, 0.7), (1.0, 0.9)),
    Task("predict", "deep_cnn", 1000, MNIST, (0.8, 0.8), (1.2, 1.2)),
]
