"""The assignment of the page for teachers: what it gives for what is handed in."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ASSIGNMENT = ROOT / "examples" / "assignment"
PAGE = (ROOT / "docs" / "teachers.md").read_text(encoding="utf-8")
SOLUTION = (ASSIGNMENT / "solution.py").read_text(encoding="utf-8")

# pytest cuts its summary to the width of a terminal, and not where CI or BUILD_NUMBER is set.
_A_TERMINAL = {k: v for k, v in os.environ.items() if k not in ("CI", "BUILD_NUMBER")}
_A_TERMINAL["COLUMNS"] = "80"


@pytest.fixture
def grade(tmp_path):
    """What pytest says of a text that is handed in as softplus.py."""

    def run(text):
        for name in ("conftest.py", "test_softplus.py"):
            shutil.copy(ASSIGNMENT / name, tmp_path)
        (tmp_path / "softplus.py").write_text(text, encoding="utf-8")
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "--tb=line", "-p", "no:cacheprovider"],
            capture_output=True, text=True, cwd=tmp_path, env=_A_TERMINAL,
        )  # fmt: skip
        return done.stdout

    return run


def test_a_solution_gets_all_points_and_what_is_handed_out_none(grade):
    assert "Points: 10 of 10" in grade(SOLUTION)
    handed_out = (ASSIGNMENT / "softplus.py").read_text(encoding="utf-8")
    assert "Points: 0 of 10" in grade(handed_out)


def test_the_derivative_of_relu_learns_all_the_same_and_the_checker_names_it(grade):
    right = "return dy * np.exp(-np.logaddexp(0, -x))"
    assert right in SOLUTION
    told = grade(SOLUTION.replace(right, "return dy * (x > 0)"))
    _, shown = PAGE.split("pytest -q --tb=line\n```\n\n```text\n")
    lines = shown.split("```")[0].splitlines()
    assert "Points: 6 of 10" in lines
    assert "check: softplus: the gradient by x" in "".join(lines)
    for line in lines:
        assert _without_numbers(line) in _without_numbers(told)


def test_a_file_that_cannot_be_imported_gets_none(grade):
    assert "Points: 0 of 0" in grade("def softplus_forward(x)")


def _without_numbers(text):
    """Of differences the last digits are not the same everywhere."""
    return re.sub(r"\d[\d.]*(e[-+]\d+)?", "#", text)
