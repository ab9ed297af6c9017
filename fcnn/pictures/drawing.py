"""What pictures share: their style, and figures whose parts are measured in inches, so that
nothing overlaps.

They are `Figure` objects, made without pyplot: no window, no global figure, no backend to choose.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any, Final

from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.colorbar import Colorbar
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.patches import Rectangle

from fcnn.numerics.arrays import Array

# Of Okabe and Ito's palette: distinct to colour-blind readers, and in grey.
BLUE: Final = "#0072B2"
VERMILION: Final = "#D55E00"
GREEN: Final = "#009E73"
LONGEST_RUN: Final = 60  # letters of its name

SETTINGS: Final = {
    "font.size": 10,
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "savefig.dpi": 110,
}
# Matplotlib's own defaults and these, whatever anyone has set: a context, and a decorator.
plain_style = partial(style.context, SETTINGS, after_reset=True)


def plain(names: Sequence[str], longest: int = 18) -> list[str]:
    """Names that fit, without dollars that would be mathematics, or bytes that are no text."""
    short = [name if len(name) <= longest else name[: longest - 1] + "…" for name in names]
    return [name.encode(errors="replace").decode().replace("$", r"\$") for name in short]


def framed_figure(
    width: float,
    height: float,
    title: str,
    note: str = "",
    *,
    left: float = 0.15,
    bottom: float = 0.1,
    right: float = 0.15,
    run: str = "",
) -> tuple[Figure, Axes]:
    """A titled figure around axes of this size, with the name of a run in its corner; every length
    is in inches.
    """
    (run,) = plain([run], LONGEST_RUN)
    # Roughly, and rather too wide.
    text = 0.3 + max(0.12 * len(title) + 0.09 * len(run), 0.08 * len(note))
    whole = max(text, left + width + right), bottom + height + 0.8
    figure = Figure(figsize=whole)
    figure.text(0.15 / whole[0], 1 - 0.3 / whole[1], title, size=13, weight="bold")
    figure.text(0.15 / whole[0], 1 - 0.6 / whole[1], note)
    if run:
        corner = 1 - 0.15 / whole[0], 1 - 0.3 / whole[1]
        figure.text(*corner, run, size=9, color="0.4", horizontalalignment="right")
    box = left / whole[0], bottom / whole[1], width / whole[0], height / whole[1]
    return figure, figure.add_axes(box)


def add_colour_bar(figure: Figure, axes: Axes, image: AxesImage, label: str) -> Colorbar:
    """Beside the axes, from their top, a sixth of an inch wide and at most three high."""
    box, (width, height) = axes.get_position(), figure.get_size_inches()
    length = min(box.height, 3 / height)
    beside = figure.add_axes((box.x1 + 0.2 / width, box.y1 - length, 0.16 / width, length))
    return figure.colorbar(image, cax=beside, label=label)


def draw_tile(
    axes: Axes, tile: Array, x: float, y: float, caption: str, **colours: Any
) -> AxesImage:
    """Draw a tile, its longer side one unit, with its top left corner at (x, y)."""
    height, width = (side / max(tile.shape[:2]) for side in tile.shape[:2])
    extent = (x, x + width, y + height, y)
    image = axes.imshow(tile, extent=extent, interpolation="nearest", **colours)
    axes.add_patch(frame((x, y), width, height))
    axes.text(x, y + height + 0.03, caption, size=9, color="0.2", verticalalignment="top")
    return image


def frame(corner: tuple[float, float], width: float, height: float) -> Rectangle:
    """What is around a tile."""
    return Rectangle(corner, width, height, fill=False, edgecolor="0.6", linewidth=0.6)


def finish_tiles(axes: Axes, width: float, height: float) -> None:
    """Bound a grid of tiles, with square pixels and no axes around it."""
    axes.set(xlim=(-0.02, width), ylim=(height, -0.02), aspect="equal", anchor="NW")
    axes.set_axis_off()
