"""Pictures of a training run: curves, confusions, mistakes and first-layer kernels.

matplotlib is an optional extra, so it is imported by the functions that draw. They build
`Figure` objects and never touch pyplot: no window, no global figure, no backend to choose.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from fcnn.numerics.arrays import Array
from fcnn.pictures.drawing import add_colour_bar, draw_tile, finish_tiles, framed_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Blue and vermilion of Okabe and Ito's palette: distinct to colour-blind readers, and in grey.
TRAIN, TEST = "#0072B2", "#D55E00"

MOST_MISTAKES = 24
MOST_TILES = 64
MOST_CHANNELS = 8
MOST_COUNTED_CLASSES = 20

# On top of matplotlib's own defaults, so that nobody's settings change the pictures.
STYLE = {
    "font.size": 10,
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "savefig.dpi": 110,
}


class Epoch(Protocol):
    """What is drawn of one epoch: its number, and losses and accuracies as fractions."""

    @property
    def epoch(self) -> int: ...
    @property
    def train_loss(self) -> float: ...
    @property
    def train_accuracy(self) -> float: ...
    @property
    def test_loss(self) -> float | None: ...
    @property
    def test_accuracy(self) -> float | None: ...


def available() -> bool:
    """Whether matplotlib is installed."""
    return importlib.util.find_spec("matplotlib") is not None


def save_pictures(
    folder: str | Path,
    *,
    history: Sequence[Epoch],
    confusion: Array,
    images: Array,
    labels: Array,
    probabilities: Array,
    kernels: Array | None,
    held_out: str = "test",
    best: int | None = None,
) -> list[Path]:
    """Draw a run as PNG files in `folder`, which is created if need be.

    Parameters
    ----------
    folder
        Where ``training.png``, ``confusion.png``, ``mistakes.png`` and ``filters.png`` go.
    history
        One record per epoch; without any there is no ``training.png``. A loss that is not
        finite leaves a gap.
    confusion
        Counts (K, K) of integers, rows the true class, columns the predicted one.
    images
        The test set (N, C, H, W), floating point; without any there is no ``mistakes.png``.
        One channel is drawn grey, three in colour, any other number as their mean.
    labels
        True classes (N,), integers.
    probabilities
        Predicted probabilities (N, K).
    kernels
        First-layer kernels (F, C, KH, KW), or None for a network that has none: then there
        is no ``filters.png``.
    held_out
        What the history calls test, test or validation.
    best
        The epoch whose parameters were kept, if not the last one because it is the last.

    Returns
    -------
    The files written. The same input gives the same pictures: no date and no version in them.

    Raises
    ------
    ImportError
        If matplotlib is missing; `available` says so beforehand.
    """
    from matplotlib import style

    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    with style.context(STYLE, after_reset=True):
        figures = {
            "training.png": _training(history, held_out, best) if len(history) else None,
            "confusion.png": _confusion(confusion),
            "mistakes.png": _mistakes(images, labels, probabilities) if len(labels) else None,
            "filters.png": None if kernels is None else _filters(kernels),
        }
        for name, figure in figures.items():
            if figure is not None:
                figure.savefig(folder / name, metadata={"Software": None})
                paths.append(folder / name)
    return paths


def _training(history: Sequence[Epoch], held_out: str, best: int | None) -> Figure:
    from matplotlib.ticker import MaxNLocator, PercentFormatter

    epochs = [record.epoch for record in history]
    shown = history[-1] if best is None else history[epochs.index(best)]
    if shown.test_accuracy is None:
        title = f"Training accuracy {shown.train_accuracy:.2%} in epoch {shown.epoch}"
    else:
        name = held_out.capitalize()
        title = f"{name} accuracy {shown.test_accuracy:.2%} after epoch {shown.epoch}"
        title += ", which was kept" if best is not None else ""

    figure, whole = framed_figure(8.3, 3.4, title, left=0.6, bottom=0.6)
    whole.set_axis_off()
    # What is left free above them is for their titles, below the legend.
    loss, accuracy = (whole.inset_axes((x, 0, 0.44, 0.97)) for x in (0, 0.56))
    for axes, quantity in ((loss, "loss"), (accuracy, "accuracy")):
        for part, colour, marker, label in (
            ("train", TRAIN, "o", "train (mean over the epoch)"),
            ("test", TEST, "s", f"{held_out} (after the epoch)"),
        ):
            values = [getattr(record, f"{part}_{quantity}") for record in history]
            if any(value is not None for value in values):
                axes.plot(
                    epochs,
                    np.array(values, dtype=np.float64),  # None becomes NaN: a gap
                    color=colour,
                    label=label,
                    marker=marker if len(epochs) <= 20 else "",
                    markersize=5,
                    clip_on=False,  # a marker on the edge stays whole
                )
        axes.set_title(quantity.capitalize())
        axes.set_xlabel("epoch")
        axes.set_xlim(epochs[0] - 0.5, epochs[-1] + 0.5)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        axes.grid(color="0.9")
        if best is not None:
            axes.axvline(best, color="0.4", linewidth=1, linestyle="--", label="kept", zorder=1)
    below_title = (0.15 / figure.get_figwidth(), 1 - 0.42 / figure.get_figheight())
    figure.legend(
        handles=loss.get_lines(), loc="upper left", bbox_to_anchor=below_title,
        ncols=3, frameon=False, borderpad=0, borderaxespad=0,
    )  # fmt: skip
    loss.set_ylim(bottom=0)
    low, high = accuracy.get_ylim()
    high = min(high, 1 + 0.05 * (1 - low))  # no ticks beyond 100 %
    accuracy.set_ylim(max(0, min(low, high - 0.05)), high)
    accuracy.yaxis.set_major_formatter(PercentFormatter(1.0))
    return figure


def _confusion(confusion: Array) -> Figure:
    from matplotlib.colors import PowerNorm
    from matplotlib.ticker import PercentFormatter

    classes = len(confusion)
    right, total = int(np.trace(confusion)), int(confusion.sum())
    share = confusion / np.maximum(confusion.sum(axis=1, keepdims=True), 1)
    diagonal = np.eye(classes, dtype=bool)
    worst = share[~diagonal].max(initial=0.03)  # a rare mistake is not painted dark

    side = float(np.clip(0.55 * classes, 3.0, 7.5))
    title = f"{right:,} of {total:,} test images right"
    note = "Orange: mistaken, the darker the more often." if right < total else "No mistakes."
    note = f"Blue: right. {note}"
    figure, axes = framed_figure(side, side, title, note, left=0.65, bottom=0.65, right=1.2)
    # The diagonal would drown the mistakes: it gets a pale scale of its own, up to only half
    # of its colours, and the mistakes get all of theirs, small shares lifted by the root.
    axes.imshow(np.ma.array(share, mask=~diagonal), cmap="Blues", vmin=0, vmax=2)
    norm = PowerNorm(0.5, vmin=0, vmax=worst)
    empty = diagonal | (confusion == 0)
    mistakes = axes.imshow(np.ma.array(share, mask=empty), cmap="Oranges", norm=norm)
    axes.spines[:].set(visible=True, color="0.6")
    axes.set_xlabel("predicted class")
    axes.set_ylabel("true class")
    ticks = range(0, classes, -(-classes // MOST_COUNTED_CLASSES))
    axes.set_xticks(ticks)
    axes.set_yticks(ticks)
    if classes <= MOST_COUNTED_CLASSES:
        digits = len(f"{confusion.max(initial=0)}")
        size = min(10.0, 100 * side / classes / digits)  # in points, so that it fits a cell
        for (row, column), count in np.ndenumerate(confusion):
            if count or row == column:
                dark = row != column and norm(share[row, column]) > 0.75
                colour, centre = "white" if dark else "black", "center"
                axes.text(column, row, f"{count}", size=size, color=colour, ha=centre, va="center")
    if right < total:
        bar = add_colour_bar(figure, axes, mistakes, "mistakes, share of the true class")
        bar.formatter = PercentFormatter(1.0)
    return figure


def _mistakes(images: Array, labels: Array, probabilities: Array) -> Figure:
    predicted, confidence = probabilities.argmax(axis=1), probabilities.max(axis=1)
    wrong = np.flatnonzero(predicted != labels)
    if len(wrong):
        shown = wrong[np.argsort(-confidence[wrong], kind="stable")][:MOST_MISTAKES]
        plural = "mistake" if len(wrong) == 1 else "mistakes"
        title = f"{len(wrong):,} {plural} among {len(labels):,} test images"
        note = "The most confident first: true class, predicted class and its probability"
    else:
        shown = np.argsort(confidence, kind="stable")[:MOST_MISTAKES]
        title = f"No mistakes among {len(labels):,} test images"
        note = "The least confident of the right predictions first, with their probability"

    columns = 6
    rows = -(-len(shown) // columns)
    step = images.shape[2] / max(images.shape[2:]) + (0.35 if len(wrong) else 0.22)
    figure, axes = framed_figure(1.35 * columns * 1.15, 1.35 * rows * step, title, note)
    for k, (index, tile) in enumerate(zip(shown, _displayable(images[shown]), strict=True)):
        caption = f"predicted {predicted[index]} ({confidence[index]:.1%})"
        if len(wrong):
            caption = f"true {labels[index]}\n{caption}"
        row, column = divmod(k, columns)
        draw_tile(axes, tile, 1.15 * column, step * row, caption)
    finish_tiles(axes, 1.15 * columns, step * rows)
    return figure


def _displayable(images: Array) -> Array:
    """Images (N, C, H, W) as RGB (N, H, W, 3) in [0, 1], on one scale for all of them."""
    if images.shape[1] != 3:
        grey = images.mean(axis=1, keepdims=True)
        images = np.repeat(grey, 3, axis=1)  # (N, C, H, W) -> (N, 3, H, W)
    low, high = images.min(initial=0.0), images.max(initial=1.0)
    return np.moveaxis((images - low) / (high - low), 1, 3)  # (N, 3, H, W) -> (N, H, W, 3)


def _filters(kernels: Array) -> Figure:
    features, channels = kernels.shape[:2]
    used = min(channels, MOST_CHANNELS)
    shown = kernels[: MOST_TILES // used, :used]
    limit = float(np.abs(shown[np.isfinite(shown)]).max(initial=0)) or 1.0
    title, note = "The kernels of the first layer", "Red weights are positive, blue ones negative."
    if len(shown) < features:
        left_out = features - len(shown)
        title = f"The first {len(shown)} of {features} first-layer kernels, {left_out} left out"
    if channels > 1:
        which = "its" if used == channels else f"the first {used} of its"
        note = f"A row of tiles per kernel: {which} {channels} channels. {note}"

    across = 4 if used == 1 and len(shown) <= 16 else min(8, 12 // used)
    across = min(across, len(shown))
    down = -(-len(shown) // across)
    step_x = 1.1 * used + 0.2 * (used > 1)
    inch = min(1.0, 8 / (across * step_x))
    step_y = kernels.shape[2] / max(kernels.shape[2:]) + 0.28 / inch
    width, height = across * step_x, down * step_y
    figure, axes = framed_figure(inch * width, inch * height, title, note, right=1.2)
    for k, kernel in enumerate(shown):
        row, column = divmod(k, across)
        for c, tile in enumerate(kernel):
            caption = "" if c else f"{k}"
            x, y = column * step_x + 1.1 * c, row * step_y
            image = draw_tile(axes, tile, x, y, caption, cmap="RdBu_r", vmin=-limit, vmax=limit)
    finish_tiles(axes, width, height)
    add_colour_bar(figure, axes, image, "weight")
    return figure
