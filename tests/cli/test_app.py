"""The command itself: its names, its help, its version."""

import subprocess
import sys
from pathlib import Path

import pytest
from commands import call

import fcnn

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("command", [["-m", "fcnn"], [str(ROOT / "cli.py")]])
def test_other_ways_to_call_it(command):
    done = subprocess.run(
        [sys.executable, *command, "--version"], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == f"fcnn {fcnn.__version__}"


def test_help_names_every_command():
    text = call("--help").stdout
    for command in ("train", "evaluate", "summary", "verify", "bench", "data"):
        assert f" {command} " in text
        assert call(command, "-h").stdout == call(command, "--help").stdout


@pytest.mark.skipif(sys.platform == "win32", reason="needs a shell with pipes and true")
def test_nobody_reading_is_no_traceback():
    command = f"{sys.executable} -m fcnn train --data synthetic --epochs 3 | true"
    done = subprocess.run(command, shell=True, capture_output=True, text=True)
    assert "Traceback" not in done.stderr
    assert "Errno" not in done.stderr
