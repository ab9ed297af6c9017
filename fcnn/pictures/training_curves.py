"""Loss and accuracy, epoch by epoch."""

from collections.abc import Sequence
from typing import Final, Protocol

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from fcnn.pictures.drawing import BLUE, GREEN, VERMILION, framed_figure, plain_style

PARTS: Final = {"train": "mean over", "validation": "after", "test": "after"}
STYLES: Final = ((BLUE, "o"), (VERMILION, "s"), (GREEN, "^"))  # of the curves there are, in order
MOST_MARKED: Final = 20  # epochs: more markers would run into one another


class Epoch(Protocol):
    """What is drawn of one epoch: its number, and losses and accuracies as fractions."""

    @property
    def epoch(self) -> int: ...
    @property
    def train_loss(self) -> float: ...
    @property
    def train_accuracy(self) -> float | None: ...
    @property
    def validation_loss(self) -> float | None: ...
    @property
    def validation_accuracy(self) -> float | None: ...
    @property
    def test_loss(self) -> float | None: ...
    @property
    def test_accuracy(self) -> float | None: ...


@plain_style()
def training_curves(history: Sequence[Epoch], *, best: int | None = None) -> Figure:
    """The losses and accuracies of a run: of training, validation and test.

    The history has at least one record; what is None or not finite leaves a gap. `best` is the
    epoch whose parameters were kept, if not the last one because it is the last.
    """
    figure, whole = framed_figure(8.3, 3.4, _title(history, best), left=0.6, bottom=0.6)
    whole.set_axis_off()
    # What is left free above them is for their titles, below the legend.
    loss, accuracy = (whole.inset_axes((x, 0, 0.44, 0.97)) for x in (0, 0.56))
    _draw(loss, "loss", history, best)
    _draw(accuracy, "accuracy", history, best)
    loss.set_ylim(bottom=0)
    # At least five percent, and no ticks below 0 or beyond 100 %.
    low, high = accuracy.get_ylim()
    high = min(high, 1 + 0.05 * (1 - low))
    accuracy.set_ylim(max(0, min(low, high - 0.05)), high)
    accuracy.yaxis.set_major_formatter(PercentFormatter(1.0))
    below_title = (0.15 / figure.get_figwidth(), 1 - 0.42 / figure.get_figheight())
    figure.legend(
        handles=loss.get_lines(), loc="upper left", bbox_to_anchor=below_title,
        ncols=4, frameon=False, borderpad=0, borderaxespad=0,
    )  # fmt: skip
    return figure


def _title(history: Sequence[Epoch], best: int | None) -> str:
    shown = next(record for record in history[::-1] if best in (None, record.epoch))
    for part in ("test", "validation"):
        accuracy = getattr(shown, f"{part}_accuracy")
        if accuracy is not None:
            kept = "" if best is None else ", which was kept"
            return f"{part.capitalize()} accuracy {accuracy:.2%} after epoch {shown.epoch}{kept}"
    if shown.train_accuracy is None:  # of targets that are no classes
        return f"Training loss {shown.train_loss:.4g} in epoch {shown.epoch}"
    return f"Training accuracy {shown.train_accuracy:.2%} in epoch {shown.epoch}"


def _draw(axes: Axes, quantity: str, history: Sequence[Epoch], best: int | None) -> None:
    epochs = [record.epoch for record in history]
    styles = iter(STYLES)
    for part, when in PARTS.items():
        values = [getattr(record, f"{part}_{quantity}") for record in history]
        if all(value is None for value in values):
            continue
        colour, marker = next(styles)
        axes.plot(
            epochs,
            np.array(values, dtype=np.float64),  # None becomes NaN: a gap
            color=colour,
            label=f"{part} ({when} the epoch)",
            marker=marker if len(epochs) <= MOST_MARKED else "",
            markersize=5,
            clip_on=False,  # a marker on the edge stays whole
        )
    axes.set(title=quantity.capitalize(), xlabel="epoch", xlim=(epochs[0] - 0.5, epochs[-1] + 0.5))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.grid(color="0.9")
    if best is not None:
        axes.axvline(best, color="0.4", linewidth=1, linestyle="--", label="kept", zorder=1)
