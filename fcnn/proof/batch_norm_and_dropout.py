"""What the layers claim that do something else in training than in inference."""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Final

import attrs
import numpy as np

from fcnn import tree
from fcnn.layers.layer import Cache, Layer, call_backward, call_calibrate, call_forward
from fcnn.numerics.arrays import Array, Shape
from fcnn.proof import layer_cases as cases
from fcnn.proof import operations
from fcnn.proof.layer_cases import Case
from fcnn.proof.proofs import Run
from fcnn.proof.shipped_values import differences_of
from fcnn.tree import Tree


@attrs.frozen(eq=False)
class Trained:
    """What is trained of the parameters of a batch normalisation."""

    scale: Array
    shift: Array


def in_inference(layer: Layer, in_shape: Shape) -> Layer:
    """The layer without a generator. Statistics are given then: no gradient is for them, so
    this is a function of the other parameters.
    """
    if layer.name != "batch_norm":
        return attrs.evolve(layer, forward=lambda params, x, rng=None: layer.forward(params, x))
    given = _parameters(layer, in_shape)

    def init(rng: np.random.Generator, in_shape: Shape) -> tuple[Trained, Shape]:
        params, out_shape = layer.init(rng, in_shape)
        return Trained(params.scale, params.shift), out_shape

    def forward(
        params: Trained, x: Array, rng: np.random.Generator | None = None
    ) -> tuple[Array, Cache]:
        whole = attrs.evolve(given, scale=params.scale, shift=params.shift)
        return layer.forward(whole, x)

    def backward(cache: Cache, dy: Array) -> tuple[Trained, Array]:
        dparams, dx = layer.backward(cache, dy)
        return Trained(dparams.scale, dparams.shift), dx

    return Layer(layer.name, init, forward, backward)


def _parameters(layer: Layer, in_shape: Shape) -> Tree:
    """Parameters in float64, all different, the variance above 0."""
    rng = np.random.default_rng(3)
    params, _ = layer.init(rng, in_shape)
    drawn = tree.map(lambda p: rng.standard_normal(p.shape), params)
    return attrs.evolve(drawn, var=0.1 + np.abs(drawn.var))


def _batch_norms() -> Iterator[tuple[str, Run]]:
    for case in cases.GRID["batch_norm"]:
        yield str(case), partial(_batch_norm, case)
        if case.training:
            yield f"{case}, calibrated", partial(_calibrated, case)


def _batch_norm(case: Case) -> Mapping[str, float]:
    """Channel by channel with matrices: with P, which takes the mean away, the normalised
    values are n = r P v, and their whole Jacobian is r (P - n n^T / M).
    """
    layer = case.layer()
    params = _parameters(layer, case.in_shape)
    x, dy = np.random.default_rng(0).standard_normal((2, case.batch, *case.in_shape))
    y, cache = call_forward(layer, params, x, np.random.default_rng(0) if case.training else None)
    dparams, dx = call_backward(layer, cache, dy)
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
    return {
        **differences_of(found, expected),
        **{name: _equal(getattr(dparams, name), np.zeros(C)) for name in ("mean", "var")},
    }


def _calibrated(case: Case) -> Mapping[str, float]:
    """With the statistics of x, inference on x is what training on x is."""
    layer = case.layer()
    params = _parameters(layer, case.in_shape)
    x = np.random.default_rng(0).standard_normal((case.batch, *case.in_shape))
    axes = (0, *range(2, x.ndim))
    expected, _ = call_forward(layer, params, x, np.random.default_rng(0))
    calibrated, output = call_calibrate(layer, params, x)
    inference, _ = call_forward(layer, calibrated, x, None)
    return differences_of(
        {"output": output, "y": inference, "mean": calibrated.mean, "var": calibrated.var},
        {"output": expected, "y": expected, "mean": x.mean(axes), "var": x.var(axes)},
    )


def _dropouts() -> Iterator[tuple[str, Run]]:
    for case in cases.GRID["dropout"]:
        yield str(case), partial(_dropout, case)
    for rate in (0.1, 0.5, 0.9):
        yield f"share that is dropped at rate {rate}", partial(_dropped, rate)


def _dropout(case: Case) -> Mapping[str, float]:
    """What a generator keeps of ones, it keeps of any x, divided by 1 - rate, and passes the
    gradient there; without a generator, x and dy are handed on as they are.
    """
    layer, keep = case.layer(), 1 - case.settings["rate"]
    x, dy = np.random.default_rng(0).standard_normal((2, case.batch, *case.in_shape))
    y, cache = call_forward(layer, (), x, np.random.default_rng(1) if case.training else None)
    _, dx = call_backward(layer, cache, dy)
    if not case.training:
        return {"y": _equal(y, x), "dx": _equal(dx, dy)}
    ones, _ = call_forward(layer, (), np.ones_like(x), np.random.default_rng(1))
    kept = ones != 0
    return differences_of({"y": y, "dx": dx}, {"y": x * kept / keep, "dx": dy * kept / keep})


def _dropped(rate: float) -> Mapping[str, float]:
    """Of many values, within five standard deviations."""
    x = np.ones((100, 10, 10, 10))
    y, _ = call_forward(
        operations.layer("dropout", {"rate": rate}), (), x, np.random.default_rng(0)
    )
    deviation = (rate * (1 - rate) / x.size) ** 0.5
    return {"share": max(0.0, abs(float((y == 0).mean()) - rate) - 5 * deviation)}


def _equal(actual: Array, expected: Array) -> float:
    """No error at all, or an infinite one."""
    return 0.0 if np.array_equal(actual, expected) else np.inf


DEFINITIONS: Final[Mapping[str, Callable[[], Iterator[tuple[str, Run]]]]] = {
    "batch_norm": _batch_norms,
    "dropout": _dropouts,
}
