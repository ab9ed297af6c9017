"""Programs under `mpiexec`, that of the environment in which the tests run."""

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

MPIEXEC = Path(sys.executable).with_name("mpiexec")


@pytest.fixture
def start(elsewhere):
    """A function that starts a command, or a program by its text, on so many processes."""
    begun = []

    def start(count, *command):
        if "\n" in command[0]:
            program = elsewhere / "program.py"
            program.write_text(textwrap.dedent(command[0]), encoding="utf-8")
            command = (sys.executable, program, *command[1:])
        launched = subprocess.Popen(
            [MPIEXEC, "-n", str(count), *map(str, command)],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        begun.append(launched)
        return launched

    yield start
    for launched in begun:
        launched.kill()
        launched.communicate()


@pytest.fixture
def launch(start):
    """The same, waited for: gives the exit code, standard output and standard error."""

    def launch(count, *command):
        launched = start(count, *command)
        out, err = launched.communicate(timeout=100)
        return launched.returncode, out, err

    return launch
