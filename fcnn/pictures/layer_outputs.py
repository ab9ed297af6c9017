"""What each layer of a network makes of one image."""

from collections.abc import Iterator
from typing import Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from fcnn.arguments.arrays import shapes
from fcnn.arguments.settings import check_kind
from fcnn.layers.layer import Layer, call_apply
from fcnn.networks.chain import chain
from fcnn.numerics.arrays import Array
from fcnn.pictures.drawing import draw_tile, finish_tiles, frame, framed_figure, plain_style
from fcnn.tree import Tree

MOST_CHANNELS: Final = 10
MOST_NUMBERED: Final = 20  # of more values, there is no room for the numbers
STEP: Final = 1.08  # from tile to tile, whose sides are 1
STRIP: Final = 0.35  # the height of the values of a vector
INCH: Final = 0.8  # of a tile


@plain_style()
def activations(model: Layer, params: Tree, image: Array, *, run: str = "") -> Figure:
    """The image (C, H, W), and the output of each layer for it, in inference.

    Of an output (C, H, W) the first channels are drawn, a tile for each, and a vector (K,) as a
    strip of its values; each layer from its least value, or 0 if that is less, in black, to its
    greatest in white. Of nested chains the layers are drawn; other combinators are one layer.
    """
    check_kind("activations", "model", model, Layer)
    shapes("activations", image=(image, "C, H, W"))
    outputs = [("the image", image), *_outputs(model, params, image[None], "")]
    width = STEP * MOST_CHANNELS
    height = sum(_height(output) for _, output in outputs)
    figure, axes = framed_figure(
        INCH * width,
        INCH * height,
        "What each layer makes of an image",
        "Of each layer the least value, or 0, is black, the greatest white.",
        run=run,
    )
    y = 0.0
    for text, output in outputs:
        y += 0.3
        axes.text(0, y - 0.06, _caption(text, output), size=9, color="0.2")
        low, high = output.min(initial=0), output.max(initial=0)
        shade = np.nan_to_num((output - low) / ((high - low) or 1))
        (_draw_images if output.ndim == 3 else _draw_vector)(axes, shade, y, width)
        y += _height(output) - 0.3
    finish_tiles(axes, width, height)
    return figure


def _outputs(layer: Layer, params: Tree, x: Array, path: str) -> Iterator[tuple[str, Array]]:
    """The layers with their paths, and the output of each for the single example of a batch."""
    if layer.make is not chain:
        yield f"{path} {layer!r}".strip(), call_apply(layer, params, x)[0]
        return
    for index, (child, own) in enumerate(zip(layer.children, params, strict=True)):
        yield from _outputs(child, own, x, f"{path}[{index}]")
        x = call_apply(child, own, x)


def _caption(text: str, output: Array) -> str:
    size = "x".join(map(str, output.shape))
    left_out = len(output) - MOST_CHANNELS if output.ndim == 3 else 0
    return f"{text}   {size}" + f", the first {MOST_CHANNELS} channels" * (left_out > 0)


def _height(output: Array) -> float:
    """How high an output is drawn, with its caption and what is free below it."""
    if output.ndim != 3:
        return 0.3 + STRIP + (0.35 if output.size <= MOST_NUMBERED else 0.15)
    _, H, W = output.shape
    return float(0.3 + H / max(H, W) + 0.15)


def _draw_images(axes: Axes, shade: Array, y: float, width: float) -> None:
    for k, tile in enumerate(shade[:MOST_CHANNELS]):
        draw_tile(axes, tile, STEP * k, y, "", cmap="gray", vmin=0, vmax=1)


def _draw_vector(axes: Axes, shade: Array, y: float, width: float) -> None:
    values = shade.reshape(1, -1)
    extent = (0, width, y + STRIP, y)
    axes.imshow(values, extent=extent, interpolation="nearest", cmap="gray", vmin=0, vmax=1)
    axes.add_patch(frame((0, y), width, STRIP))
    if values.size <= MOST_NUMBERED:
        for k in range(values.size):
            place = (k + 0.5) * width / values.size
            axes.text(place, y + STRIP + 0.03, f"{k}", size=9, color="0.2", ha="center", va="top")
