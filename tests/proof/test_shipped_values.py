"""The values that PyTorch computed: an independent oracle, without PyTorch.

That mistakes are noticed by them is tested in `test_mistakes`.
"""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import fcnn
from fcnn import tree
from fcnn.proof import shipped_values
from fcnn.proof.proofs import differences

CASES = shipped_values.reference_cases()
STEPS = {"sgd", "adam", "adamw"}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_fcnn_computes_what_torch_computes(case):
    assert max(shipped_values.errors(case).values()) <= 1e-12


def test_every_operation_and_loss_has_cases():
    public = {name.removesuffix("_forward") for name in fcnn.__all__ if name.endswith("_forward")}
    public -= {"dropout"}  # PyTorch draws other numbers; `fcnn verify` has its definition
    assert {case.operation for case in CASES} == public | {"value_and_grad", *STEPS}
    assert len({case.name for case in CASES}) == len(CASES)


def test_cases_hold_what_their_operations_have_to_give():
    images = {"y", "dx"}
    names = {
        "conv2d": images | {"dw", "db"},
        "dense": images | {"dw", "db"},
        "batch_norm": images | {"dscale", "dshift", "dmean", "dvar"},
        "cross_entropy": {"loss", "doutputs"},
        "smoothed_cross_entropy": {"loss", "doutputs"},
        "mean_squared_error": {"loss", "doutputs"},
        "softmax_cross_entropy": {"loss", "doutputs"},
    }
    for case in CASES:
        if case.operation not in {"value_and_grad", *STEPS}:
            expected = names.get(case.operation, images) - ({"db"} - {f"d{n}" for n in case.inputs})
            assert set(case.expected) == expected, case.name


def test_arrays_are_read_only_float64_and_labels_integers():
    for case in CASES:
        for name, array in (*case.inputs.items(), *case.expected.items()):
            assert array.dtype == (np.int64 if name == "labels" else np.float64)
            assert not array.flags.writeable
            assert array.size


def test_there_are_ties_to_break_and_zeros_to_decide():
    pools = [case for case in CASES if case.operation == "max_pool2d"]
    relus = [case for case in CASES if case.operation == "relu"]
    assert sum(len(np.unique(case.inputs["x"])) <= 3 for case in pools) >= 10
    assert any((case.inputs["x"] == 0).any() for case in relus)


def test_the_file_is_small():
    assert (
        Path(shipped_values.__file__).parent / shipped_values.FILE_NAME
    ).stat().st_size < 200_000


def test_import_reads_nothing_and_reading_needs_no_torch():
    program = (
        "import sys, numpy; load, numpy.load = numpy.load, None; import fcnn.proof.shipped_values;"
        "numpy.load = load; assert fcnn.proof.shipped_values.reference_cases();"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_a_missing_array_or_one_of_another_form_is_the_greatest_error():
    right = next(case for case in CASES if case.operation == "relu").expected
    assert max(differences(right, right).values()) == 0
    for wrong in (
        {"y": right["y"]},
        tree.map(lambda a: a[None], right),
        tree.map(lambda a: a.astype(np.float32), right),
        tree.map(lambda a: a * np.nan, right),
    ):
        assert max(differences(wrong, right).values()) == np.inf
