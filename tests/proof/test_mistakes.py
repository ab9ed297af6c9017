"""Tests of the tests: each classic mistake is noticed, by the proofs and by the shipped values.

The proofs of the layer that a mistake is in are run on few cases each; with `--full`, those of all
layers, and exactly the right ones must be named.
"""

import effort
import pytest
from mistakes import MISTAKES

# All but whole models and what runs them: for those, the chain and value_and_grad stand here.
LAYERS = [
    "conv2d", "dense", "relu", "leaky_relu", "sigmoid", "tanh", "gelu", "max_pool2d",
    "avg_pool2d", "global_avg_pool", "softmax", "flatten", "batch_norm", "dropout", "chain",
    "residual", "parallel", "softmax_cross_entropy", "cross_entropy", "smoothed_cross_entropy",
    "softmax + cross_entropy", "value_and_grad", "sgd", "adam", "adamw", "clip_by_global_norm",
    "l2_penalty", "with_average",
]  # fmt: skip


def test_nothing_is_noticed_without_a_mistake(library):
    verdicts = library.prove([], LAYERS, most=2)
    assert len(verdicts) > 40
    assert all(verdict["cases"] > 0 for verdict in verdicts)
    assert not any(verdict["failures"] for verdict in verdicts)


@pytest.mark.heavy
@pytest.mark.parametrize("name", MISTAKES)
def test_every_mistake_is_noticed_and_named(name, library):
    mistake = MISTAKES[name]
    layers = {*LAYERS, *mistake.own} if effort.full else mistake.own
    verdicts = library.prove(mistake.edits, layers, most=16, values=mistake.values)
    wrong = [verdict for verdict in verdicts if verdict["failures"]]
    expected = mistake.own | mistake.others if effort.full else mistake.own | mistake.values
    assert {verdict["layer"] for verdict in wrong} == expected
    by_values = {v["layer"] for v in wrong if v["against"] == "values of PyTorch"}
    assert by_values >= mistake.values
