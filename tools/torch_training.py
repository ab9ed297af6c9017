"""PyTorch's side of gradients and trainings: NumPy arrays in and out, as fcnn lays them out."""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import nn, optim

from fcnn.numerics.arrays import Array
from fcnn.proof import pytorch
from fcnn.proof.pytorch import TorchLoss


def value_and_grad(
    network: nn.Module, loss: TorchLoss, params: Iterable[Array], x: Array, labels: Array
) -> tuple[float, list[Array]]:
    """The loss and the gradients, in the order and layout of fcnn's parameters."""
    pytorch.set_parameters(network, params)
    value = loss(network(torch.from_numpy(x)), torch.from_numpy(labels))
    network.zero_grad()
    value.backward()  # type: ignore[no-untyped-call, unused-ignore]
    gradients = [pytorch.gradient(parameter) for parameter in network.parameters()]
    return value.item(), [pytorch.turned(gradient) for gradient in gradients]


def train(
    network: nn.Module,
    loss: TorchLoss,
    params: Iterable[Array],
    batches: Iterable[tuple[Array, Array]],
    optimizer: str,
    **settings: Any,
) -> tuple[list[float], list[Array]]:
    """The losses of the steps, and the parameters after them, as fcnn lays them out.

    The optimizer by the name and with the settings that it has in fcnn.
    """
    made = OPTIMIZERS[optimizer](network, **settings)
    found = list(pytorch.steps(network, loss, params, batches, made))
    return [value for value, _ in found], found[-1][1]


def adam(
    network: nn.Module,
    learning_rate: float,
    beta1: float = 0.9,
    beta2: float = 0.999,
    epsilon: float = 1e-8,
) -> optim.Optimizer:
    """Without weight decay."""
    return optim.Adam(network.parameters(), learning_rate, (beta1, beta2), epsilon)


def adamw(
    network: nn.Module,
    learning_rate: float,
    beta1: float = 0.9,
    beta2: float = 0.999,
    epsilon: float = 1e-8,
    weight_decay: float = 0.01,
) -> optim.Optimizer:
    """With weight decay of what has at least two axes."""
    parameters = list(network.parameters())
    groups = [
        {"params": [p for p in parameters if p.ndim >= 2], "weight_decay": weight_decay},
        {"params": [p for p in parameters if p.ndim < 2], "weight_decay": 0.0},
    ]
    return optim.AdamW(groups, learning_rate, (beta1, beta2), epsilon)


OPTIMIZERS: dict[str, Callable[..., optim.Optimizer]] = {
    "sgd": pytorch.sgd, "adam": adam, "adamw": adamw,
}  # fmt: skip
