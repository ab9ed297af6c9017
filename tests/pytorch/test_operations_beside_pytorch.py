"""Every operation against PyTorch, forward and backward, over the whole table of cases.

The products of settings are full. A combination is left out by one rule, `valid`, and what the
rule leaves out is refused by fcnn and by PyTorch alike.
"""

from typing import Any

import numpy as np
import pytest
from agreement import assert_agree

from fcnn import tree
from fcnn.numerics.arrays import Array
from fcnn.proof import layer_cases, loss_cases, pytorch
from fcnn.proof.beside_pytorch import operation_proofs
from fcnn.proof.case import Case, ties, valid
from fcnn.proof.layer_cases import cases_of
from fcnn.proof.proofs import Proof, prove
from fcnn.proof.shipped_values import ReferenceCase, compute

OPERATIONS = sorted(pytorch.OPERATIONS)


def inputs_of(case: Case) -> dict[str, Array]:
    params, x, dy = case.arguments()
    return {"x": x, "dy": dy} | {p.lstrip("."): a for p, a in tree.leaves_with_path(params)}


def computed(operation: str, settings: Any, inputs: dict[str, Array]) -> dict[str, Array]:
    return compute(ReferenceCase("", operation, dict(settings), inputs))


@pytest.mark.parametrize("proof", operation_proofs(), ids=lambda p: f"{p.layer}-{p.against}")
def test_agrees_with_torch(proof: Proof) -> None:
    verdict = prove(proof)
    assert verdict.holds, verdict.failures[:1]
    of_loss = proof.layer in pytorch.LOSSES
    table = loss_cases.cases_of(proof.layer) if of_loss else cases_of(proof.layer)
    assert verdict.cases == len([*table]) >= 4


@pytest.mark.parametrize("operation", OPERATIONS)
def test_agrees_with_torch_in_a_random_memory_order(operation: str) -> None:
    """PyTorch gets plain copies."""
    rng = np.random.default_rng(1)
    for case in cases_of(operation):
        settings, plain = case.function_settings(), inputs_of(case)
        lying = {name: reordered(rng, array) for name, array in plain.items()}
        expected = pytorch.compute(operation, settings, plain)
        assert_agree(computed(operation, settings, lying), expected, np.float64)


def reordered(rng: np.random.Generator, array: Array) -> Array:
    """Equal values, with the axes in a random order in memory, some backward, some with gaps."""
    order = rng.permutation(array.ndim)
    steps = [slice(None, None, int(step)) for step in rng.choice([1, -1, 2], array.ndim)]
    base = np.full([n * abs(s.step) for n, s in zip(array.shape, steps, strict=True)], np.nan)
    base = np.array(base.transpose(order), array.dtype, order="C").transpose(np.argsort(order))
    view = base[tuple(steps)]
    view[...] = array
    return view


@pytest.mark.parametrize("operation", ["conv2d", "max_pool2d", "avg_pool2d"])
def test_what_is_left_out_is_invalid_in_both(operation: str) -> None:
    convolutions = operation == "conv2d"
    cases = layer_cases.convolutions() if convolutions else layer_cases.pools(operation)
    left_out = [case for case in cases if not valid(case)]
    assert len(left_out) > 20
    for case in left_out:
        settings, inputs = case.function_settings(), {"x": np.ones(case.shape)}
        if convolutions:
            features, kernel = case.settings["features"], case.settings["kernel"]
            channels = case.in_shape[0] // case.settings.get("groups", 1)
            sizes = kernel if isinstance(kernel, tuple) else (kernel, kernel)
            inputs |= {"w": np.ones((features, channels, *sizes)), "b": np.ones(features)}
        with pytest.raises(ValueError, match=r"exceeds|needs a stride of 1"):
            computed(operation, settings, {**inputs, "dy": np.ones(1)})
        with pytest.raises(RuntimeError):
            pytorch.compute(operation, settings, {**inputs, "dy": np.ones(1)})


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("size", [0.1, 1, 30])
@pytest.mark.parametrize(("n", "classes"), [(1, 1), (1, 10), (5, 3), (64, 10)])
def test_the_loss_of_small_probabilities_agrees_with_torch(
    n: int, classes: int, size: float, dtype: Any
) -> None:
    """A probability of 1e-6 makes a gradient of 1e6, which float32 still has to 7 digits."""
    rng = np.random.default_rng(0)
    outputs = size * rng.standard_normal((n, classes))
    outputs = np.clip(np.exp(outputs) / np.exp(outputs).sum(1, keepdims=True), 1e-6, 1)
    inputs = {"outputs": outputs.astype(dtype), "labels": rng.integers(0, classes, n)}
    expected = pytorch.compute("cross_entropy", {}, inputs)
    assert_agree(computed("cross_entropy", {}, inputs), expected, dtype)


def test_the_table_has_every_operation_and_real_ties() -> None:
    assert set(OPERATIONS) == set(layer_cases.CHOSEN) - {"dropout", "chain", "residual", "parallel"}
    tied = [case for case in cases_of("max_pool2d") if case.point is ties]
    assert len(tied) > 500
    assert all((case.arguments()[1] == 0).any() for case in tied if case.in_shape[-1] > 4)
