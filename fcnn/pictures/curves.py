"""Loss and accuracy, epoch by epoch."""

from collections.abc import Sequence
from pathlib import Path
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


class Run(Protocol):
    """What is drawn of a run, such as that of `fcnn.load_run`: its records, and which was kept."""

    @property
    def folder(self) -> Path: ...
    @property
    def history(self) -> Sequence[Epoch]: ...
    @property
    def best_epoch(self) -> int | None: ...


@plain_style()
def training_curves(
    history: Sequence[Epoch] | Run, *, best: int | None = None, run: str = ""
) -> Figure:
    """The losses and accuracies of a run: of training, validation and test.

    The history is at least one record of `fit`, or a whole run; what is None or not finite leaves
    a gap. `best` is the epoch whose parameters were kept, if not the last one because it is the
    last. The axis of accuracies begins where those after the first third of the epochs do.
    """
    if not isinstance(history, Sequence):
        best, run = best or history.best_epoch, run or history.folder.name
        history = history.history
    figure, whole = framed_figure(8.3, 3.4, _title(history, best), left=0.6, bottom=0.6, run=run)
    whole.set_axis_off()
    # What is left free above them is for their titles, below the legend.
    loss, accuracy = (whole.inset_axes((x, 0, 0.44, 0.97)) for x in (0, 0.56))
    _draw(loss, "loss", history, best)
    _draw(accuracy, "accuracy", history, best)
    loss.set_ylim(bottom=0)
    accuracy.set_ylim(*_limits(history))
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


def _limits(history: Sequence[Epoch]) -> tuple[float, float]:
    """Of the axis of accuracies, as they are after the first third of the epochs: at least one
    percent, and no ticks below 0 or beyond 100 %.
    """
    late = history[len(history) // 3 :]
    found = [getattr(record, f"{part}_accuracy") for part in PARTS for record in late]
    known = [value for value in found if value is not None and np.isfinite(value)] or [0.0, 1.0]
    low, high = min(known), max(known)
    margin = max(0.05 * (high - low), (0.01 - (high - low)) / 2)
    return max(0.0, low - margin), min(high + margin, 1 + 0.05 * (1 - low + margin))


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
            clip_on=quantity == "accuracy",  # a marker on the edge of another axis stays whole
        )
    axes.set(title=quantity.capitalize(), xlabel="epoch", xlim=(epochs[0] - 0.5, epochs[-1] + 0.5))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.grid(color="0.9")
    if best is not None:
        axes.axvline(best, color="0.4", linewidth=1, linestyle="--", label="kept", zorder=1)
