"""What is measured: networks as data, so that every library builds the same, and tasks."""

from collections.abc import Collection, Sequence
from typing import Final, NamedTuple


def _convolutions(
    features: Sequence[int], pooled: Collection[int], *before_dense: tuple[object, ...]
) -> list[str | tuple[object, ...]]:
    """Networks like `fcnn.models.deep_cnn`."""
    layers: list[str | tuple[object, ...]] = []
    for index, count in enumerate(features):
        layers += [("conv", count, 3, 1, "no bias"), "batch norm", "relu"]
        if index in pooled:
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
    "deep_cnn": _convolutions((24, 48, 48, 96, 96), (0, 2), ("dropout", 0.2)),
    "deep_cnn_small": _convolutions((12, 24, 24, 48, 48), (0, 2)),
    "tiny_cnn": _convolutions((8, 10, 16, 18, 24), (1, 3)),
}  # fmt: skip


class Bounds(NamedTuple):
    """How many times as many images per second as PyTorch fcnn should reach at least, and what it
    aims at: as PyTorch is commonly written, and at its best.
    """

    floor: tuple[float, float]
    goal: tuple[float, float]


class Task(NamedTuple):
    """One row of the tables: training steps or predictions of a network on random images, and
    the bounds on all cores and of one thread beside one thread, where there are some.
    """

    kind: str
    network: str
    batch: int
    shape: tuple[int, int, int]
    all_cores: Bounds
    one_thread: Bounds | None = None

    @property
    def name(self) -> str:
        """The task in words."""
        size = "x".join(map(str, self.shape))
        return f"{self.kind} {self.network}, batch {self.batch}, {size}"


MNIST: Final = (1, 28, 28)
COLOURS: Final = (3, 32, 32)
_SMALL: Final = Bounds((1.8, 1.5), (2.5, 2.0))
_DEEP: Final = Bounds((0.8, 0.8), (1.2, 1.2))
_ONE_IMAGE: Final = Bounds((1.0, 1.0), (1.5, 1.5))
# fmt: off
TASKS: Final = [
    Task("train", "mnist_cnn", 64, MNIST, _SMALL, Bounds((1.6, 1.1), (2.2, 1.6))),
    Task("train", "mnist_cnn", 256, MNIST, _SMALL, Bounds((1.5, 1.0), (2.0, 1.5))),
    Task("train", "lenet5", 64, MNIST,
         Bounds((1.5, 1.2), (2.0, 1.5)), Bounds((1.3, 1.1), (1.8, 1.5))),
    Task("train", "wide", 64, MNIST,
         Bounds((0.9, 0.8), (1.3, 1.1)), Bounds((0.8, 0.6), (1.0, 0.8))),
    Task("train", "mnist_cnn", 128, COLOURS,
         Bounds((1.3, 1.1), (1.8, 1.4)), Bounds((1.5, 0.9), (2.0, 1.3))),
    Task("train", "deep_cnn", 128, MNIST, _DEEP),
    Task("train", "deep_cnn_small", 64, MNIST, _DEEP),
    Task("predict", "mnist_cnn", 1, MNIST, _ONE_IMAGE, _ONE_IMAGE),
    Task("predict", "mnist_cnn", 1000, MNIST,
         Bounds((2.5, 1.5), (3.5, 2.0)), Bounds((4.0, 2.0), (6.0, 3.0))),
    Task("predict", "wide", 256, MNIST,
         Bounds((0.8, 0.7), (1.0, 0.9)), Bounds((1.0, 0.6), (1.4, 0.9))),
    Task("predict", "deep_cnn", 1000, MNIST, _DEEP),
]
# fmt: on
