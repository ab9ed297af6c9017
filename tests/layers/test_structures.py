"""The structure of every layer of the table of cases, as a snapshot."""

from layer_cases import CASES
from snapshots import described


def test_structure_of_every_layer(file_regression):
    file_regression.check("\n".join(described(case.layer, case.in_shape) for case in CASES))
