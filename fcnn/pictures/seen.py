"""What a network saw of pictures, and what it says of them."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np
from matplotlib.figure import Figure

from fcnn.numerics.arrays import Array
from fcnn.pictures.drawing import draw_tile, finish_tiles, framed_figure, plain, plain_style
from fcnn.pictures.mistaken_images import as_rgb

MOST_SHOWN: Final = 48
COLUMNS: Final = 3
WIDTH: Final = 2.3  # of a tile with the words beside it, where the tile has 1
HEIGHT: Final = 1.3


@plain_style()
def predictions(
    files: Sequence[str],
    images: Sequence[Array],
    probabilities: Sequence[Mapping[str, float]],
    *,
    run: str = "",
) -> Figure:
    """The images (C, H, W) as the network saw them, floats; below each the name of its file,
    beside it the likeliest classes with their probabilities. The name of a run stands in the
    corner.
    """
    shown = min(len(files), MOST_SHOWN)
    title = f"What the network saw of {len(files):,} pictures"
    if len(files) == 1:
        title = "What the network saw"
    note = "Beside each the likeliest classes" + (
        f"; the first {shown}" if shown < len(files) else ""
    )
    across = min(shown, COLUMNS)
    rows = -(-shown // across)
    figure, axes = framed_figure(1.3 * across * WIDTH, 1.3 * rows * HEIGHT, title, note, run=run)
    tiles = as_rgb(np.stack(images[:shown]))
    captions = plain([Path(file).name for file in files])
    for k, (tile, likeliest) in enumerate(zip(tiles, probabilities, strict=False)):
        row, column = divmod(k, across)
        x, y = column * WIDTH, row * HEIGHT
        draw_tile(axes, tile, x, y, captions[k])
        for line, (name, p) in enumerate(zip(plain([*likeliest]), likeliest.values(), strict=True)):
            weight = "bold" if line == 0 else "normal"
            text = f"{name}  {p:.1%}"
            axes.text(x + 1.07, y + 0.05 + 0.17 * line, text, size=9, weight=weight, va="top")
    finish_tiles(axes, across * WIDTH, rows * HEIGHT)
    return figure
