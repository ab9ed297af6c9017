"""The code of the README and of the book's pages are tests, block by block."""

from pages import PARSER, enter, leave
from sybil import Sybil

pytest_collect_file = Sybil(
    parsers=[PARSER],
    patterns=["README.md", "docs/*.md", "docs/*/*.md"],
    excludes=[
        "docs/how_to/exchange.md",  # it needs PyTorch: tests/pytorch runs it
        "docs/how_to/many_processes.md",  # it needs MPI: tests/mpi runs it
    ],
    setup=enter,
    teardown=leave,
).pytest()
