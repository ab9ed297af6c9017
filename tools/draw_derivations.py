"""Draw what the book explains in pictures: row windows, dx of a convolution, who wins a pool, the
activations and their derivatives, the paths through batch_norm, the gradients of softmax, the
balanced tree over shards.

    python tools/draw_derivations.py

Needs matplotlib; takes some seconds. What is drawn as a result is computed by fcnn.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TypeAlias

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

import fcnn
from fcnn.distributed.balanced_tree import Node
from fcnn.numerics.arrays import Array, Pair
from fcnn.pictures.drawing import BLUE, GREEN, VERMILION, plain_style

TARGET: Final = Path(__file__).resolve().parent.parent / "docs" / "pictures"
PURPLE: Final = "#CC79A7"
COLOURS: Final = (BLUE, VERMILION, GREEN, PURPLE)
# Tints of Okabe and Ito's palette, under black text.
TINTS: Final = ("#CCE3F0", "#F7DFCC", "#CCECE3", "#F5E4ED", "#FBF9D0")
GREY: Final = "#EDEDED"

Fills: TypeAlias = "Mapping[Any, str]"  # the colours of some cells, by row and column


def main() -> None:
    """Draw all of them and say where they are."""
    with plain_style():
        for name, figure in {
            "row_windows": row_windows(),
            "convolution_dx": convolution_dx(),
            "max_pool_winners": max_pool_winners(),
            "activations": activations(),
            "batch_norm_paths": batch_norm_paths(),
            "softmax_gradients": softmax_gradients(),
            "balanced_tree": balanced_tree(),
        }.items():
            figure.savefig(TARGET / f"{name}.png", metadata={"Software": None})
            print(TARGET / f"{name}.png")


def row_windows() -> Figure:
    """An image, its rows shifted side by side in a buffer, and which of them a product takes."""
    figure, axes = canvas(19.4, 17.6)
    title(axes, 0, 0.6, "Row windows of a 3x3 kernel on one image of 5x5 pixels")
    image = np.arange(25).reshape(5, 5)
    axes.text(0, 2.3, "the image: H = W = 5")
    grid(axes, 0, 2.6, image, fills={(h, w): TINTS[h] for h, w in np.ndindex(5, 5)})

    axes.text(8.3, 2.3, "the buffer: each row KW = 3 times, shifted")
    for h in range(5):
        for q in range(3):
            line = 3 * h + q
            shifted = image[h : h + 1, q : q + 3]
            grid(axes, 11, 2.6 + line, shifted, fills=dict.fromkeys(np.ndindex(1, 3), TINTS[h]))
            axes.text(10.7, 3.1 + line, f"row {h}, q = {q}", ha="right", va="center", size=9)
    for i in range(3):
        bracket(axes, 14.4 + 1.7 * i, 2.7 + 3 * i, 9, COLOURS[i], f"window of output row {i}")

    axes.text(0, 9.4, "the kernel, as a row of KH KW = 9:")
    letters = np.array([list("abcdefghi")])
    for p in range(3):
        part = letters[:, 3 * p : 3 * p + 3]
        grid(axes, 0.75 * 3 * p, 9.8, part, side=0.75)
        axes.text(0.75 * (3 * p + 1.5), 11.2, f"p = {p}", ha="center", size=9)
    axes.text(0, 12.7, "row i of y  =  kernel @ window i")
    axes.text(0, 13.6, "(1, 3)  =  (1, 9) @ (9, 3)")
    axes.text(
        0, 15.0, "Windows overlap in memory:\nnothing is copied for them.\n"
        "Only the buffer is a copy.", va="top",
    )  # fmt: skip
    return figure


def bracket(axes: Axes, x: float, y: float, length: float, colour: str, text: str) -> None:
    """A bracket over some lines of the buffer, to the right of them."""
    ends = y + length - 0.2
    axes.plot([x, x + 0.3, x + 0.3, x], [y, y, ends, ends], color=colour, linewidth=2)
    axes.text(x + 0.5, (y + ends) / 2, text, color=colour, rotation=90, va="center")


def convolution_dx() -> Figure:
    """dx as a convolution of dy with the flipped kernel, with a stride of 1 and of 2."""
    figure, axes = canvas(19.4, 22.6)
    title(axes, 0, 0.6, "dx is a convolution of dy with the flipped kernel")
    kernel = np.array(list("abcdefghi")).reshape(3, 3)
    flipped = kernel[::-1, ::-1]
    axes.text(0, 2.2, "w")
    grid(axes, 0, 2.5, kernel)
    arrow(axes, 3.3, 4)
    axes.text(4.9, 2.2, "w, turned by half a circle", color=VERMILION)
    grid(axes, 4.9, 2.5, flipped, colour=VERMILION)
    axes.text(
        9, 3.9, "A letter in a corner is the weight that lies\n"
        "there while the framed pixel of dx is computed.", va="center",
    )  # fmt: skip
    _one_stride(axes, 7.2, 1, (4, 4), (1, 1), flipped)
    _one_stride(axes, 14.9, 2, (5, 5), (2, 2), flipped)
    return figure


def _one_stride(
    axes: Axes, y: float, stride: int, image: Pair, pixel: Pair, flipped: Array
) -> None:
    """dy, what is made of it, and dx, where one pixel is looked at."""
    names = np.array([["A", "B"], ["C", "D"]])
    reach = stride + 1  # of dy, spread
    padded = np.full((reach + 4, reach + 4), "0")
    padded[2 : 2 + reach : stride, 2 : 2 + reach : stride] = names
    fills = {(i, j): GREY for i, j in np.ndindex(*padded.shape) if padded[i, j] == "0"}
    fills |= {(i, j): TINTS[0] for i, j in np.ndindex(*padded.shape) if padded[i, j] != "0"}

    made = "with zeros around" if stride == 1 else "spread: zeros between and around"
    axes.text(0, y - 0.3, f"stride {stride}: dy")
    grid(axes, 0, y, names, fills=dict.fromkeys(np.ndindex(2, 2), TINTS[0]))
    arrow(axes, 2.6, y + 1)
    left = 4.9
    axes.text(left, y - 0.3, made)
    grid(axes, left, y, padded, fills=fills, shift=0.1)
    terms = []
    for p, q in np.ndindex(3, 3):
        row, column = pixel[0] + p, pixel[1] + q
        weight = str(flipped[p, q])
        axes.text(left + column + 0.1, y + row + 0.07, weight, color=VERMILION, va="top", size=9)
        if padded[row, column] != "0":
            terms.append(f"{weight}{padded[row, column]}")
    axes.add_patch(box(left + pixel[1], y + pixel[0], 3, 3, VERMILION))

    arrow(axes, left + len(padded) + 0.3, y + 2.5)
    left = 13.6
    axes.text(left, y - 0.3, f"dx, {image[0]}x{image[1]} like x")
    grid(axes, left, y, np.full(image, ""))
    axes.add_patch(box(left + pixel[1], y + pixel[0], 1, 1, VERMILION))
    at = f"dx[{pixel[0]}, {pixel[1]}]"
    axes.text(left, y + image[0] + 0.8, f"{at} = {' + '.join(terms)}")


def max_pool_winners() -> Figure:
    """Which pixels get the gradient: of equal ones, of windows that overlap, beside padding."""
    figure, axes = canvas(19.4, 15.4)
    title(axes, 0, 0.6, "Who wins a window of max_pool2d, and gets its gradient")
    tied = [[3, 3, 1, 0], [3, 1, 0, 1], [0, 2, 5, 5], [2, 2, 5, 5]]
    _pooled(axes, 0, "equals: the first wins", tied, 2, 2, 0)
    _pooled(axes, 6.7, "overlap: gradients add up", [[1, 2, 0], [4, 9, 3], [5, 0, 6]], 2, 1, 0)
    negative = [[-5, -2, -4], [-1, -7, -3], [-6, -8, -9]]
    _pooled(axes, 13.6, "padding never wins", negative, 3, 2, 1)
    return figure


def _pooled(
    axes: Axes, left: float, text: str, pixels: Sequence[Sequence[int]], window: int, stride: int,
    padding: int,
) -> None:  # fmt: skip
    """x with its windows, y, dy and dx, one below the other."""
    x = np.array(pixels, np.float64)
    sizes = {"window": window, "stride": stride, "padding": padding}
    y, cache = fcnn.max_pool2d_forward(x[None, None], **sizes)
    dy = np.arange(1.0, 5.0).reshape(1, 1, 2, 2)
    dx = fcnn.max_pool2d_backward(cache, dy)[0, 0]
    won = dict.fromkeys(map(tuple, np.argwhere(dx)), TINTS[4])

    axes.text(left, 1.9, text, weight="bold")
    axes.text(left, 2.8, f"window {window}, stride {stride}" + f", padding {padding}" * padding)
    top = 3.2
    if padding:
        frame = np.full((len(x) + 2, len(x) + 2), "\N{MINUS SIGN}∞")
        inside = [(i, j) for i, j in np.ndindex(*frame.shape) if 0 < i < 4 and 0 < j < 4]
        grid(
            axes, left, top, frame, fills=dict.fromkeys(np.ndindex(*frame.shape), GREY), skip=inside
        )
    grid(axes, left + padding, top + padding, as_text(x), fills=won, bold=won)
    for (i, j), colour in zip(np.ndindex(2, 2), COLOURS, strict=True):
        inset = 0.05 + 0.05 * (2 * i + j) * (window > stride)
        side = window - 2 * inset
        corner = left + j * stride + inset, top + i * stride + inset
        axes.add_patch(box(*corner, side, side, colour))
    for name, at, values in (("y", left, y), ("dy", left + 2.9, dy)):
        axes.text(at, 9.2, name)
        grid(axes, at, 9.5, as_text(values[0, 0]))
        for (i, j), colour in zip(np.ndindex(2, 2), COLOURS, strict=True):
            axes.add_patch(box(at + j + 0.06, 9.56 + i, 0.88, 0.88, colour))
    axes.text(left, 12.3, "dx")
    grid(axes, left, 12.6, as_text(dx), fills=won, bold=won, side=0.68)


def activations() -> Figure:
    """Each activation, and below it its derivative, with the value taken at 0."""
    layers = {
        "relu": fcnn.relu,
        "leaky_relu(0.2)": fcnn.leaky_relu(0.2),
        "sigmoid": fcnn.sigmoid,
        "tanh": fcnn.tanh,
        "gelu": fcnn.gelu,
    }
    figure = Figure(figsize=(7.2, 3.2), facecolor="white", layout="constrained")
    all_axes = figure.subplots(2, len(layers), sharex=True, sharey="row")
    x = np.linspace(-4, 4, 801)
    zero = len(x) // 2
    for (name, layer), (above, below) in zip(layers.items(), all_axes.T, strict=True):
        y, cache = layer.forward((), x)
        _, slope = layer.backward(cache, np.ones_like(x))
        above.plot(x, y, color=BLUE)
        above.set(title=name, ylim=(-1.3, 4))
        for side in (slice(zero), slice(zero + 1, None)):  # nothing joins the sides of a kink
            below.plot(x[side], slope[side], color=VERMILION)
        below.plot(0, slope[zero], "o", color=VERMILION, markersize=4)
        below.set(xlabel="x", xticks=(-3, 0, 3))
        for axes in (above, below):
            axes.axhline(0, color="0.8", linewidth=0.8, zorder=0)
            axes.axvline(0, color="0.8", linewidth=0.8, zorder=0)
    all_axes[0, 0].set_ylabel("y")
    all_axes[1, 0].set_ylabel("dy/dx")
    return figure


def batch_norm_paths() -> Figure:
    """The three ways from one value of a channel to its outputs."""
    figure, axes = canvas(19.4, 9.4)
    title(axes, 0, 0.6, "The three paths through which a value reaches the outputs")
    places = {
        "$x_k$": (1.5, 5),
        "$m$": (7, 7.6),
        "$v$": (11, 5),
        "$y_k$": (18, 2.4),
        "all $y_i$": (18, 7.6),
    }
    paths = [
        ("$x_k$", "$y_k$", BLUE, r"directly:  $\gamma\,r$", (8.2, 2.9)),
        ("$x_k$", "$m$", VERMILION, "$1/M$", (3.4, 7.2)),
        ("$m$", "all $y_i$", VERMILION, r"through the mean:  $-\gamma\,r$", (9.6, 8.5)),
        ("$x_k$", "$v$", GREEN, "$2\\,c_k/M$", (6.2, 5.7)),
        ("$v$", "all $y_i$", GREEN, "through the variance:\n"
         r"$-\frac{1}{2}\gamma\,c_i\,r^3$", (14, 5)),
        ("$m$", "$v$", "0.6", "adds up to 0", (9.5, 6.9)),
    ]  # fmt: skip
    for start, end, colour, text, place in paths:
        arrows = {
            "arrowstyle": "->", "color": colour, "linewidth": 2, "shrinkA": 17, "shrinkB": 26,
            "linestyle": "--" if colour == "0.6" else "-",
        }  # fmt: skip
        axes.annotate("", places[end], places[start], arrowprops=arrows)
        axes.text(*place, text, color="0.4" if colour == "0.6" else colour)
    for name, (x, y) in places.items():
        axes.text(x, y, name, ha="center", va="center", size=14)
    return figure


def softmax_gradients() -> Figure:
    """How long the gradient by the logits is, for two classes: right, and with softmax twice."""
    label = np.array([[1.0, 0.0]])
    p = np.linspace(0.0005, 0.9995, 1000)
    x = np.log(np.stack([p, 1 - p], axis=1))
    once, _ = fcnn.softmax_forward(x)
    twice, _ = fcnn.softmax_forward(once)
    gradients = {
        "right: $p - h$": (once - label, GREEN),
        "derivative doubled: $J(p - h)$":
            (fcnn.softmax_backward(once, once - label), VERMILION),
        "softmax in network and loss: $J(q - h)$":
            (fcnn.softmax_backward(once, twice - label), BLUE),
    }  # fmt: skip
    figure = Figure(figsize=(7.2, 3), facecolor="white", layout="constrained")
    axes = figure.subplots()
    for name, (gradient, colour) in gradients.items():
        axes.plot(p, np.linalg.norm(gradient, axis=1), color=colour, label=name)
    axes.set(xlabel="probability of the label", ylabel="length of the gradient", xlim=(0, 1))
    axes.set_ylim(0)
    axes.legend(frameon=False)
    return figure


def balanced_tree() -> Figure:
    """Seven shards, added over the balanced tree by one process and by three."""
    figure, axes = canvas(25, 19)
    for top, processes in ((0.6, 1), (10.3, 3)):
        who = "one process" if processes == 1 else f"{processes} processes, a colour each"
        title(axes, 0, top, f"7 shards, {who}")
        root = Node(range(7), range(processes))
        _subtree(axes, root, top + 1.2, 24 / 7)
    return figure


def _subtree(axes: Axes, node: Node, y: float, width: float) -> None:
    """A node of the tree, the sum of some shards, and those below it.

    Its colour is that of the process that computes it: of two, the first, which gets the other's.
    """
    height, step = 1.2, 1.9
    x = (node.shards.start + node.shards.stop) / 2 * width + 0.3
    first, last = node.shards[0], node.shards[-1]
    text = f"shard {first}" if first == last else f"{first} to {last}"
    for half in node.halves or ():
        below = (half.shards.start + half.shards.stop) / 2 * width + 0.3
        crosses = half.ranks.start != node.ranks.start
        axes.plot(
            [x, below], [y + height, y + step], color="black", linewidth=2.2 if crosses else 0.8,
            linestyle=(0, (2, 1)) if crosses else "-",
        )  # fmt: skip
        _subtree(axes, half, y + step, width)
    axes.add_patch(
        Rectangle((x - 1.45, y), 2.9, height, facecolor=TINTS[node.ranks.start], edgecolor="black")
    )
    axes.text(x, y + height / 2, text, ha="center", va="center")


def as_text(numbers: Array) -> Array:
    """Whole numbers as one writes them, with a minus sign."""
    texts = [f"{number:.0f}".replace("-", "\N{MINUS SIGN}") for number in numbers.flat]
    return np.array(texts).reshape(numbers.shape)


def canvas(width: float, height: float) -> tuple[Figure, Axes]:
    """A white figure 7.2 inches wide, with axes of its size in units of a cell; y runs down."""
    figure = Figure(figsize=(7.2, 7.2 * (height + 0.4) / (width + 0.4)), facecolor="white")
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(-0.2, width + 0.2), ylim=(height + 0.2, -0.2), aspect="equal")
    axes.set_axis_off()
    return figure, axes


def title(axes: Axes, x: float, y: float, text: str) -> None:
    """The title of a picture."""
    axes.text(x, y, text, size=12, weight="bold")


def grid(
    axes: Axes, x: float, y: float, values: Array, *, side: float = 1.0, colour: str = "black",
    shift: float = 0.0, fills: Fills | None = None, bold: Fills | None = None,
    skip: Sequence[Any] = (),
) -> None:  # fmt: skip
    """Cells with values in them, moved down and right by a shift, from the corner (x, y) on."""
    for place in np.ndindex(*values.shape):
        if place in skip:
            continue
        corner, fill = (x + place[1] * side, y + place[0] * side), (fills or {}).get(place, "white")
        axes.add_patch(
            Rectangle(corner, side, side, facecolor=fill, edgecolor="0.6", linewidth=0.6)
        )
        weight = "bold" if place in (bold or {}) else "normal"
        middle = corner[0] + side / 2 + shift, corner[1] + side / 2 + shift
        axes.text(
            *middle, str(values[place]), color=colour, ha="center", va="center_baseline",
            weight=weight,
        )  # fmt: skip


def box(x: float, y: float, width: float, height: float, colour: str) -> Rectangle:
    """A thick frame."""
    return Rectangle((x, y), width, height, fill=False, edgecolor=colour, linewidth=2, zorder=3)


def arrow(axes: Axes, x: float, y: float) -> None:
    """An arrow to the right, one and a half cells long."""
    axes.annotate(
        "", (x + 1.3, y), (x, y), arrowprops={"arrowstyle": "->", "color": "0.3", "linewidth": 1.2}
    )


if __name__ == "__main__":
    main()
