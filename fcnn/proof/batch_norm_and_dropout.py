"""What the layers are that do something else in training than in inference."""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Final

import numpy as np

import fcnn
from fcnn.distributed.sample import Sample
from fcnn.distributed.world import ALONE
from fcnn.layers.layer import call_calibrate, call_forward
from fcnn.numerics.arrays import Array
from fcnn.proof.case import Case
from fcnn.proof.layer_cases import some_of
from fcnn.proof.proofs import Run, differences


def _batch_norms() -> Iterator[tuple[str, Run]]:
    cases = list(some_of("batch_norm"))
    for case in cases:
        yield str(case), partial(_batch_norm, case)
    for case in cases:
        if case.training:
            yield f"{case}, calibrated", partial(_calibrated, case)


def _batch_norm(case: Case) -> Mapping[str, float]:
    """Channel by channel with matrices: with P, which takes the mean away, the normalised
    values are n = r P v, and their whole Jacobian is r (P - n n^T / M).
    """
    (params, x, dy), (y, dparams, dx) = case.arguments(), case.results()
    C, epsilon = x.shape[1], case.settings.get("epsilon", 1e-5)
    expected = {name: np.zeros_like(x) for name in ("y", "dx")}
    expected |= {name: np.zeros(C) for name in ("scale", "shift")}
    for c in range(C):
        values, dvalues = x[:, c].ravel(), dy[:, c].ravel()
        one = np.eye(len(values))
        if case.training:
            without_mean = one - 1 / len(values)
            centred = without_mean @ values
            r = (centred @ centred / len(values) + epsilon) ** -0.5
            normal = r * centred
            jacobian = r * (without_mean - np.outer(normal, normal) / len(values))
        else:
            r = (params.var[c] + epsilon) ** -0.5
            normal, jacobian = r * (values - params.mean[c]), r * one
        shape = x[:, c].shape
        expected["y"][:, c] = (params.scale[c] * normal + params.shift[c]).reshape(shape)
        expected["dx"][:, c] = (params.scale[c] * dvalues @ jacobian).reshape(shape)
        expected["scale"][c], expected["shift"][c] = normal @ dvalues, dvalues.sum()
    found = {"y": y, "dx": dx, "scale": dparams.scale, "shift": dparams.shift}
    statistics = {name: _equal(getattr(dparams, name), np.zeros(C)) for name in ("mean", "var")}
    return differences(found, expected) | statistics


def _calibrated(case: Case) -> Mapping[str, float]:
    """With the statistics of x, in shards of one, inference on x is what training on x is."""
    layer = case.layer()
    params, x, _ = case.arguments()
    axes = (0, *range(2, x.ndim))
    expected, _ = call_forward(layer, params, x, case.rng())
    sample = Sample.of(x, ALONE, threads=1, shard=1)
    calibrated, output = call_calibrate(layer, params, sample)
    inference, _ = call_forward(layer, calibrated, x, None)
    return differences(
        {"output": output.whole(), "y": inference, "mean": calibrated.mean, "var": calibrated.var},
        {"output": expected, "y": expected, "mean": x.mean(axes), "var": x.var(axes)},
    )


def _dropouts() -> Iterator[tuple[str, Run]]:
    for case in some_of("dropout"):
        yield str(case), partial(_dropout, case)
    for rate in (0.1, 0.5, 0.9):
        yield f"share that is dropped at rate {rate}", partial(_dropped, rate)


def _dropout(case: Case) -> Mapping[str, float]:
    """What a generator keeps of ones, it keeps of any x, divided by 1 - rate, and passes the
    gradient there; without a generator, x and dy are handed on as they are.
    """
    (_, x, dy), (y, _, dx) = case.arguments(), case.results()
    if not case.training:
        return {"y": _equal(y, x), "dx": _equal(dx, dy)}
    ones, _ = call_forward(case.layer(), (), np.ones_like(x), case.rng())
    factor = (ones != 0) / (1 - case.settings["rate"])
    return differences({"y": y, "dx": dx}, {"y": x * factor, "dx": dy * factor})


def _dropped(rate: float) -> Mapping[str, float]:
    """Of many values, within five standard deviations."""
    x = np.ones((100, 10, 10, 10))
    y, _ = call_forward(fcnn.dropout(rate), (), x, np.random.default_rng(0))
    deviation = (rate * (1 - rate) / x.size) ** 0.5
    return {"share": max(0.0, abs(float((y == 0).mean()) - rate) - 5 * deviation)}


def _equal(actual: Array, expected: Array) -> float:
    """No error at all, or an infinite one."""
    return 0.0 if np.array_equal(actual, expected) else np.inf


DEFINITIONS: Final[Mapping[str, Callable[[], Iterator[tuple[str, Run]]]]] = {
    "batch_norm": _batch_norms,
    "dropout": _dropouts,
}
