"""Label smoothing and class weights against PyTorch."""

import numpy as np
import pytest
import torch

import fcnn
from fcnn.numerics.arrays import Array


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("smoothing", [0.0, 0.05, 0.3, 1.0])
@pytest.mark.parametrize("weighted", [False, True])
def test_value_and_gradient_agree(dtype: type, smoothing: float, weighted: bool) -> None:
    """To rounding, for random logits, labels and weights."""
    rng = np.random.default_rng(0)
    logits: Array = rng.standard_normal((9, 5)).astype(dtype)
    labels = rng.integers(0, 5, 9)
    weights = rng.random(5) if weighted else None
    loss = fcnn.smoothed_cross_entropy(label_smoothing=smoothing, class_weights=weights)
    value, cache = loss.forward(logits, labels)
    z = torch.tensor(logits, requires_grad=True)
    expected = torch.nn.functional.cross_entropy(
        z,
        torch.tensor(labels),
        weight=None if weights is None else torch.tensor(weights.astype(dtype)),
        label_smoothing=smoothing,
    )
    expected.backward()  # type: ignore[no-untyped-call, unused-ignore]
    tolerance = 1e-6 if dtype == np.float32 else 1e-14
    assert z.grad is not None
    assert abs(value - expected.item()) < tolerance
    assert np.abs(loss.backward(cache) - z.grad.numpy()).max() < tolerance
