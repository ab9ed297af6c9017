"""Tables of plain text, at most as wide as a terminal."""

import textwrap
from collections.abc import Sequence
from typing import Final

COLUMNS: Final = 80  # of a terminal


def table(
    header: Sequence[str],
    rows: Sequence[Sequence[object]],
    left: Sequence[int] = (),
    folded: int | None = None,
) -> str:
    """Aligned columns, two spaces apart; to the right except for those listed in `left`.

    A table that is too wide has the texts of its column `folded` on several lines.
    """
    lines = [[str(cell) for cell in row] for row in (header, *rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    excess = sum(widths) + 2 * (len(widths) - 1) - COLUMNS
    if folded is not None and excess > 0:
        lines = [part for line in lines for part in _folded(line, folded, widths[folded] - excess)]
        widths[folded] = max(len(line[folded]) for line in lines)

    def cell(text: str, i: int) -> str:
        return text.ljust(widths[i]) if i in left else text.rjust(widths[i])

    return "\n".join("  ".join(map(cell, line, range(len(line)))).rstrip() for line in lines)


def _folded(line: Sequence[str], column: int, width: int) -> list[list[str]]:
    """A line of a table as several, in which one column is at most so wide, and at least 20."""
    parts = textwrap.wrap(line[column], max(width, 20), subsequent_indent="  ") or [""]
    first = [parts[0] if i == column else text for i, text in enumerate(line)]
    others = [[part if i == column else "" for i in range(len(line))] for part in parts[1:]]
    return [first, *others]
