"""What the optimizers do: steps that are their equations, written out."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import product
from typing import Any, Final, TypeAlias

import numpy as np

import fcnn
from fcnn.numerics.arrays import Array
from fcnn.optimizers.optimizer import Optimizer
from fcnn.proof.proofs import Run, differences

# The gradients of a parameter so far, the last step's at the end, and the rate of each step.
Past: TypeAlias = Sequence[tuple[float, Array]]


def by_equations(name: str) -> Iterator[tuple[str, Run]]:
    """Few steps by hand, and more of them by the sums that they come to."""
    for text, settings, gradients, ends in _BY_HAND[name]:
        yield f"{text} by hand", partial(_by_hand, name, settings, gradients, ends)
    for settings, (text, falls) in product(
        _SETTINGS[name], (("rate 0.1", 0), ("a falling rate", 1))
    ):
        given = [f"{key} {value}" for key, value in settings.items()]
        yield ", ".join([text, *given]), partial(_by_equations, name, settings, falls)


def clipping() -> Iterator[tuple[str, Run]]:
    """What is handed on of gradients of all sizes, longer than allowed and shorter."""

    def errors(size: float, most: float) -> Mapping[str, float]:
        rng = np.random.default_rng(0)
        g = {"w": rng.standard_normal((3, 2)), "b": rng.standard_normal(2)}
        norm = np.sqrt(sum((array**2).sum() for array in g.values()))
        grads = {leaf: size * array for leaf, array in g.items()}
        optimizer = fcnn.clip_by_global_norm(fcnn.sgd(1.0), float(size * most * norm))
        params = {leaf: np.zeros_like(array) for leaf, array in g.items()}
        after, _ = optimizer.step(params, grads, optimizer.init(params))
        found = {leaf: array / size for leaf, array in after.items()}
        return differences(found, {leaf: -min(1.0, most) * array for leaf, array in g.items()})

    for size, most in product((1e-6, 1.0, 1e6), (0.25, 1.5)):
        yield f"a norm of {most} allowed, gradients times {size:g}", partial(errors, size, most)


def penalties() -> Iterator[tuple[str, Run]]:
    """The steps that the optimizer takes by itself with g + strength * p, for the leaves that
    decay.
    """

    def errors(make: Callable[[], Optimizer], strength: float) -> Mapping[str, float]:
        rng = np.random.default_rng(0)
        p = {"w": rng.standard_normal((3, 2)), "b": rng.standard_normal(2)}
        optimizer, within, expected = fcnn.l2_penalty(make(), strength), make(), dict(p)
        state, state_within = optimizer.init(p), within.init(p)
        for _ in range(3):
            g = {leaf: rng.standard_normal(array.shape) for leaf, array in p.items()}
            p, state = optimizer.step(p, g, state)
            g["w"] = g["w"] + strength * expected["w"]
            expected, state_within = within.step(expected, g, state_within)
        return differences(p, expected)

    for strength in (0.0, 0.3):
        yield f"sgd, strength {strength}", partial(errors, lambda: fcnn.sgd(0.1, 0.9), strength)
        yield f"adam, strength {strength}", partial(errors, lambda: fcnn.adam(0.1), strength)


def averages() -> Iterator[tuple[str, Run]]:
    """The sum of decay^(t - k) * p_k over the steps so far, divided by the sum of these weights."""

    def errors(decay: float) -> Mapping[str, float]:
        rng = np.random.default_rng(0)
        optimizer, p = fcnn.with_average(fcnn.sgd(0.1, 0.9), decay), rng.standard_normal((3, 2))
        state, seen = optimizer.init(p), []
        found, expected = {}, {}
        for step in range(1, 6):
            p, state = optimizer.step(p, rng.standard_normal((3, 2)), state)
            seen.append(p)
            weights = _sum(decay, [np.ones(()) for _ in seen])
            found[f"after step {step}"] = fcnn.averaged(state)
            expected[f"after step {step}"] = _sum(decay, seen) / weights
        return differences(found, expected)

    for decay in (0.0, 0.5, 0.99):
        yield f"decay {decay}", partial(errors, decay)


def masking() -> Iterator[tuple[str, Run]]:
    """The trained leaves take the steps that they take without the others, which stay."""

    def errors(make: Callable[[], Optimizer]) -> Mapping[str, float]:
        rng = np.random.default_rng(0)
        p = {leaf: rng.standard_normal((3, 2)) for leaf in ("frozen", "trained")}
        expected, alone = dict(p), {"trained": p["trained"]}
        optimizer, within = fcnn.masked(make(), lambda path: path == "['trained']"), make()
        state, state_within = optimizer.init(p), within.init(alone)
        for _ in range(3):
            g = {leaf: rng.standard_normal((3, 2)) for leaf in p}
            p, state = optimizer.step(p, g, state)
            alone, state_within = within.step(alone, {"trained": g["trained"]}, state_within)
        return differences(p, expected | alone)

    yield "sgd with weight decay", partial(errors, lambda: fcnn.sgd(0.1, 0.9, weight_decay=0.2))
    yield "adamw", partial(errors, lambda: fcnn.adamw(0.1, weight_decay=0.2))
    yield "clipped sgd", partial(errors, lambda: fcnn.clip_by_global_norm(fcnn.sgd(0.1), 0.5))


def _by_hand(
    name: str, settings: Mapping[str, Any], gradients: Sequence[float], ends: Sequence[float]
) -> Mapping[str, float]:
    """The steps of a matrix of one number, from 1 at a rate of 0.1."""
    optimizer, p, found = getattr(fcnn, name)(0.1, **settings), np.ones((1, 1)), {}
    state = optimizer.init(p)
    for step, g in enumerate(gradients):
        p, state = optimizer.step(p, np.full((1, 1), float(g)), state)
        found[f"p after step {step + 1}"] = p
    expected = [np.full((1, 1), end) for end in ends]
    return differences(found, dict(zip(found, expected, strict=True)))


def _by_equations(name: str, settings: Mapping[str, Any], falls: int) -> Mapping[str, float]:
    """Five steps of a matrix and a bias, which no weight decay touches."""

    def rate(step: int) -> float:
        return 0.1 / (1 + falls * step)

    rng = np.random.default_rng(0)
    p = {"w": rng.standard_normal((3, 2)), "b": rng.standard_normal(2)}
    optimizer = getattr(fcnn, name)(rate, **settings)
    params, state = p, optimizer.init(p)
    past: dict[str, list[tuple[float, Array]]] = {leaf: [] for leaf in p}
    own, equation = dict(settings), _sgd if name == "sgd" else _adam
    weight_decay = own.pop("weight_decay", 0.01 if name == "adamw" else 0.0)
    errors: dict[str, float] = {}
    for step in range(5):
        g = {leaf: rng.standard_normal(array.shape) for leaf, array in p.items()}
        params, state = optimizer.step(params, g, state)
        for leaf, array in p.items():
            past[leaf].append((rate(step), g[leaf]))
            kept = 1 - rate(step) * weight_decay if leaf == "w" else 1.0
            p[leaf] = kept * array + equation(past[leaf], **own)
        found = differences(params, p)
        errors |= {f"{leaf} after step {step + 1}": error for leaf, error in found.items()}
    return errors


def _sgd(past: Past, momentum: float = 0.0, nesterov: bool = False) -> Array:
    """Each gradient counts momentum^k of its rate after k more steps; with Nesterov's
    momentum, the velocity is taken one step further.
    """
    last, g = past[-1]
    velocity = -_sum(momentum, [rate * gradient for rate, gradient in past])
    return momentum * velocity - last * g if nesterov else velocity


def _adam(past: Past, beta1: float = 0.9, beta2: float = 0.999, epsilon: float = 1e-8) -> Array:
    """The means are weighted by beta^k for what is k steps back, and the weights divided by
    their sum, which is what the correction of the bias is.
    """
    gradients = [g for _, g in past]
    ones = [np.ones(()) for _ in past]
    mean = _sum(beta1, gradients) / _sum(beta1, ones)
    square = _sum(beta2, [g**2 for g in gradients]) / _sum(beta2, ones)
    return -past[-1][0] * mean / (np.sqrt(square) + epsilon)


def _sum(decay: float, terms: Sequence[Array]) -> Array:
    """decay^k times what is k places before the end."""
    total: Array = np.asarray(sum(decay**k * term for k, term in enumerate(reversed(terms))))
    return total


_BETAS: Final[list[dict[str, Any]]] = [
    {},
    {"beta1": 0.5, "beta2": 0.9},
    {"beta1": 0.0, "beta2": 0.0, "epsilon": 0.1},
]
_SETTINGS: Final[Mapping[str, list[dict[str, Any]]]] = {
    "sgd": [
        {"nesterov": nesterov, "momentum": momentum, **decay}
        for nesterov in (False, True)
        for momentum, decay in ((0.0, {}), (0.5, {}), (0.9, {}), (0.9, {"weight_decay": 0.2}))
    ],
    "adam": _BETAS,
    "adamw": [*_BETAS, *({**given, "weight_decay": 0.2} for given in _BETAS)],
}

# What is done by hand: settings, the gradient of each step, and the parameter after it.
_HALVES: Final = {"beta1": 0.5, "beta2": 0.5, "epsilon": 1.0}
_BY_HAND: Final[Mapping[str, list[tuple[str, dict[str, Any], list[float], list[float]]]]] = {
    "sgd": [
        # v: -0.2, then -0.1 - 0.2, then -0.15 - 0.2
        ("three steps", {"momentum": 0.5}, [2, 2, 2], [0.8, 0.5, 0.15]),
        # v as before; each step takes half of it and 0.2 besides
        ("three steps of Nesterov's", {"momentum": 0.5, "nesterov": True}, [2, 2, 2],
         [0.7, 0.35, -0.025]),
        # 0.95 of 1, less 0.2; then 0.95 of 0.75, less 0.3
        ("two steps with weight decay", {"momentum": 0.5, "weight_decay": 0.5}, [2, 2],
         [0.75, 0.4125]),
    ],
    # m' / (sqrt(s') + 1): 1 / 2, then (-1/4) / (3/4) / 2
    "adam": [("two steps", _HALVES, [1, -1], [0.95, 0.95 + 0.1 / 6])],
    # the same, of 0.9 of what was there
    "adamw": [
        ("two steps", {**_HALVES, "weight_decay": 1.0}, [1, -1], [0.85, 0.9 * 0.85 + 0.1 / 6])
    ],
}  # fmt: skip
