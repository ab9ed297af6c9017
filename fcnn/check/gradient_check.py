"""The gradient checker: is this backward function the derivative of that forward function?

Two ways, both in float64. By random projection: for random u and v, <u, J v>, by
differences of the forward function, equals <J^T u, v>, by the backward function; a few
forward calls check a whole Jacobian. Or, for small cases, by the whole Jacobian, element by
element.

A kink (relu at 0) or a tie (two greatest pixels in a window) has no derivative, and a
check that lands on one proves nothing. Differences notice it: on random points the
checker draws others, and at a point of the caller's it says so, unless told by
`approach` from which side the gradient is to be the limit. Then it checks the convention.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs
import numpy as np

from fcnn import tree
from fcnn.arguments.arrays import check_array, check_shape
from fcnn.arguments.settings import check_function, check_kind, not_negative, positive, whole_number
from fcnn.check import differences
from fcnn.layers.layer import (
    Cache,
    Layer,
    call_backward,
    call_forward,
    call_init,
    parameter_gradients,
)
from fcnn.losses.loss import Loss, call_loss, call_loss_backward
from fcnn.numerics.arrays import Array, Shape
from fcnn.tree import Tree

_REDRAWS = 20
_TINY = float(np.finfo(np.float64).tiny)


class GradientMismatch(AssertionError):  # noqa: N818 (it reads as what it says)
    """A backward function is not the derivative of its forward function.

    `relative_error` is the figure, infinite for what has none, such as a wrong shape.
    """

    def __init__(self, message: str, relative_error: float = np.inf) -> None:
        super().__init__(message)
        self.relative_error = relative_error


@attrs.frozen
class Report:
    """The worst relative error of the gradient for each argument, by its path."""

    name: str
    errors: dict[str, float]

    @property
    def worst(self) -> float:
        """The greatest of the errors; 0 if there is nothing to differentiate."""
        return max(self.errors.values(), default=0.0)


@attrs.frozen(eq=False)
class Arguments:
    """What a layer is differentiated by."""

    params: Tree
    x: Array


@attrs.frozen(eq=False)
class LossArguments:
    """What a loss is differentiated by."""

    outputs: Array


def layer(
    layer: Layer,
    in_shape: Shape,
    *,
    batch: int = 3,
    seed: int = 0,
    params: Tree | None = None,
    x: Array | None = None,
    approach: Array | None = None,
    jacobian: bool = False,
    tolerance: float = 1e-6,
) -> Report:
    """Check the gradients of a layer by its parameters and by x.

    Parameters
    ----------
    layer
        Any layer, a chain too. A random one is given the same generator at every call.
    in_shape
        The shape of one example, such as (C, H, W).
    batch, seed
        How many random examples, and what they, the parameters and the projections are
        drawn from.
    params, x
        To check at a point of your own; x with its batch axis. Otherwise x is random, and
        the parameters are the initial ones moved at random: where all of them are 0 or 1,
        a factor that is forgotten makes no difference.
    approach
        For an x on a kink or tie: a direction like x. The gradient at x is then compared
        with the limit of those at x + d * approach for small d > 0.
    jacobian
        Compare every element of the Jacobian by itself. For small cases. Without it, one
        random projection of the outputs along two random directions of each argument is
        compared: a mistake in a few elements of many is then small against the whole.
    tolerance
        The greatest relative error allowed.

    Raises
    ------
    GradientMismatch
        If a gradient is wrong; the message has the argument's path and both numbers.
    TypeError
        If a dtype drifts: initial parameters that are not float32, float64 from float32.
    ValueError
        If x lies on a kink or tie and there is no `approach`.

    Examples
    --------
    >>> import fcnn
    >>> report = fcnn.check.layer(fcnn.conv2d(2, 3, padding=1), (1, 5, 5), jacobian=True)
    >>> sorted(report.errors), report.worst < 1e-9
    (['params.b', 'params.w', 'x'], True)
    """
    check_kind("check.layer", "layer", layer, Layer)
    in_shape = check_shape("check.layer", in_shape)
    positive("check.layer", "batch", batch)
    whole_number("check.layer", "seed", seed, 0)
    not_negative("check.layer", "tolerance", tolerance)
    if x is not None:
        check_array("check.layer", "x", x)
    rng = np.random.default_rng(seed)
    initial, out_shape = call_init(layer, rng, in_shape)
    if params is None:
        params = tree.map(lambda p: p + 0.5 * rng.standard_normal(np.shape(p)), initial)
    params = _float64(params)

    def forward(arguments: Arguments) -> tuple[Array, Cache]:
        rng = np.random.default_rng(seed)
        y, cache = call_forward(layer, arguments.params, arguments.x, rng)
        if y.shape[1:] != tuple(out_shape):
            raise ValueError(
                f"check: {layer.name}: init announces outputs {tuple(out_shape)}, "
                f"forward gives {y.shape[1:]}"
            )
        return y, cache

    def backward(cache: Cache, dy: Array) -> Arguments:
        return Arguments(*call_backward(layer, cache, dy))

    toward = None
    if approach is not None:  # a direction that moves x alone
        toward = Arguments(tree.map(np.zeros_like, params), _float64(approach))
    how: Any = {"seed": seed, "approach": toward, "jacobian": jacobian, "tolerance": tolerance}
    for _ in range(_REDRAWS):
        point = rng.standard_normal((batch, *in_shape)) if x is None else x.astype(np.float64)
        arguments = Arguments(params, point)
        try:
            report = function(layer.name, forward, backward, arguments, **how)
        except differences.KinkError:
            if x is not None:
                raise
        else:
            _check_backward_params(layer, *forward(arguments), rng)
            _check_float32(layer, initial, arguments, seed)
            return report
    raise ValueError(f"check: {layer.name} has kinks wherever it was tried")


def loss(
    loss: Loss,
    outputs: Array,
    labels: Array,
    *,
    seed: int = 0,
    jacobian: bool = True,
    tolerance: float = 1e-6,
) -> Report:
    """Check the gradient of a loss at the given outputs (N, K) and labels (N,).

    Raises GradientMismatch if it is wrong.
    """
    check_kind("check.loss", "loss", loss, Loss)
    check_array("check.loss", "outputs", outputs)

    def forward(arguments: LossArguments) -> tuple[Array, Cache]:
        value, cache = call_loss(loss, arguments.outputs, labels)
        return np.asarray(value), cache

    def backward(cache: Cache, dy: Array) -> LossArguments:
        return LossArguments(call_loss_backward(loss, cache, arguments.outputs) * dy)

    arguments = LossArguments(_float64(outputs))
    return function(
        loss.name, forward, backward, arguments, seed=seed, jacobian=jacobian, tolerance=tolerance
    )


def function(
    name: str,
    forward: Callable[[Tree], tuple[Array, Cache]],
    backward: Callable[[Cache, Array], Tree],
    arguments: Tree,
    *,
    seed: int = 0,
    approach: Tree | None = None,
    jacobian: bool = False,
    tolerance: float = 1e-6,
) -> Report:
    """Check any pair of functions: `forward(arguments) -> (y, cache)`, and
    `backward(cache, dy)`, the gradient, a tree like the arguments (float64 leaves).

    `layer` and `loss` are made of it; their documentation says the rest.
    """
    check_function("check.function", "forward", forward)
    check_function("check.function", "backward", backward)
    whole_number("check.function", "seed", seed, 0)
    not_negative("check.function", "tolerance", tolerance)
    arguments = tree.map(_read_only, arguments)
    y, cache = forward(arguments)
    check_array(f"check: {name}", "the output", y)
    if y.dtype != np.float64:
        raise TypeError(f"check: {name}: forward gives {y.dtype} for float64 arguments")
    _check_finite(name, "the output", y)
    rng = np.random.default_rng(seed)
    # What is differentiated: every output by itself, or one random combination of them.
    rows = np.eye(y.size) if jacobian else rng.standard_normal((1, y.size))
    gradients = [
        _gradient_leaves(name, backward(cache, _read_only(row.reshape(y.shape))), arguments)
        for row in rows
    ]
    leaves, structure = tree.flatten(arguments)
    toward = None if approach is None else tree.leaves(approach)

    def outputs(leaves: list[Array]) -> Array:
        moved: Array = forward(tree.unflatten(structure, leaves))[0]
        return rows @ moved.ravel()

    errors = {}
    for index, (path, leaf) in enumerate(zip(structure.paths(), leaves, strict=True)):
        argument, worst = path.lstrip(".") or "its argument", 0.0
        directions = np.eye(leaf.size) if jacobian else rng.standard_normal((2, leaf.size))
        for place, v in enumerate(directions if leaf.size else ()):
            claimed = np.array([gradient[index].ravel() @ v for gradient in gradients])
            expected = _slope(name, outputs, leaves, toward, index, v)
            error = _relative_error(claimed, expected, tolerance)
            worst = float(np.maximum(worst, error.max()))  # NaN stays, unlike with max
            if not worst <= tolerance:
                row = int(error.argmax())
                where = _element(y, row, argument, leaf, place) if jacobian else argument
                raise GradientMismatch(
                    f"check: {name}: the gradient by {where} is wrong: backward says "
                    f"{claimed[row]:.10g}, differences say {expected.value[row]:.10g} "
                    f"(relative error {worst:.1e}, allowed {tolerance:.0e})",
                    worst,
                )
        errors[argument] = worst
    return Report(name, errors)


def _slope(
    name: str,
    outputs: Callable[[list[Array]], Array],
    leaves: list[Array],
    toward: list[Array] | None,
    index: int,
    v: Array,
) -> differences.Slope:
    """The slope of the outputs along a direction of one leaf, by differences; the limit of it for
    points that approach the leaves from the side that is told.
    """
    reach = float(np.abs(leaves[index].ravel()[v != 0]).max())

    def at(distance: float) -> Callable[[float], Array]:
        start = leaves
        if toward is not None:
            pairs = zip(leaves, toward, strict=True)
            start = [_read_only(a + distance * b) for a, b in pairs]
        below, leaf, above = start[:index], start[index], start[index + 1 :]
        along = v.reshape(leaf.shape)
        return lambda step: outputs([*below, _read_only(leaf + step * along), *above])

    try:
        if toward is None:
            return differences.slope(at(0.0), reach)
        return differences.one_sided_slope(at, reach)
    except differences.KinkError as error:
        raise differences.KinkError(f"check: {name}: on a kink or tie, {error}") from error


def _relative_error(claimed: Array, expected: differences.Slope, tolerance: float) -> Array:
    """At most the tolerance where they differ by no more than it and the uncertainty allow."""
    size = np.maximum(np.abs(claimed), np.abs(expected.value))
    error: Array = np.abs(claimed - expected.value)
    return error / (size + expected.uncertainty / tolerance + _TINY)


def _check_backward_params(layer: Layer, y: Array, cache: Cache, rng: np.random.Generator) -> None:
    """The shorter way to the gradients of the parameters, where there is one, is right too."""
    dy = np.asarray(rng.standard_normal(y.shape))
    dparams, _ = call_backward(layer, cache, dy)
    shorter = parameter_gradients(layer, cache, dy)
    if tree.structure(shorter) != tree.structure(dparams) or not tree.allclose(
        shorter, dparams, rtol=1e-9, atol=1e-12
    ):
        raise GradientMismatch(
            f"check: {layer.name}: backward_params gives other gradients than backward"
        )


def _check_float32(layer: Layer, initial: Tree, arguments: Arguments, seed: int) -> None:
    """TypeError for a layer that draws other parameters than float32, or makes float64 of them."""
    check = f"check: {layer.name}"
    for path, leaf in tree.leaves_with_path(initial):
        if np.asarray(leaf).dtype != np.float32:
            found = np.asarray(leaf).dtype
            raise TypeError(f"{check}: init gives params{path} of {found}, expected float32")
    with np.errstate(all="ignore"):  # the numbers were looked at in float64
        arguments = tree.map(lambda a: _read_only(a.astype(np.float32)), arguments)
        y, cache = call_forward(layer, arguments.params, arguments.x, np.random.default_rng(seed))
        if y.dtype != np.float32:
            raise TypeError(f"{check}: forward gives {y.dtype} for float32 arguments")
        gradients = Arguments(*call_backward(layer, cache, np.ones_like(y)))
    for path, leaf in tree.leaves_with_path(gradients):
        if np.asarray(leaf).dtype != np.float32:
            found = np.asarray(leaf).dtype
            raise TypeError(
                f"{check}: backward gives the gradient by {path.lstrip('.')} as {found} for "
                "float32 arguments"
            )


def _gradient_leaves(name: str, gradient: Tree, arguments: Tree) -> list[Array]:
    """The leaves of a gradient, which must have the form of what it is the gradient of."""

    def check(path: str, argument: Array, leaf: Any) -> Any:
        what, leaf = f"the gradient by {path.lstrip('.')}", np.asarray(leaf)
        if leaf.shape != argument.shape or leaf.dtype != argument.dtype:
            raise GradientMismatch(
                f"check: {name}: {what} is {leaf.dtype} of shape {leaf.shape}, expected "
                f"{argument.dtype} of shape {argument.shape}"
            )
        _check_finite(name, what, leaf)
        return leaf

    try:
        return tree.leaves(tree.map_with_path(check, arguments, gradient))
    except ValueError as error:
        raise GradientMismatch(f"check: {name}: {error}") from error


def _check_finite(name: str, what: str, array: Array) -> None:
    if not np.isfinite(array).all():
        raise GradientMismatch(f"check: {name}: {what} has values that are not finite")


def _element(y: Array, row: int, argument: str, leaf: Array, place: int) -> str:
    out_index = [int(i) for i in np.unravel_index(row, y.shape)] or ""
    in_index = [int(i) for i in np.unravel_index(place, leaf.shape)]
    return f"{argument}{in_index} of output{out_index}"


def _read_only(array: Array) -> Array:
    """A copy that a function which writes to its arguments fails on."""
    array = np.array(array)
    array.flags.writeable = False
    return array


def _float64(arrays: Tree) -> Tree:
    return tree.map(lambda a: np.asarray(a, np.float64), arrays)
