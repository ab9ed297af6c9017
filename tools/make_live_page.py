"""Make docs/_static/digits.html: the network of `fcnn train`, at work on a page.

    python tools/make_live_page.py [FILE]

Trains `deep_cnn_small` by the default recipe, on the 5,000 digits that come with the package, and
exports it with digits of the test set.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

TARGET = Path(__file__).resolve().parent.parent / "docs" / "_static" / "digits.html"


def make(target: Path) -> None:
    """Train a network and write its page."""
    with tempfile.TemporaryDirectory() as folder:
        run = str(Path(folder) / "run")
        _fcnn("train", "--out", run)
        _fcnn("export", run, "page", "--out", str(target))


def _fcnn(*arguments: str) -> None:
    subprocess.run([sys.executable, "-m", "fcnn", *arguments], check=True)


if __name__ == "__main__":
    make(Path(sys.argv[1]) if len(sys.argv) > 1 else TARGET)
