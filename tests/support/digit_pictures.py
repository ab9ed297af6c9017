"""Pictures of digits as people have them: large, on paper, in any light, colour and polarity."""

import numpy as np
from PIL import Image

KINDS = ("plain", "paper", "inverted", "colour", "transparent", "small on a page")


def digit_picture(digit, kind, rng):
    """A picture of a digit (28, 28) of MNIST, floats: an array (H, W) or (H, W, C), uint8."""
    side = int(rng.integers(120, 361))
    width, height = (int(n) for n in rng.integers(side, 601, 2))
    if kind == "small on a page":
        side, width, height = 120, 600, 600
    grown = Image.fromarray((digit * 255).astype(np.uint8)).resize((side, side), Image.BICUBIC)
    ink = np.zeros((height, width))
    top, left = int(rng.integers(height - side + 1)), int(rng.integers(width - side + 1))
    ink[top : top + side, left : left + side] = np.asarray(grown) / 255
    ink = ink[..., None]

    def on(paper, pen):
        return paper * (1 - ink) + pen * ink

    if kind == "plain":
        return _bytes(on(np.ones(1), 0.0)[..., 0])
    if kind == "inverted":
        return _bytes(on(np.full(1, rng.uniform(0, 0.2)), rng.uniform(0.7, 1))[..., 0])
    if kind == "colour":
        paper = rng.uniform(0.75, 1, 3)
        pen = rng.permutation([rng.uniform(0.5, 0.8), rng.uniform(0, 0.3), rng.uniform(0, 0.3)])
        return _bytes(on(paper, pen))
    if kind == "transparent":
        pen = np.full(3, rng.choice([0.0, 0.2, 0.8, 1.0]))
        # What does not show may have any colour.
        return _bytes(np.concatenate([np.broadcast_to(pen, (*ink.shape[:2], 3)), ink], axis=2))
    light = _light(height, width, rng)
    noise = rng.normal(0, rng.uniform(0.01, 0.05), (height, width))
    return _bytes(on(0.9, rng.uniform(0.05, 0.35))[..., 0] * light + noise)


def _light(height, width, rng):
    """A gradient of light from 1 down to between 0.4 and 0.8, in any direction."""
    angle = rng.uniform(0, 2 * np.pi)
    y, x = np.mgrid[:height, :width] / max(height, width)
    along = x * np.cos(angle) + y * np.sin(angle)
    along = (along - along.min()) / (along.max() - along.min())
    return 1 - along * rng.uniform(0.2, 0.6)


def _bytes(values):
    return (np.clip(values, 0, 1) * 255).round().astype(np.uint8)


def sixty(images, labels, seed):
    """Sixty pictures, ten of each kind, of digits chosen by the seed, and what they show."""
    rng = np.random.default_rng(seed)
    chosen = rng.choice(len(labels), 60, replace=False)
    pictures = [
        digit_picture(images[i, 0], KINDS[place % len(KINDS)], rng)
        for place, i in enumerate(chosen)
    ]
    return pictures, labels[chosen]
