"""Progress is a bar on a terminal, and a line now and then elsewhere."""

import io
import sys

import pytest

from fcnn.cli.progress import Bar


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize(("shown", "drawn"), [(False, False), (True, True)])
def test_a_bar_is_drawn_on_a_terminal(shown, drawn, monkeypatch, capsys):
    stderr = Terminal()
    monkeypatch.setattr(sys, "stderr", stderr)
    monkeypatch.setenv("TERM", "xterm")
    with Bar(shown) as bar:
        for step in range(3):
            bar.update("some work", step + 1, 3)
    assert ("some work" in stderr.getvalue()) == drawn
    assert drawn or stderr.getvalue() == ""
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("shown", [False, True])
def test_long_work_has_a_line_every_ten_seconds_in_a_pipe(shown, capsys):
    now = 100.0
    with Bar(shown, clock=lambda: now) as bar:
        for step in range(1, 9):
            now += 3
            bar.update("Epoch 1/2", step, 16, "0:01:00 left" if step > 4 else "")
        now += 11
        bar.update("bytes", 12345, None)
    out, err = capsys.readouterr()
    assert out == ""
    lines = ["Epoch 1/2: 25%", "Epoch 1/2: 50%, 0:01:00 left", "bytes: 12,345"]
    assert err.splitlines() == (lines if shown else [])
