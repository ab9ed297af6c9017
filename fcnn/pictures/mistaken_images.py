"""The images that were taken for something else."""

from collections.abc import Sequence
from typing import Final

import numpy as np
from matplotlib.figure import Figure

from fcnn.numerics.arrays import Array
from fcnn.pictures.drawing import draw_tile, finish_tiles, framed_figure, plain, plain_style

MOST_SHOWN: Final = 24
COLUMNS: Final = 6
LONGEST_NAME: Final = 12  # letters


@plain_style()
def mistakes(
    images: Array,
    labels: Array,
    probabilities: Array,
    names: Sequence[str] | None = None,
    *,
    run: str = "",
) -> Figure:
    """The most confident mistakes; without any, the least confident right predictions.

    Of images (N, C, H, W), floats, one channel is drawn grey, three in colour, any other number
    as their mean. Labels are the true classes (N,), integers, probabilities (N, K) the predicted;
    names those of the classes, if they have any.
    """
    predicted, confidence = probabilities.argmax(axis=1), probabilities.max(axis=1)
    wrong = np.flatnonzero(predicted != labels)
    called = plain(names or [str(k) for k in range(probabilities.shape[1])], LONGEST_NAME)
    long = max(map(len, called)) > 2
    captions = [
        f"predicted {called[k]}{chr(10) if long else ' '}({p:.1%})"
        for k, p in zip(predicted, confidence, strict=True)
    ]
    if len(wrong):
        shown = wrong[np.argsort(-confidence[wrong], kind="stable")][:MOST_SHOWN]
        plural = "mistake" if len(wrong) == 1 else "mistakes"
        title = f"{len(wrong):,} {plural} among {len(labels):,} test images"
        note = "The most confident first: true class, predicted class and its probability"
        if len(shown) < len(wrong):
            note = f"{len(shown)} of {len(wrong):,}, t{note[1:]}"
        captions = [f"true {called[k]}\n{text}" for k, text in zip(labels, captions, strict=True)]
    else:
        shown = np.argsort(confidence, kind="stable")[:MOST_SHOWN]
        title = f"No mistakes among {len(labels):,} test images"
        note = "The least confident of the right predictions first, with their probability"

    rows = -(-len(shown) // COLUMNS)
    step = images.shape[2] / max(images.shape[2:]) + (0.35 if len(wrong) else 0.22) + 0.13 * long
    figure, axes = framed_figure(1.35 * COLUMNS * 1.15, 1.35 * rows * step, title, note, run=run)
    for k, (index, tile) in enumerate(zip(shown, as_rgb(images[shown]), strict=True)):
        row, column = divmod(k, COLUMNS)
        draw_tile(axes, tile, 1.15 * column, step * row, captions[index])
    finish_tiles(axes, 1.15 * COLUMNS, step * rows)
    return figure


def as_rgb(images: Array) -> Array:
    """Images (N, C, H, W) as RGB (N, H, W, 3) in [0, 1], on one scale for all of them."""
    if images.shape[1] != 3:
        grey = images.mean(axis=1, keepdims=True)
        images = np.repeat(grey, 3, axis=1)  # (N, C, H, W) -> (N, 3, H, W)
    low, high = images.min(initial=0.0), images.max(initial=1.0)
    return np.moveaxis((images - low) / (high - low), 1, 3)  # (N, 3, H, W) -> (N, H, W, 3)
