"""Make docs/_static/digits.html: the network of `fcnn train`, at work on a page.

    python tools/make_live_page.py
    python tools/make_live_page.py --same-network

Trains `deep_cnn_small` by the default recipe, on the 5,000 digits that come with the package, and
exports it with digits of the test set; or puts the page as it is now around the network that
is in it already.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from fcnn.exchange.page import document_in, page_of

TARGET = Path(__file__).resolve().parent.parent / "docs" / "_static" / "digits.html"


def main() -> None:
    """Write the page."""
    if sys.argv[1:] == ["--same-network"]:
        TARGET.write_text(page_of(document_in(TARGET.read_text("utf-8"))), "utf-8")
        return
    with tempfile.TemporaryDirectory() as folder:
        run = str(Path(folder) / "run")
        _fcnn("train", "--out", run)
        _fcnn("export", run, "page", "--out", str(TARGET))


def _fcnn(*arguments: str) -> None:
    subprocess.run([sys.executable, "-m", "fcnn", *arguments], check=True)


if __name__ == "__main__":
    main()
