"""The code of a page of the book, or of the README: what it is run with, and where.

A page is run from top to bottom, in one namespace and in a folder of its own. In there a reader
has said `fcnn train` and `fcnn train --out digits` before.
"""

import os
import shutil
import tempfile
from functools import cache
from pathlib import Path

import matplotlib
from commands import trained
from sybil.parsers.myst import PythonCodeBlockParser

ROOT = Path(__file__).parents[2]
RUN = "runs/mnist5k-deep_cnn_small-1"
PARSER = PythonCodeBlockParser()


def enter(namespace):
    """Go into a new folder, with a run in it. Figures open no window."""
    matplotlib.use("agg")
    folder = tempfile.TemporaryDirectory()
    namespace["_leave"] = folder, os.getcwd()
    os.chdir(folder.name)
    for name in (RUN, "digits"):
        shutil.copytree(_trained(), name)


def leave(namespace):
    """Go back to where the page was entered, and delete its folder."""
    folder, before = namespace["_leave"]
    os.chdir(before)
    folder.cleanup()


@cache
def _trained():
    """The folder that `fcnn train --epochs 1` fills."""
    _trained.kept = tempfile.TemporaryDirectory()
    return trained(Path(_trained.kept.name) / "run", "--epochs", 1)
