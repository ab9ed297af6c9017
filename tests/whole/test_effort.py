"""What is done at a tenth by default is done as a whole by the step of .ci/run that asks for it."""

import ast
import re
from pathlib import Path

TESTS = Path(__file__).parents[1]
ASKING = re.compile(r"\beffort\.|(?<![.\w])(some|times|Verdicts)\(")


def test_what_asks_how_much_to_try_is_marked_heavy():
    asking = {}
    for path in TESTS.rglob("test_*.py"):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.FunctionDef) and ASKING.search(code := ast.unparse(node)):
                asking[f"{path.name}: {node.name}"] = code
    assert len(asking) > 10
    assert [name for name, code in asking.items() if "pytest.mark.heavy" not in code] == []
