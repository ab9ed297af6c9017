"""The page on exchange keeps its word: a network of PyTorch comes in, trains on, and leaves."""

import shlex
import subprocess
import sys
from pathlib import Path

import pages
from sybil import Example, Sybil
from sybil.parsers.myst import CodeBlockParser

PAGE = pages.ROOT / "docs" / "how_to" / "exchange.md"


def run_commands(example: Example) -> None:
    """Run the lines of a block of shell, each of which must succeed."""
    for line in example.parsed.splitlines():
        program, *arguments = shlex.split(line)
        interpreted: list[str] = {"python": [], "fcnn": ["-m", "fcnn"]}[program]
        subprocess.run([sys.executable, *interpreted, *arguments], check=True)


def test_every_block_runs_in_order(elsewhere: Path) -> None:
    parsers = [pages.PARSER, CodeBlockParser("sh", run_commands)]
    blocks = list(Sybil(parsers, path=str(pages.ROOT)).parse(PAGE).examples())
    for block in blocks:
        block.evaluate()
    assert {
        "digits.py",
        "digits.onnx",
        "digits.safetensors",
        "digits.npz",
        "digits_again.onnx",
    } <= {path.name for path in elsewhere.iterdir()}
