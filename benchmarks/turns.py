"""Programs that stay up and work in turn, so that a machine which is slow for a while is slow
for all of them.
"""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

Program = subprocess.Popen[str]


def start(script: str, *arguments: object, processes: int = 1) -> Program:
    """A script of this folder that reads from a line how many seconds it shall work, and answers
    with how fast it was, again and again; in several processes of MPI, the first of them does.
    """
    launcher = ["mpiexec", "-n", str(processes)] if processes > 1 else []
    return subprocess.Popen(
        [*launcher, sys.executable, script, *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        cwd=Path(__file__).parent,
    )


def ask(programs: Sequence[Program], seconds: float) -> list[float] | None:
    """How fast each was in a turn that they worked side by side; None if one of them has ended."""
    try:
        for program in programs:
            assert program.stdin is not None
            program.stdin.write(f"{seconds}\n")
            program.stdin.flush()
    except BrokenPipeError:
        return None
    answers = [program.stdout.readline() for program in programs if program.stdout is not None]
    return list(map(float, answers)) if all(answers) else None


def end(programs: Sequence[Program]) -> None:
    """End them."""
    for program in programs:
        program.terminate()
        program.wait()
