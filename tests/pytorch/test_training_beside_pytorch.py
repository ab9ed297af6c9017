"""Training against PyTorch: after thirty steps the parameters are still the same."""

from typing import Any

import numpy as np
import pytest
import torch_training
from agreement import error
from networks import MODELS, Model

import fcnn
from fcnn import tree
from fcnn.proof import pytorch

STEPS, BATCH = 30, 40  # two shards a batch
TOLERANCE = 1e-9


def batches(model: Model) -> list[tuple[Any, Any]]:
    """Real images of the model's kind, in their order, again from the start at the end."""
    (x, labels), _ = (
        fcnn.data.synthetic_lines(seed=0) if model.name == "lines_cnn" else fcnn.data.mnist5k()
    )
    places = [np.arange(step * BATCH, (step + 1) * BATCH) % len(x) for step in range(STEPS)]
    return [(x[place].astype(np.float64), labels[place]) for place in places]


@pytest.mark.parametrize("momentum", [0.0, 0.9])
@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_thirty_steps_agree_with_torch(model: Model, momentum: float) -> None:
    f = fcnn.value_and_grad(model.make(), fcnn.softmax_cross_entropy)
    optimizer = fcnn.sgd(0.01, momentum=momentum)
    initial = params = model.params(np.float64)
    state, values = optimizer.init(params), []
    for x, labels in batches(model):
        value, grads = f(params, x, labels)
        params, state = optimizer.step(params, grads, state)
        values.append(value)
    expected_values, expected = torch_training.train(
        model.network(),
        pytorch.LOSSES["softmax_cross_entropy"],
        tree.leaves(initial),
        batches(model),
        "sgd",
        learning_rate=0.01,
        momentum=momentum,
    )
    assert values[-1] < values[0]
    assert error(np.array(values), np.array(expected_values)) <= TOLERANCE
    for actual, wanted in zip(tree.leaves(params), expected, strict=True):
        assert np.abs(actual - wanted).max() <= TOLERANCE * np.abs(wanted).max()
