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

from collections.abc import Callable
from functools import partial
from typing import Any

import attrs
import numpy as np

from fcnn import differences, tree
from fcnn.arrays import Array, Shape
from fcnn.layer import Cache, Layer, call_backward, call_forward
from fcnn.losses import Loss
from fcnn.tree import Tree

_REDRAWS = 20
_TINY = float(np.finfo(np.float64).tiny)


class GradientMismatch(AssertionError):  # noqa: N818 (it reads as what it says)
    """A backward function is not the derivative of its forward function."""


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
        Compare every element of the Jacobian, relative to the greatest of that gradient or
        to itself, whichever is greater. For small cases.
    tolerance
        The greatest relative error allowed.

    Raises
    ------
    GradientMismatch
        If a gradient is wrong; the message has the argument's path and both numbers.
    ValueError
        If x lies on a kink or tie and there is no `approach`.

    Examples
    --------
    >>> import fcnn
    >>> report = fcnn.check.layer(fcnn.conv2d(2, 3, padding=1), (1, 5, 5), jacobian=True)
    >>> sorted(report.errors), report.worst < 1e-9
    (['params.b', 'params.w', 'x'], True)
    """
    rng = np.random.default_rng(seed)
    initial, out_shape = layer.init(rng, in_shape)
    if params is None:
        params = tree.map(lambda p: p + 0.5 * rng.standard_normal(np.shape(p)), initial)
    params = _float64(params)

    def forward(arguments: Arguments) -> tuple[Array, Cache]:
        generator = np.random.default_rng(seed)
        y, cache = call_forward(layer, arguments.params, arguments.x, generator)
        if y.shape[1:] != tuple(out_shape):
            raise ValueError(
                f"check: {layer.name}: init announces outputs {tuple(out_shape)}, "
                f"forward gives {y.shape[1:]}"
            )
        return y, cache

    def backward(cache: Cache, dy: Array) -> Arguments:
        return Arguments(*call_backward(layer, cache, dy))

    for _ in range(_REDRAWS):
        point = rng.standard_normal((batch, *in_shape)) if x is None else x.astype(np.float64)
        try:
            return function(
                layer.name,
                forward,
                backward,
                Arguments(params, point),
                seed=seed,
                approach=None if approach is None else _direction(params, approach),
                jacobian=jacobian,
                tolerance=tolerance,
            )
        except differences.KinkError:
            if x is not None:
                raise
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

    def forward(arguments: LossArguments) -> tuple[Array, Cache]:
        value, cache = loss.forward(arguments.outputs, labels)
        return np.asarray(value), cache

    def backward(cache: Cache, dy: Array) -> LossArguments:
        return LossArguments(loss.backward(cache) * dy)

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
    y, cache = forward(arguments)
    _check_finite(name, "the output", y)
    leaves, structure = tree.flatten(arguments)
    paths = [path.lstrip(".") or "its argument" for path in structure.paths()]
    toward = None if approach is None else tree.leaves(approach)
    rng = np.random.default_rng(seed)
    rows = np.eye(y.size) if jacobian else rng.standard_normal((1, y.size))
    gradients = [
        _gradient_leaves(name, backward(cache, row.reshape(y.shape)), arguments) for row in rows
    ]

    def rows_of_output(index: int, v: Array, distance: float, step: float) -> Array:
        """The outputs, or their projection, at a distance from a kink and a step along v."""
        moved = list(leaves)
        if toward is not None:
            moved = [a + distance * b for a, b in zip(leaves, toward, strict=True)]
        moved[index] = moved[index] + step * v.reshape(moved[index].shape)
        moved_y: Array = forward(tree.unflatten(structure, moved))[0]
        return rows @ moved_y.ravel()

    def slope(index: int, v: Array) -> Array:
        try:
            if toward is None:
                return differences.slope(partial(rows_of_output, index, v, 0.0))
            return differences.one_sided_slope(lambda d: partial(rows_of_output, index, v, d))
        except differences.KinkError as error:
            raise differences.KinkError(f"check: {name}: on a kink or tie, {error}") from error

    floor = 1e-4 * float(np.abs(rows @ y.ravel()).max())
    errors = {}
    for index, path in enumerate(paths):
        size = leaves[index].size
        directions = np.eye(size) if jacobian else rng.standard_normal((2, size))
        jacobian_rows = np.stack([gradient[index].ravel() for gradient in gradients])
        claimed = jacobian_rows @ directions.T  # (rows, directions)
        expected = np.stack([slope(index, v) for v in directions], axis=1)
        scale = np.maximum(np.abs(claimed), np.abs(expected))
        scale = np.maximum(scale, max(float(np.abs(jacobian_rows).max()), floor, _TINY))
        relative = np.abs(claimed - expected) / scale
        errors[path] = float(relative.max())
        if not errors[path] <= tolerance:
            worst = np.unravel_index(int(relative.argmax()), relative.shape)
            place = _element(y, worst, path, leaves[index]) if jacobian else f"by {path}"
            raise GradientMismatch(
                f"check: {name}: the gradient {place} is wrong: backward says "
                f"{claimed[worst]:.10g}, differences say {expected[worst]:.10g} "
                f"(relative error {errors[path]:.1e}, allowed {tolerance:.0e})"
            )
    return Report(name, errors)


def _gradient_leaves(name: str, gradient: Tree, arguments: Tree) -> list[Array]:
    """The leaves of a gradient, which must have the form of what it is the gradient of."""

    def check(path: str, argument: Array, leaf: Array) -> Array:
        if np.shape(leaf) != argument.shape or np.asarray(leaf).dtype != argument.dtype:
            raise GradientMismatch(
                f"check: {name}: the gradient by {path.lstrip('.')} is "
                f"{np.asarray(leaf).dtype} of shape {np.shape(leaf)}, expected "
                f"{argument.dtype} of shape {argument.shape}"
            )
        _check_finite(name, f"the gradient by {path.lstrip('.')}", leaf)
        return leaf

    try:
        return tree.leaves(tree.map_with_path(check, arguments, gradient))
    except ValueError as error:
        raise GradientMismatch(f"check: {name}: {error}") from error


def _check_finite(name: str, what: str, array: Array) -> None:
    if not np.isfinite(array).all():
        raise GradientMismatch(f"check: {name}: {what} has values that are not finite")


def _element(y: Array, worst: tuple[Any, ...], path: str, leaf: Array) -> str:
    out_index = [int(i) for i in np.unravel_index(worst[0], y.shape)] or ""
    in_index = [int(i) for i in np.unravel_index(worst[1], leaf.shape)]
    return f"dy{out_index} / d {path}{in_index}"


def _direction(params: Tree, approach: Array) -> Arguments:
    """A direction that moves x alone."""
    return Arguments(tree.map(np.zeros_like, params), np.asarray(approach, np.float64))


def _float64(arrays: Tree) -> Tree:
    return tree.map(lambda a: np.asarray(a, np.float64), arrays)
