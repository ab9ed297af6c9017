"""Progress bars are drawn on a terminal alone."""

import io
import sys

import pytest

from fcnn.cli.progress import Bar


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize(
    ("stream", "shown", "drawn"),
    [(io.StringIO, True, False), (Terminal, False, False), (Terminal, True, True)],
)
def test_a_progress_bar_is_drawn_on_a_terminal_alone(stream, shown, drawn, monkeypatch, capsys):
    stderr = stream()
    monkeypatch.setattr(sys, "stderr", stderr)
    monkeypatch.setenv("TERM", "xterm")
    with Bar(shown) as bar:
        for step in range(3):
            bar.update("some work", step + 1, 3)
    assert ("some work" in stderr.getvalue()) == drawn
    assert drawn or stderr.getvalue() == ""
    assert capsys.readouterr().out == ""
