"""Proofs: cases that are run one by one, and a verdict on all of them.

Each case gives relative errors by name, and a proof holds if none exceeds its tolerance.
Whatever goes wrong in a case, errors of any kind too, is a failure of that case alone.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, TypeAlias, TypeVar

import attrs
import numpy as np

from fcnn.arguments.wording import unknown
from fcnn.check import GradientMismatch
from fcnn.distributed.blas_threads import on_one_blas_thread
from fcnn.numerics.arrays import Array
from fcnn.tree import Tree, leaves_with_path

Run: TypeAlias = Callable[[], Mapping[str, float]]
Item = TypeVar("Item")

BY_DIFFERENCES: Final = 1e-6  # what differences can tell; right gradients are far below
EXACT: Final = 1e-12  # float64 to rounding: the same numbers, by another way


@attrs.frozen
class Proof:
    """What is proved, against what, and on which cases: pairs of a name and a function that
    gives the relative errors of the arguments or arrays by their names.
    """

    layer: str
    against: str
    tolerance: float
    cases: Callable[[], Iterable[tuple[str, Run]]]


@attrs.frozen
class Failure:
    """A case that does not hold, and what is wrong: the argument and the figures."""

    case: str
    message: str


@attrs.frozen
class Verdict:
    """What came out of a proof; `worst` is the greatest relative error, infinite if a case
    failed without a figure.
    """

    layer: str
    against: str
    cases: int
    worst: float
    failures: tuple[Failure, ...]

    @property
    def holds(self) -> bool:
        """Whether no case failed."""
        return not self.failures


@on_one_blas_thread  # cases are small: waking another thread costs more than it saves
def prove(proof: Proof, *, most: int | None = None) -> Verdict:
    """Run every case of a proof, or at most so many of them, whatever the others say."""
    cases = list(proof.cases())
    if most is not None:
        cases = spread(cases, most)
    worst, failures = 0.0, []
    for name, run in cases:
        error, message = _tried(run, proof.tolerance)
        worst = max(worst, error)
        if message:
            failures.append(Failure(name, message))
    return Verdict(proof.layer, proof.against, len(cases), worst, tuple(failures))


def choose(proofs: Iterable[Proof], layers: Iterable[str]) -> list[Proof]:
    """The proofs of these layers; all of them if none is named.

    Raises ValueError for a name that no proof has, with the nearest one.
    """
    proofs, layers = list(proofs), list(layers)
    known = {layer: None for proof in proofs for layer in proof.layer.split(" + ")}
    for layer in layers:
        if layer not in known:
            raise ValueError(unknown("layer", layer, known))
    return [proof for proof in proofs if not layers or set(layers) & set(proof.layer.split(" + "))]


def spread(items: Sequence[Item], most: int) -> list[Item]:
    """At most so many of a sequence, at even distances, from the first on.

    Examples
    --------
    >>> spread("abcdefgh", 3), spread("ab", 3)
    (['a', 'c', 'f'], ['a', 'b'])
    """
    count = min(most, len(items))
    return [items[i * len(items) // count] for i in range(count)]


def differences(actual: Mapping[str, Tree], expected: Mapping[str, Tree]) -> dict[str, float]:
    """The relative error of each array of trees by name and path, infinite if it is missing."""
    found, right = (
        {f"{name}{path}": leaf for name in trees for path, leaf in leaves_with_path(trees[name])}
        for trees in (actual, expected)
    )
    return {
        name: relative_error(np.asarray(found[name]), np.asarray(right[name]))
        if name in found and name in right
        else np.inf
        for name in {**right, **found}
    }


def relative_error(actual: Array, expected: Array) -> float:
    """The greatest difference, relative to the largest magnitude of what is expected or 1;
    infinite if the arrays differ in shape or dtype, or it is not finite.
    """
    if actual.shape != expected.shape or actual.dtype != expected.dtype:
        return np.inf
    largest = max(1.0, float(np.abs(expected).max()))
    error = float(np.abs(np.subtract(actual, expected, dtype=np.float64)).max()) / largest
    return error if np.isfinite(error) else np.inf


def _tried(run: Run, tolerance: float) -> tuple[float, str]:
    """The greatest error of a case, and what is wrong with it, if anything."""
    try:
        errors = run()
    except GradientMismatch as mismatch:
        return _finite(mismatch.relative_error), str(mismatch)
    except Exception as error:  # a broken operation may raise anything
        return np.inf, f"{type(error).__name__}: {error}"
    errors = {what: _finite(error) for what, error in errors.items()}
    wrong = [f"{what} by {error:.1e}" for what, error in errors.items() if error > tolerance]
    text = f"wrong, relatively: {', '.join(wrong)}; allowed {tolerance:.0e}" if wrong else ""
    return max(errors.values(), default=0.0), text


def _finite(error: float) -> float:
    """What is not a number is the greatest of all errors."""
    return np.inf if np.isnan(error) else error
