"""Draw docs/pictures/parity.png: training in fcnn and in PyTorch, one on top of the other.

    python tools/draw_parity.py

The trainings are those of `fcnn verify --torch`. Needs PyTorch and matplotlib; takes about
half a minute.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

from fcnn.numerics.arrays import Array
from fcnn.pictures.drawing import BLUE, VERMILION, plain_style
from fcnn.proof.beside_pytorch import DRIFT, Training, train
from fcnn.runs.recipes import REFERENCE

TARGET = Path(__file__).resolve().parent.parent / "docs" / "pictures" / "parity.png"


def main() -> None:
    """Train, draw and say what was measured."""
    in_double, in_single = (train(dtype) for dtype in ("float64", "float32"))
    with plain_style():
        draw(in_double, in_single).savefig(TARGET, metadata={"Software": None})
    for found in (in_double, in_single):
        print(
            f"{found.dtype}: {found.differences[-1]:.1e} after {len(found.losses)} steps, "
            f"first beyond 1e-5 after step {found.first_drift}, "
            f"{found.predicted_differently} predictions differ"
        )
    print(TARGET)


def draw(in_double: Training, in_single: Training) -> Figure:
    """The losses of both libraries in float32 above, how far they are apart below."""
    figure = Figure(figsize=(8.3, 5.6), layout="constrained")
    losses, drift = figure.subplots(2, 1, sharex=True)
    figure.suptitle(
        "Training in fcnn and in PyTorch: same start, same batches",
        x=0.01, horizontalalignment="left", weight="bold", size=13,
    )  # fmt: skip
    steps = np.arange(1, len(in_single.losses) + 1)
    losses.plot(
        steps, in_single.torch_losses, color=VERMILION, linewidth=4, alpha=0.5, label="PyTorch"
    )
    losses.plot(steps, in_single.losses, color=BLUE, linewidth=1, label="fcnn")
    losses.set_title("Loss of every batch, float32")
    losses.set_ylim(bottom=0)
    losses.legend(frameon=False)

    for found, colour in ((in_single, BLUE), (in_double, "0.35")):
        drift.plot(steps, found.differences, color=colour, linewidth=1.3)
        drift.annotate(
            found.dtype, (steps[-1], found.differences[-1]), (4, 0),
            textcoords="offset points", color=colour, verticalalignment="center",
        )  # fmt: skip
    first = in_single.first_drift
    if first is not None:
        drift.axvline(first, color="0.6", linewidth=0.8, linestyle=":")
        drift.annotate(
            f"beyond 1e-5 after step {first}", (first, 1e-9), (6, 0),
            textcoords="offset points", color="0.3",
        )  # fmt: skip
    drift.axhline(DRIFT, color="0.6", linewidth=0.8, linestyle=":")
    drift.set_yscale("log")
    drift.set_ylim(1e-17, 1)
    drift.yaxis.set_major_locator(LogLocator(numticks=9))
    drift.yaxis.set_minor_formatter(NullFormatter())
    drift.set_title("Greatest difference of a parameter, relative to its array's largest")
    drift.set_xlabel("step")
    drift.set_xlim(0, len(steps) * 1.01)
    for axes in (losses, drift):
        for step in epoch_ends(steps):
            axes.axvline(step, color="0.9", linewidth=0.8, zorder=0)
    return figure


def epoch_ends(steps: Array) -> Array:
    """The last steps of the epochs."""
    return np.linspace(0, len(steps), REFERENCE.settings.epochs + 1)[1:]


if __name__ == "__main__":
    main()
