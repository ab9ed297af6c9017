"""How long a page takes to answer once a stroke is drawn, in Chromium on one core.

    pip install -e '.[browser]'
    python benchmarks/page.py

For each network it draws strokes with the mouse, and prints the milliseconds from the end of a
stroke to its answer, the median, the longest and, between points of a stroke, the longest that
the page took to draw one; and how large the page is. Initial parameters do: the time does not
depend on what they are.
"""

import os
import shutil
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from playwright.sync_api import sync_playwright

import fcnn

STROKES = 20
# Notes when a stroke ends, when the answer to it is there, and how long each point takes.
WATCH = """() => {
    window.waits = [];
    window.points = [];
    let end = null;
    const pad = document.querySelector("#pad"), answer = document.querySelector("#answer");
    pad.addEventListener("pointerup", () => (end = performance.now()), true);
    new MutationObserver(() => {
        if (end === null || answer.dataset.state !== "ready") return;
        waits.push(performance.now() - end);
        end = null;
    }).observe(answer, { attributes: true });
    const now = () => performance.now();
    pad.addEventListener("pointermove", ({ timeStamp }) => points.push(now() - timeStamp));
}"""


def main() -> None:
    """Print a line for each network."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})  # of this and of Chromium
    print(f"{'':16} {'answer, ms':>10} {'longest':>8} {'a point':>8} {'page, kB':>9}")
    with sync_playwright() as playwright, tempfile.TemporaryDirectory() as folder:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        for name in sys.argv[1:] or ["mnist_cnn", "deep_cnn_small", "deep_cnn"]:
            path = Path(folder, f"{name}.html")
            model = getattr(fcnn.models, name)()
            params, _ = model.init(np.random.default_rng(0), (1, 28, 28))
            fcnn.exchange.save_page(path, model, params, (1, 28, 28), preparation="mnist")
            page = browser.new_page()
            page.goto(path.as_uri())
            waits, points = drawn(page)
            size = path.stat().st_size / 1e3
            print(
                f"{name:16} {statistics.median(waits):10.0f} {max(waits):8.0f} "
                f"{max(points):8.1f} {size:9.0f}"
            )
            page.close()
        browser.close()


def drawn(page: Any) -> tuple[list[float], list[float]]:
    """How long the answers to strokes took, and the points of these."""
    page.evaluate(WATCH)
    pad = page.locator("#pad").bounding_box()
    rng = np.random.default_rng(0)
    for _ in range(STROKES):
        page.click("#clear")
        corners = pad["x"] + pad["width"] * rng.uniform(0.1, 0.9, 4)
        heights = pad["y"] + pad["height"] * np.linspace(0.1, 0.9, 4)
        page.mouse.move(corners[0], heights[0])
        page.mouse.down()
        for x, y in zip(corners[1:], heights[1:], strict=True):
            page.mouse.move(x, y, steps=10)
        page.mouse.up()
        page.wait_for_selector("#answer[data-state=ready]")
    waits, points = page.evaluate("() => [waits, points]")
    return waits, points


if __name__ == "__main__":
    main()
