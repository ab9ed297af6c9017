"""The tasks in PyTorch: as people write it, and at its best."""

from collections.abc import Callable

import torch
from tasks import NETWORKS, Task
from torch import nn


def prepare(task: Task, best: bool = False, threads: int | None = None) -> Callable[[int], None]:
    """A function that works through that many batches of a task.

    At its best: channels last where images have more than a pixel's worth of work, and the
    fused optimizer. Which memory format is the better one, `compare.py` measures.
    """
    if threads:
        torch.set_num_threads(threads)
    torch.manual_seed(0)
    model = network(task.network, task.shape).train(task.kind == "train")
    x = torch.rand(8 * task.batch, *task.shape)
    labels = torch.randint(0, 10, (len(x),))
    if best:
        model = model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    xs = list(x.split(task.batch))
    if best:
        xs = [part.contiguous(memory_format=torch.channels_last) for part in xs]
    ys = labels.split(task.batch)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9, fused=best or None)

    def train(count: int) -> None:
        for i in range(count):
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(xs[i % 8]), ys[i % 8]).backward()
            optimizer.step()

    def predict(count: int) -> None:
        with torch.inference_mode():
            for i in range(count):
                model(xs[i % 8])

    return train if task.kind == "train" else predict


def network(name: str, shape: tuple[int, ...]) -> nn.Module:
    """One of `tasks.NETWORKS` for images of that shape."""
    layers: list[nn.Module] = []
    (channels, height, width), values = shape, 0
    for text in NETWORKS[name]:
        match text:
            case "relu":
                layers.append(nn.ReLU())
            case "flatten":
                layers.append(nn.Flatten())
                values = channels * height * width
            case "batch norm":
                layers.append(nn.BatchNorm2d(channels))
            case "global mean":
                layers += [nn.AdaptiveAvgPool2d(1), nn.Flatten()]
                values = channels
            case ("conv", int(features), int(kernel), int(padding), *no_bias):
                layers.append(
                    nn.Conv2d(channels, features, kernel, padding=padding, bias=not no_bias)
                )
                channels = features
                height, width = (n + 2 * padding - kernel + 1 for n in (height, width))
            case ("pool", int(window)):
                layers.append(nn.MaxPool2d(window))
                height, width = height // window, width // window
            case ("dropout", float(rate)):
                layers.append(nn.Dropout(rate))
            case ("dense", int(features)):
                layers.append(nn.Linear(values, features))
                values = features
    return nn.Sequential(*layers)
