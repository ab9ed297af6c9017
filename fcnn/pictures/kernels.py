"""The kernels of the first layer."""

from typing import Final

import numpy as np
from matplotlib.figure import Figure

from fcnn.numerics.arrays import Array
from fcnn.pictures import drawing

MOST_TILES: Final = 64
MOST_CHANNELS: Final = 8


@drawing.plain_style()
def filters(kernels: Array, *, run: str = "") -> Figure:
    """A tile for each channel of each kernel (F, C, KH, KW), red where positive, blue where not."""
    features, channels = kernels.shape[:2]
    used = min(channels, MOST_CHANNELS)
    shown = kernels[: MOST_TILES // used, :used]
    limit = float(np.abs(shown[np.isfinite(shown)]).max(initial=0)) or 1.0

    across = 4 if used == 1 and len(shown) <= 16 else min(8, 12 // used)
    across = min(across, len(shown))
    down = -(-len(shown) // across)
    step_x = 1.1 * used + 0.2 * (used > 1)
    inch = min(1.0, 8 / (across * step_x))
    step_y = kernels.shape[2] / max(kernels.shape[2:]) + 0.28 / inch
    width, height = across * step_x, down * step_y
    title, note = _words(features, len(shown), channels, used)
    figure, axes = drawing.framed_figure(
        inch * width, inch * height, title, note, right=1.2, run=run
    )
    colours = {"cmap": "RdBu_r", "vmin": -limit, "vmax": limit}
    for k, kernel in enumerate(shown):
        row, column = divmod(k, across)
        for c, tile in enumerate(kernel):
            x, y = column * step_x + 1.1 * c, row * step_y
            image = drawing.draw_tile(axes, tile, x, y, "" if c else f"{k}", **colours)
    drawing.finish_tiles(axes, width, height)
    drawing.add_colour_bar(figure, axes, image, "weight")
    return figure


def _words(features: int, shown: int, channels: int, used: int) -> tuple[str, str]:
    """Title and note, which say what is left out."""
    title, note = "The kernels of the first layer", "Red weights are positive, blue ones negative."
    if shown < features:
        title = f"The first {shown} of {features} first-layer kernels, {features - shown} left out"
    if channels > 1:
        which = "its" if used == channels else f"the first {used} of its"
        note = f"A row of tiles per kernel: {which} {channels} channels. {note}"
    return title, note
