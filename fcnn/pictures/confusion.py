"""How often each class was taken for each other."""

from collections.abc import Sequence
from typing import Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from fcnn.numerics.arrays import Array
from fcnn.pictures.drawing import add_colour_bar, framed_figure, plain, plain_style

MOST_COUNTED_CLASSES: Final = 20  # of more, there is no room for the counts


@plain_style()
def confusion_matrix(
    confusion: Array, names: Sequence[str] | None = None, *, run: str = ""
) -> Figure:
    """The counts (K, K) of true classes, the rows, and predicted ones, coloured by their share of
    the true class; with the names of the classes, if they have any.
    """
    classes = len(confusion)
    right, total = int(np.trace(confusion)), int(confusion.sum())
    share = confusion / np.maximum(confusion.sum(axis=1, keepdims=True), 1)
    diagonal = np.eye(classes, dtype=bool)
    worst = share[~diagonal].max(initial=0.03)  # a rare mistake is not painted dark

    called = plain(names or [])
    room = 0.085 * max(map(len, called), default=0)  # inches for the names
    side = float(np.clip(0.55 * classes, 3.0, 7.5))  # inches
    title = f"{right:,} of {total:,} test images right"
    note = "Orange: mistaken, the darker the more often." if right < total else "No mistakes."
    note = f"Blue: right. {note}"
    figure, axes = framed_figure(
        side, side, title, note, left=0.65 + room, bottom=0.65 + room, right=1.2, run=run
    )
    # The diagonal would drown the mistakes: it gets a pale scale of its own, up to only half
    # of its colours, and the mistakes get all of theirs, small shares lifted by the root.
    axes.imshow(np.ma.array(share, mask=~diagonal), cmap="Blues", vmin=0, vmax=2)
    norm = PowerNorm(0.5, vmin=0, vmax=worst)
    empty = diagonal | (confusion == 0)
    mistakes = axes.imshow(np.ma.array(share, mask=empty), cmap="Oranges", norm=norm)
    axes.spines[:].set(visible=True, color="0.6")
    ticks = range(0, classes, -(-classes // MOST_COUNTED_CLASSES))
    axes.set(xlabel="predicted class", ylabel="true class", xticks=ticks, yticks=ticks)
    if called:
        axes.set_xticklabels([called[k] for k in ticks], rotation=90)
        axes.set_yticklabels([called[k] for k in ticks])
    if classes <= MOST_COUNTED_CLASSES:
        dark = ~diagonal & (norm(share) > 0.75)
        _write_counts(axes, confusion, dark, cell=side / classes)
    if right < total:
        bar = add_colour_bar(figure, axes, mistakes, "mistakes, share of the true class")
        bar.formatter = PercentFormatter(1.0, decimals=1)
    return figure


def _write_counts(axes: Axes, confusion: Array, dark: Array, *, cell: float) -> None:
    """Each count into its cell of so many inches, white where the cell is dark."""
    digits = len(f"{confusion.max(initial=0):,}")
    size = min(10.0, 100 * cell / digits)  # points
    for (row, column), count in np.ndenumerate(confusion):
        if count or row == column:
            colour, centre = "white" if dark[row, column] else "black", "center"
            axes.text(column, row, f"{count:,}", size=size, color=colour, ha=centre, va="center")
