"""Draw docs/pictures/page.png: the page of a network at work, in Chromium.

    python tools/draw_page.py [FILE]

Opens docs/_static/digits.html, which tools/make_live_page.py makes. Needs `pip install -e
'.[browser]'` and the system's Chromium.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

DOCS = Path(__file__).resolve().parent.parent / "docs"
TARGET = DOCS / "pictures" / "page.png"
PAGE = DOCS / "_static" / "digits.html"

# A digit as a pen goes over the pad, from 0 to 1.
TWO = [(0.3, 0.32), (0.38, 0.22), (0.52, 0.18), (0.65, 0.24), (0.68, 0.36), (0.6, 0.5),
       (0.45, 0.64), (0.3, 0.78), (0.5, 0.78), (0.74, 0.77)]  # fmt: skip


def draw(target: Path) -> None:
    """Draw a two on the page, and take a picture of it."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1200, "height": 900}, color_scheme="light")
        page.goto(PAGE.as_uri())
        pad = page.locator("#pad").bounding_box()
        assert pad is not None
        for number, (x, y) in enumerate(TWO):
            page.mouse.move(pad["x"] + x * pad["width"], pad["y"] + y * pad["height"], steps=4)
            if number == 0:
                page.mouse.down()
        page.mouse.up()
        page.wait_for_timeout(3000)
        page.screenshot(path=target)
        browser.close()


if __name__ == "__main__":
    draw(Path(sys.argv[1]) if len(sys.argv) > 1 else TARGET)
