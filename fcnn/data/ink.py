"""The ink in a picture: what stands out from paper in any light."""

from __future__ import annotations

from typing import Final

import numpy as np

from fcnn.data.resampling import reduced
from fcnn.numerics.arrays import Array

LIGHT_AT: Final = 64  # pixels of the longer side in which the light is measured
PIECES_AT: Final = 80  # and in which it is found out which ink hangs together
ROUNDS: Final = 25  # of weighing again
DUST: Final = 0.005  # a difference that is none
LEAST_CONTRAST: Final = 0.04  # of ink and paper, where black and white have 1
LEAST_CLARITY: Final = 4.0  # that contrast by the deviation of the paper: 2 on blank pages
ONE_TONE: Final = 0.2  # of the variance: what may be within the tones of ink and paper
LEAST_OF_SHEET: Final = 0.25  # of the picture: a smaller rectangle of ink is no sheet
FULL: Final = 0.9  # of the edges of a sheet
EDGE_OF_SHEET: Final = 0.02  # of its longer side, which may be shadow
LEAST_SHARE: Final = 0.08  # of the largest piece of ink: what has less is a speck


def ink_in(grey: Array) -> Array:
    """How much ink there is in each pixel of a grey picture (H, W), from 0 to 1.

    Ink is what differs from the paper by more than the threshold of Otsu (1979), in whichever
    direction that happens more; but most of the border is paper. ValueError if there is none.
    """
    light = _in_the_light(grey)
    sheet = None if light is None else _sheet(light if _border(light).mean() < 0.5 else ~light)
    if sheet is not None:
        ink = np.zeros_like(grey)
        ink[sheet] = ink_in(grey[sheet])
        return ink
    try:
        return _ink_on(_paper(grey), grey)
    except ValueError:
        if light is None:
            raise
    # Ink that is nearly half of the picture has bent what was taken for the light.
    return _ink_on(np.median(_border(grey)), grey)


def _ink_on(paper: Array | np.floating, grey: Array) -> Array:
    """How much ink there is in each pixel, (H, W), on paper of this brightness."""
    radius = max(grey.shape) // 200
    difference = grey - paper
    smooth = _smoothed(difference, radius)
    found, sign = _standing_out(smooth)
    if _border(found).mean() > 0.5:
        # The paper was the smaller part, and has been taken for ink.
        level = np.median(smooth[found])
        difference, smooth = difference - level, smooth - level
        found, sign = _standing_out(smooth)
    contrast = _contrast(sign * smooth, found)
    near = widened(_without_specks(found), max(radius, 1))
    strength: Array = np.clip(sign * difference / contrast, 0, 1) * near
    return strength


def _sheet(found: Array) -> tuple[slice, slice] | None:
    """The inner part of a large rectangle that is surrounded, and full along its edges: a sheet of
    paper on a table, or within a frame; None if there is none.
    """
    down, across = (np.flatnonzero(found.mean(axis) > LEAST_OF_SHEET / 2) for axis in (1, 0))
    if not (down.size and across.size) or _border(found).mean() > 1 - FULL:
        return None
    height, width = down[-1] + 1 - down[0], across[-1] + 1 - across[0]
    edge = max(1, round(EDGE_OF_SHEET * max(height, width)))
    is_stroke = 3 * min(height, width) < max(height, width) or min(height, width) <= 4 * edge
    if is_stroke or height * width < LEAST_OF_SHEET * found.size:
        return None
    inner = (slice(down[0] + edge, down[-1] + 1 - edge),
             slice(across[0] + edge, across[-1] + 1 - edge))  # fmt: skip
    return inner if _border(found[inner]).mean() > FULL else None


def _in_the_light(grey: Array) -> Array | None:
    """Which pixels are of the lighter one of two tones, (H, W) bool, as white beside black; None
    if they are no two tones: of light that falls off evenly, a quarter of the variance is within.
    """
    light: Array = grey > grey.min() + _otsu(grey - grey.min())
    if light.all() or not light.any():
        return None
    within = light.mean() * grey[light].var() + (~light).mean() * grey[~light].var()
    return light if within < ONE_TONE * grey.var() else None


def widened(image: Array, radius: int) -> Array:
    """The greatest value within so many pixels of each, across, down and diagonally."""
    for axis in (0, 1):
        whole = np.pad(image, _along(axis, radius, radius))
        image = np.lib.stride_tricks.sliding_window_view(whole, 2 * radius + 1, axis).max(-1)
    return image


def _paper(grey: Array) -> Array:
    """The paper behind the ink: a quadratic function of the place, since light changes slowly.

    Its least absolute differences, by least squares that are weighed again and again: the ink,
    which is the smaller part, then pulls no more than anything else.
    """
    small = reduced(grey, LIGHT_AT)
    terms, values = _quadratic(small.shape), small.ravel()
    weights = np.ones_like(values)
    for _ in range(ROUNDS):
        solved = np.linalg.lstsq(terms * weights[:, None], values * weights, rcond=None)[0]
        weights = 1 / np.sqrt(np.maximum(np.abs(values - terms @ solved), DUST))
    paper: Array = (_quadratic(grey.shape) @ solved).reshape(grey.shape)
    return paper


def _quadratic(shape: tuple[int, ...]) -> Array:
    """1, y, y², x, xy and x² for each pixel, (H W, 6)."""
    y, x = (((np.arange(side) + 0.5) / side - 0.5) for side in shape)
    terms = [
        np.multiply.outer(y**down, x**right).ravel()
        for right in range(3)
        for down in range(3 - right)
    ]
    return np.stack(terms, axis=1)


def _smoothed(image: Array, radius: int) -> Array:
    """The mean over the square around each pixel, which noise does not survive."""
    for axis in (0, 1):
        whole = np.pad(image, _along(axis, radius, radius), mode="edge")
        image = np.lib.stride_tricks.sliding_window_view(whole, 2 * radius + 1, axis).mean(-1)
    return image


def _along(axis: int, before: int, after: int) -> list[tuple[int, int]]:
    """What `np.pad` adds along one axis of two."""
    return [(before, after) if other == axis else (0, 0) for other in (0, 1)]


def _standing_out(smooth: Array) -> tuple[Array, int]:
    """Where a picture of differences is far from 0, (H, W) bool, and their sign there."""
    sign = -1 if (smooth**3).sum() < 0 else 1
    differences = np.maximum(sign * smooth, 0)
    return differences > _otsu(differences), sign


def _otsu(values: Array) -> float:
    """The threshold that parts values so that the two means are as far apart as can be."""
    counts, edges = np.histogram(values, 256)
    below, sums = counts.cumsum(), (counts * edges[:-1]).cumsum()
    above = below[-1] - below
    between = np.zeros(len(counts))
    parts = (below > 0) & (above > 0)
    means = sums[parts] / below[parts], (sums[-1] - sums[parts]) / above[parts]
    between[parts] = below[parts] * above[parts] * (means[0] - means[1]) ** 2
    return float(edges[1 + between.argmax()])


def _border(found: Array) -> Array:
    return np.concatenate([found[0], found[-1], found[:, 0], found[:, -1]])


def _contrast(ink: Array, found: Array) -> float:
    """How far the ink stands out from the paper; ValueError if that may be the paper's grain."""
    if found.any() and not found.all():
        level = np.median(ink[~found])
        contrast = float(np.median(ink[found]) - level)
        grain = 1.4826 * np.median(np.abs(ink[~found] - level))  # a standard deviation
        if contrast > max(LEAST_CONTRAST, LEAST_CLARITY * grain):
            return contrast
    raise ValueError("nothing stands out from the paper; cut out the digit, with a margin of paper")


def _without_specks(found: Array) -> Array:
    """The ink without pieces that are small beside the largest."""
    H, W = found.shape
    coarse = reduced(found.astype(float), PIECES_AT)
    height, width = coarse.shape
    inked = coarse > 0.05
    pieces = np.arange(1, coarse.size + 1).reshape(coarse.shape) * inked
    while ((spread := widened(pieces, 1) * inked) != pieces).any():
        pieces = spread
    sizes = np.bincount(pieces.ravel(), coarse.ravel())
    sizes[0] = 0  # the paper
    kept = widened(sizes[pieces] >= max(LEAST_SHARE * sizes.max(), 1e-9), 1)
    whole: Array = kept[np.arange(H) * height // H][:, np.arange(W) * width // W]
    return found & whole


def stroke_width(ink: Array) -> float:
    """The width of the pen, in pixels: twice the ink by the length of its edges."""
    inked = np.pad(ink > 0.5, 1)
    inner = ~widened(~inked, 1)
    return 2 * int(inked.sum()) / max(int(inked.sum() - inner.sum()), 1)
