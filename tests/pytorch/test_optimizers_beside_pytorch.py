"""Optimizers, schedules and averages against PyTorch's, over whole trajectories."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

import fcnn
from fcnn import Optimizer, schedules, tree
from fcnn.numerics.arrays import Array

STEPS = 60
SHAPES = [(3, 2, 2, 2), (3,), (5, 4), (4,)]
TORCH_DECAYS: dict[str, Any] = {"decays": lambda path, leaf: True}  # PyTorch spares no leaf


def initial() -> list[Array]:
    rng = np.random.default_rng(0)
    return [rng.standard_normal(shape) for shape in SHAPES]


def gradients(step: int, scale: float = 1.0) -> list[Array]:
    rng = np.random.default_rng(step + 1)
    return [scale * (rng.standard_normal(shape) + 0.3) for shape in SHAPES]


def path_here(optimizer: Optimizer, scale: float = 1.0) -> tuple[list[list[Array]], Any]:
    params, seen = initial(), []
    state = optimizer.init(params)
    for step in range(STEPS):
        params, state = optimizer.step(params, gradients(step, scale), state)
        seen.append(params)
    return seen, state


def path_there(
    make: Callable[[list[Any]], Any],
    scale: float = 1.0,
    before: Callable[[list[Any]], Any] = lambda params: None,
) -> list[list[Array]]:
    params = [torch.tensor(p, requires_grad=True) for p in initial()]
    optimizer, seen = make(params), []
    for step in range(STEPS):
        for p, g in zip(params, gradients(step, scale), strict=True):
            p.grad = torch.tensor(g)
        before(params)
        optimizer.step()
        seen.append([p.detach().numpy().copy() for p in params])
    return seen


def assert_same_path(
    here: list[list[Array]], there: list[list[Array]], tolerance: float = 1e-11
) -> None:
    assert len(here) == len(there) == STEPS
    for ours, theirs in zip(here, there, strict=True):
        for a, b in zip(ours, theirs, strict=True):
            assert np.abs(a - b).max() <= tolerance * max(1.0, float(np.abs(b).max()))


@pytest.mark.parametrize("decay", [0.0, 0.05])
@pytest.mark.parametrize("nesterov", [False, True])
@pytest.mark.parametrize("momentum", [0.5, 0.9])
def test_sgd_with_an_l2_penalty(momentum: float, nesterov: bool, decay: float) -> None:
    """At a constant rate: with another one at each step, PyTorch's velocity is not ours."""
    ours = fcnn.l2_penalty(fcnn.sgd(0.05, momentum, nesterov=nesterov), decay, **TORCH_DECAYS)
    theirs = path_there(
        lambda params: torch.optim.SGD(
            params, lr=0.05, momentum=momentum, nesterov=nesterov, weight_decay=decay
        )
    )
    assert_same_path(path_here(ours)[0], theirs)


def test_decoupled_decay_of_sgd_is_that_of_adamw_around_another_step() -> None:
    """PyTorch has no such SGD; its AdamW multiplies by 1 - lr * weight_decay, then steps."""

    class Shrunk(torch.optim.SGD):  # type: ignore[misc, unused-ignore]
        def step(self, closure: Any = None) -> Any:
            with torch.no_grad():
                for p in self.param_groups[0]["params"]:
                    p.mul_(1 - 0.05 * 0.2)
            return super().step(closure)

    ours = fcnn.sgd(0.05, 0.9, nesterov=True, weight_decay=0.2, **TORCH_DECAYS)
    theirs = path_there(lambda params: Shrunk(params, lr=0.05, momentum=0.9, nesterov=True))
    assert_same_path(path_here(ours)[0], theirs)


@pytest.mark.parametrize("decay", [0.0, 0.05])
def test_adam(decay: float) -> None:
    ours = fcnn.l2_penalty(fcnn.adam(0.02, 0.8, 0.95, epsilon=1e-4), decay, **TORCH_DECAYS)
    theirs = path_there(
        lambda params: torch.optim.Adam(
            params, lr=0.02, betas=(0.8, 0.95), eps=1e-4, weight_decay=decay
        )
    )
    assert_same_path(path_here(ours)[0], theirs)


def test_the_defaults_of_adam_and_adamw() -> None:
    assert_same_path(path_here(fcnn.adam())[0], path_there(torch.optim.Adam))
    assert_same_path(path_here(fcnn.adamw(**TORCH_DECAYS))[0], path_there(torch.optim.AdamW))


def test_adamw_with_a_rule_for_its_leaves() -> None:
    ours = fcnn.adamw(0.02, weight_decay=0.3)
    theirs = path_there(
        lambda params: torch.optim.AdamW(
            [
                {"params": params[::2], "weight_decay": 0.3},
                {"params": params[1::2], "weight_decay": 0.0},
            ],
            lr=0.02,
        )
    )
    assert_same_path(path_here(ours)[0], theirs)


def test_clipping_by_global_norm() -> None:
    """PyTorch divides by the norm plus 1e-6, so the norms here are large."""
    scale, limit = 1e6, 3e6
    norms = [np.sqrt(sum((g**2).sum() for g in gradients(step, scale))) for step in range(STEPS)]
    assert min(norms) > limit
    ours = fcnn.clip_by_global_norm(fcnn.sgd(1e-7, 0.9), limit)
    theirs = path_there(
        lambda params: torch.optim.SGD(params, lr=1e-7, momentum=0.9),
        scale,
        before=lambda params: torch.nn.utils.clip_grad_norm_(params, limit),
    )
    assert_same_path(path_here(ours, scale)[0], theirs)


def test_clipping_and_a_penalty_nest_as_in_pytorch() -> None:
    inner = fcnn.l2_penalty(fcnn.sgd(0.05), 0.1, **TORCH_DECAYS)
    theirs = path_there(
        lambda params: torch.optim.SGD(params, lr=0.05, weight_decay=0.1),
        before=lambda params: torch.nn.utils.clip_grad_norm_(params, 2.0),
    )
    assert_same_path(path_here(fcnn.clip_by_global_norm(inner, 2.0))[0], theirs, 1e-6)


def test_average() -> None:
    """PyTorch's average starts from the first parameters it sees; so does this one, by hand."""
    from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

    seen, _ = path_here(fcnn.sgd(0.1))
    model = torch.nn.ParameterList([torch.tensor(p) for p in seen[0]])
    running: Any = get_ema_multi_avg_fn
    theirs = AveragedModel(model, multi_avg_fn=running(0.9))
    ours = seen[0]
    for params in seen:
        for tensor, p in zip(model, params, strict=True):
            tensor.data = torch.tensor(p)
        theirs.update_parameters(model)
        ours = fcnn.average(ours, params, 0.9)
        there = [p.detach().numpy() for p in theirs.parameters()]
        assert all(np.allclose(a, b, rtol=1e-12) for a, b in zip(ours, there, strict=True))


def test_with_average_forgets_the_first_parameters_as_the_decay_of_torch_would() -> None:
    """PyTorch's running average with another decay at each step, as with_average has it."""
    from torch.optim.swa_utils import AveragedModel

    decay = 0.9

    def unbiased(average: Any, now: Any, averaged_so_far: Any) -> Any:
        t = int(averaged_so_far) + 1
        weight = (1 - decay) / (1 - decay**t)
        return average + weight * (now - average)

    seen, state = path_here(fcnn.with_average(fcnn.sgd(0.1), decay))
    model = torch.nn.ParameterList([torch.tensor(p) for p in seen[0]])
    theirs = AveragedModel(model, avg_fn=unbiased)
    for params in seen:
        for tensor, p in zip(model, params, strict=True):
            tensor.data = torch.tensor(p)
        theirs.update_parameters(model)
    there = [p.detach().numpy() for p in theirs.parameters()]
    assert tree.allclose(fcnn.averaged(state), there, rtol=1e-11)


SCHEDULERS: dict[str, tuple[schedules.Schedule, Callable[[Any], Any]]] = {
    "step": (
        schedules.step_decay(0.3, 7, 0.5),
        lambda optimizer: torch.optim.lr_scheduler.StepLR(optimizer, 7, 0.5),
    ),
    "cosine": (
        schedules.cosine(0.3, STEPS, 0.01),
        lambda optimizer: torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, STEPS, 0.01),
    ),
    "warm-up": (
        schedules.warm_up(schedules.constant(0.3), 11, 0.2),
        lambda optimizer: torch.optim.lr_scheduler.LinearLR(optimizer, 0.2, total_iters=11),
    ),
    "warm-up of a cosine": (
        schedules.warm_up(schedules.cosine(0.3, STEPS), 11, 0.2),
        lambda optimizer: torch.optim.lr_scheduler.ChainedScheduler(
            [
                torch.optim.lr_scheduler.LinearLR(optimizer, 0.2, total_iters=11),
                torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, STEPS),
            ]
        ),
    ),
    "one-cycle": (
        schedules.one_cycle(0.3, STEPS),
        lambda optimizer: torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.3, STEPS),
    ),
    "one-cycle, its own settings": (
        schedules.one_cycle(0.3, STEPS, rise=0.17, start=0.1, final=1e-3, shape="linear"),
        lambda optimizer: torch.optim.lr_scheduler.OneCycleLR(
            optimizer, 0.3, STEPS, pct_start=0.17, anneal_strategy="linear", div_factor=10,
            final_div_factor=100,
        ),
    ),
    "one-cycle, no rise": (
        schedules.one_cycle(0.3, STEPS, rise=0),
        lambda optimizer: torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.3, STEPS, pct_start=0.0),
    ),
    "one-cycle, no fall": (
        schedules.one_cycle(0.3, STEPS, rise=1),
        lambda optimizer: torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.3, STEPS, pct_start=1.0),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", SCHEDULERS)
def test_the_rate_of_every_step(name: str) -> None:
    schedule, make = SCHEDULERS[name]
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.3)
    scheduler = make(optimizer)
    for step in range(STEPS):
        theirs = optimizer.param_groups[0]["lr"]
        assert schedule(step) == pytest.approx(theirs, rel=1e-9, abs=1e-12)
        optimizer.step()
        if step < STEPS - 1:
            scheduler.step()


def test_adamw_under_a_schedule() -> None:
    """The rate is outside the averages of Adam, so its steps agree under any schedule."""

    def make(params: list[Any]) -> Any:
        optimizer = torch.optim.AdamW(params, lr=0.1, weight_decay=0.1)
        scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, STEPS)
        optimizer.register_step_post_hook(lambda *arguments: scheduler.step())
        return optimizer

    ours = fcnn.adamw(schedules.cosine(0.1, STEPS), weight_decay=0.1, **TORCH_DECAYS)
    assert_same_path(path_here(ours)[0], path_there(make))
