"""`fcnn verify`: what is installed here computes the right thing."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import attrs
import numpy as np
import typer

from fcnn.cli.exit_codes import NOT_PROVED, exit_codes, wrong_usage
from fcnn.cli.options import JsonOption
from fcnn.cli.progress import Bar
from fcnn.cli.reports import print_json, table
from fcnn.proof import catalogue
from fcnn.proof.proofs import Verdict, choose, prove

if TYPE_CHECKING:
    from fcnn.proof.beside_pytorch import Training


def verify(
    layers: Annotated[
        list[str] | None, typer.Argument(help="Only these, such as conv2d; by default all.")
    ] = None,
    with_torch: Annotated[
        bool, typer.Option("--torch", help="Compare with PyTorch too, in training as well.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Prove that what is installed here computes the right thing: every gradient, loss and step."""
    begun = time.perf_counter()
    with exit_codes(), Bar(shown=not as_json) as bar:
        with wrong_usage():
            proofs = catalogue.proofs()
            trained: dict[str, Training] = {}
            if with_torch:
                proofs += _beside_pytorch().proofs(trained)
            chosen = choose(proofs, layers or [])
        found = []
        with np.errstate(all="ignore"):  # a broken operation overflows, and is reported anyway
            for done, each in enumerate(chosen):
                bar.update("Proofs", done, len(chosen))
                found.append(prove(each))
        bar.close()
        holds = all(verdict.holds for verdict in found)
        if as_json:
            figures = {
                "holds": holds,
                "proofs": [verdict_figures(verdict) for verdict in found],
                "training": [training_figures(training) for training in trained.values()],
                "seconds": time.perf_counter() - begun,
            }
            print_json(figures)
        else:
            for training in trained.values():
                typer.echo(training_beside_torch(training) + "\n")
            typer.echo(verdicts(found))
        if not holds:
            raise typer.Exit(NOT_PROVED)


def _beside_pytorch() -> Any:
    """The module that compares with PyTorch; ValueError where that is missing."""
    try:
        from fcnn.proof import beside_pytorch
    except ImportError as error:
        raise ValueError(
            f"verify --torch needs PyTorch, which cannot be imported ({error}); "
            "pip install torch, or leave --torch away"
        ) from error
    return beside_pytorch


def verdicts(found: Sequence[Verdict], most: int = 3) -> str:
    """One line for each proof, the first failures of those that do not hold, and the sum.

    The errors are relative ones.
    """
    rows = [
        [
            verdict.layer,
            verdict.against,
            f"{verdict.cases:,}",
            f"{verdict.worst:.1e}",
            "holds" if verdict.holds else "DOES NOT HOLD",
        ]
        for verdict in found
    ]
    header = ["Layer", "Checked against", "Cases", "Worst error", "Verdict"]
    lines = [table(header, rows, left=[0, 1, 4]), ""]
    wrong = [verdict for verdict in found if not verdict.holds]
    for verdict in wrong:
        count = len(verdict.failures)
        lines.append(
            f"{verdict.layer} against {verdict.against}: {count:,} of {verdict.cases:,} cases "
            "do not hold"
        )
        for failure in verdict.failures[:most]:
            lines += [f"  {failure.case}", f"    {failure.message.replace(chr(10), ' ')}"]
        lines += [f"  and {count - most:,} more", ""] if count > most else [""]
    if wrong:
        layers = ", ".join(dict.fromkeys(verdict.layer for verdict in wrong))
        return "\n".join([*lines, f"{len(wrong)} of {len(found)} proofs do not hold: {layers}"])
    cases = sum(verdict.cases for verdict in found)
    return "\n".join([*lines, f"{len(found)} proofs, {cases:,} cases: everything holds"])


def training_beside_torch(found: Training) -> str:
    """How far two trainings are apart: by epochs, at the end, and since when."""
    losses = zip(found.epoch_losses, found.torch_epoch_losses, strict=True)
    rows = [
        [epoch, f"{own:.6f}", f"{other:.6f}", f"{abs(own - other):.1e}"]
        for epoch, (own, other) in enumerate(losses, 1)
    ]
    first = found.first_drift
    when = "They never differ" if first is None else f"They first differ after step {first}"
    return (
        f"Training beside PyTorch in {found.dtype}, {len(found.losses):,} steps\n"
        + table(["Epoch", "Mean loss", "PyTorch", "Difference"], rows)
        + f"\nParameters at the end differ by {found.differences[-1]:.1e}, relatively.\n"
        f"{when} by more than 1e-5.\n"
        f"Predicted differently: {found.predicted_differently} of {found.test_images:,}"
    )


def verdict_figures(verdict: Verdict) -> dict[str, Any]:
    """A verdict for JSON, which has no infinity: null is an error without a figure."""
    return {
        "layer": verdict.layer,
        "against": verdict.against,
        "cases": verdict.cases,
        "worst_relative_error": _finite(verdict.worst),
        "holds": verdict.holds,
        "failures": [attrs.asdict(failure) for failure in verdict.failures],
    }


def training_figures(found: Training) -> dict[str, Any]:
    """Two trainings side by side, for JSON; a difference without a figure is null."""
    return {
        "dtype": found.dtype,
        "steps": len(found.losses),
        "greatest_relative_difference": _finite(found.differences[-1]),
        "first_step_beyond_1e-5": found.first_drift,
        "epoch_losses": [_finite(loss) for loss in found.epoch_losses],
        "torch_epoch_losses": [_finite(loss) for loss in found.torch_epoch_losses],
        "test_images": found.test_images,
        "predicted_differently": found.predicted_differently,
    }


def _finite(number: float) -> float | None:
    return float(number) if math.isfinite(number) else None
