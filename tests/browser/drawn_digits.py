"""The ten digits as a hand draws them: strokes of points (x, y), from 0 to 1, y downwards."""

import math


def arc(x, y, rx, ry, begin, end, points=14):
    """Part of an ellipse, from one angle to another, in degrees; 0 is to the right, 90 below."""
    angles = [math.radians(begin + (end - begin) * i / points) for i in range(points + 1)]
    return [(x + rx * math.cos(a), y + ry * math.sin(a)) for a in angles]


DIGITS = {
    "0": [arc(0.5, 0.5, 0.2, 0.32, -90, 270)],
    "1": [[(0.42, 0.28), (0.53, 0.17), (0.51, 0.83)]],
    "2": [[*arc(0.5, 0.34, 0.18, 0.17, -170, 40), (0.3, 0.8), (0.72, 0.79)]],
    "3": [[*arc(0.48, 0.33, 0.17, 0.16, -150, 80), *arc(0.48, 0.65, 0.2, 0.17, -80, 150)]],
    "4": [[(0.36, 0.18), (0.28, 0.55), (0.72, 0.53)], [(0.62, 0.2), (0.58, 0.84)]],
    "5": [
        [(0.68, 0.19), (0.38, 0.2), (0.35, 0.46), *arc(0.48, 0.63, 0.2, 0.19, -110, 140)],
    ],
    "6": [[(0.6, 0.17), (0.42, 0.36), *arc(0.5, 0.64, 0.17, 0.18, 200, -160)]],
    "7": [[(0.28, 0.22), (0.7, 0.21), (0.45, 0.84)]],
    "8": [[*arc(0.5, 0.33, 0.14, 0.15, 60, -240), *arc(0.5, 0.66, 0.17, 0.18, -120, 240)]],
    "9": [[*arc(0.48, 0.36, 0.16, 0.17, -20, -380), (0.63, 0.4), (0.58, 0.84)]],
}


def draw(page, digit, pad="#pad"):
    """Draw a digit with the mouse."""
    box = page.locator(pad).bounding_box()

    def at(x, y):
        return box["x"] + x * box["width"], box["y"] + y * box["height"]

    for first, *others in DIGITS[digit]:
        page.mouse.move(*at(*first))
        page.mouse.down()
        for point in others:
            page.mouse.move(*at(*point), steps=2)
        page.mouse.up()
