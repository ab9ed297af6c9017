"""Draw docs/pictures/augmentation.png: sixteen digits and what augmentation makes of them.

    python tools/draw_augmentation.py [FILE]

The first sixteen training images, each above an augmented one; then one digit, changed by each
kind of augmentation alone, at a strength where it shows.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from fcnn.augmentation import (
    Augmentation,
    affine,
    compose,
    elastic,
    noise,
    random_erasing,
    rotation,
    scale,
    shear,
    shift,
)
from fcnn.data import mnist5k
from fcnn.numerics.arrays import Array
from fcnn.pictures.drawing import draw_tile, finish_tiles, framed_figure, plain_style

TARGET = Path(__file__).resolve().parent.parent / "docs" / "pictures" / "augmentation.png"
COLUMNS = 8
UNIT = 0.95  # inches a tile, with what is around it

ALL_OF_IT = compose(affine(rotation=12, scale=0.1, shear=0.1, shift=2.5), elastic(20, 4))
KINDS: dict[str, Augmentation | None] = {
    "as it is": None,
    "shift(6)": shift(6),
    "rotation(40)": rotation(40),
    "scale(0.4)": scale(0.4),
    "shear(0.5)": shear(0.5),
    "elastic(34, 4)": elastic(34, 4),
    "erasing": random_erasing(1.0, area=(0.1, 0.2), value=0.5),
    "noise(0.2)": noise(0.2),
}


def draw(target: Path) -> None:
    """Draw the picture and write it to a file."""
    (images, _), _ = mnist5k()
    sixteen = images[: 2 * COLUMNS]
    changed = ALL_OF_IT(np.random.default_rng(0), sixteen)
    rng = np.random.default_rng(215)  # one that shows them all
    kinds = [f(rng, images[7:8])[0] if f else images[7] for f in KINDS.values()]
    rows: list[tuple[Array, list[str], float]] = []
    for part in (slice(0, COLUMNS), slice(COLUMNS, 2 * COLUMNS)):
        rows += [(sixteen[part], [""] * COLUMNS, 1.06), (changed[part], [""] * COLUMNS, 1.25)]
    rows.append((np.stack(kinds), list(KINDS), 1.25))
    height = sum(step for *_, step in rows)
    width = COLUMNS * 1.06
    with plain_style():
        figure, axes = framed_figure(
            width * UNIT,
            height * UNIT,
            "Sixteen digits, augmented, and each kind alone",
            "below each: affine(rotation=12, scale=0.1, shear=0.1, shift=2.5), then elastic(20, 4)",
        )
        y = 0.0
        for tiles, captions, step in rows:
            for column, (tile, caption) in enumerate(zip(tiles, captions, strict=True)):
                draw_tile(axes, tile[0], 1.06 * column, y, caption, cmap="gray", vmin=0, vmax=1)
            y += step
        finish_tiles(axes, width, height)
        figure.savefig(target, metadata={"Software": None})


if __name__ == "__main__":
    draw(Path(sys.argv[1]) if len(sys.argv) > 1 else TARGET)
