"""Proofs: cases that are run one by one, and a verdict on all of them.

Each case gives relative errors by name, and a proof holds if none exceeds its tolerance.
Whatever goes wrong in a case, errors of any kind too, is a failure of that case alone.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Final, TypeAlias

import attrs
import numpy as np

from fcnn.arguments.wording import unknown
from fcnn.check.gradient_check import GradientMismatch
from fcnn.distributed.blas_threads import on_one_blas_thread

Run: TypeAlias = Callable[[], Mapping[str, float]]

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
def prove(proof: Proof) -> Verdict:
    """Run every case of a proof, whatever the others say."""
    worst, count, failures = 0.0, 0, []
    for name, run in proof.cases():
        count += 1
        try:
            errors = run()
        except GradientMismatch as mismatch:
            failures.append(Failure(name, str(mismatch)))
            worst = _greater(worst, mismatch.relative_error)
        except Exception as error:  # a broken operation may raise anything
            failures.append(Failure(name, f"{type(error).__name__}: {error}"))
            worst = np.inf
        else:
            worst = _greater(worst, 0.0, *errors.values())
            wrong = {what: e for what, e in errors.items() if not e <= proof.tolerance}
            if wrong:
                figures = ", ".join(f"{what} by {e:.1e}" for what, e in wrong.items())
                message = f"wrong, relatively: {figures}; allowed {proof.tolerance:.0e}"
                failures.append(Failure(name, message))
    return Verdict(proof.layer, proof.against, count, worst, tuple(failures))


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


def _greater(worst: float, *errors: float) -> float:
    """The greatest of the errors; what is not a number is the greatest of all."""
    return max(worst, *(np.inf if np.isnan(error) else error for error in errors))
