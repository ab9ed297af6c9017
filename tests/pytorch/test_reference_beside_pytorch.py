"""The reference values that come with fcnn are what PyTorch computes here and now."""

import subprocess
import sys
from pathlib import Path

import numpy as np
from agreement import error

from fcnn.proof.shipped_values import ReferenceCase, read_cases, reference_cases

TOOL = Path(__file__).resolve().parents[2] / "tools" / "make_reference_values.py"


def form(case: ReferenceCase) -> tuple[object, ...]:
    shapes = [{n: a.shape for n, a in part.items()} for part in (case.inputs, case.expected)]
    return case.name, case.operation, case.settings, shapes


def test_the_tool_makes_the_shipped_file(tmp_path: Path) -> None:
    files = [tmp_path / "first.npz", tmp_path / "second.npz"]
    for file in files:
        subprocess.run([sys.executable, str(TOOL), str(file)], check=True, capture_output=True)
    assert files[0].read_bytes() == files[1].read_bytes()
    with files[0].open("rb") as opened:
        made = read_cases(opened)
    shipped = reference_cases()
    assert [form(case) for case in made] == [form(case) for case in shipped]
    for new, old in zip(made, shipped, strict=True):
        assert all(np.array_equal(new.inputs[name], array) for name, array in old.inputs.items())
        for name, array in old.expected.items():
            assert error(new.expected[name], array) <= 1e-14, new.name
