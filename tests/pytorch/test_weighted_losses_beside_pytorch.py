"""Label smoothing and class weights against PyTorch, to rounding."""

import numpy as np
import pytest
import torch

from fcnn.proof.loss_cases import LossCase, cases_of

CASES = [case for case in cases_of("smoothed_cross_entropy") if case.size <= 1]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("case", CASES, ids=str)
def test_value_and_gradient_agree(case: LossCase, dtype: type) -> None:
    inputs = {n: a if n == "labels" else a.astype(dtype) for n, a in case.inputs().items()}
    loss = case.made()
    value, cache = loss.forward(inputs["outputs"], inputs["labels"])
    tensors = {name: torch.tensor(array) for name, array in inputs.items()}
    z = tensors["outputs"].requires_grad_()
    expected = torch.nn.functional.cross_entropy(
        z,
        tensors["labels"],
        weight=tensors.get("class_weights"),
        label_smoothing=case.settings["label_smoothing"],
    )
    expected.backward()  # type: ignore[no-untyped-call, unused-ignore]
    tolerance = 1e-6 if dtype == np.float32 else 1e-14
    assert z.grad is not None
    assert abs(value - expected.item()) < tolerance
    assert np.abs(loss.backward(cache) - z.grad.numpy()).max() < tolerance
