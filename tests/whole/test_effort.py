"""What is done at a tenth by default is done as a whole by the step of .ci/run that asks for it."""

import re
from pathlib import Path

TESTS = Path(__file__).parents[1]


def test_tests_that_are_larger_with_full_are_marked():
    """By modules: one that asks how much to try has tests that are marked heavy."""
    asking = re.compile(r"^from (effort|verdicts) import .*\b(some|times|Verdicts)\b", re.MULTILINE)
    modules = {
        path.name: text
        for path in TESTS.rglob("test_*.py")
        if asking.search(text := path.read_text(encoding="utf-8"))
    }
    assert len(modules) >= 5
    assert [name for name, text in modules.items() if "pytest.mark.heavy" not in text] == []
