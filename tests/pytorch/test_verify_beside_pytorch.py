"""`fcnn verify --torch`: what it claims holds, and what is broken is noticed."""

import json
from typing import Any

import attrs
import numpy as np
import pytest
from typer.testing import CliRunner

import fcnn
from fcnn.cli import app
from fcnn.layers import conv2d as convolution
from fcnn.layers import max_pool2d as pooling
from fcnn.layers import relu as activations
from fcnn.optimizers import sgd as optimizers
from fcnn.proof import beside_pytorch as torch_parity
from fcnn.proof import layer_cases as cases
from fcnn.proof import pytorch as torch_operations
from fcnn.runs import recipes

OPERATIONS = {*torch_operations.OPERATIONS, *torch_operations.LOSSES}


def verify(*arguments: str, code: int) -> dict[str, Any]:
    result = CliRunner().invoke(app, ["verify", "--torch", "--json", *arguments])
    assert result.exit_code == code, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def failed(found: dict[str, Any]) -> set[tuple[str, str]]:
    return {(row["layer"], row["against"]) for row in found["proofs"] if not row["holds"]}


def test_five_epochs_beside_torch() -> None:
    found = verify("training", code=0)
    in_double, in_single = found["training"]
    assert (in_double["dtype"], in_single["dtype"]) == ("float64", "float32")
    for training in found["training"]:
        assert training["steps"] == 5 * 79
        assert training["test_images"] == 1000
        assert training["epoch_losses"][-1] < 0.2 < training["epoch_losses"][0]
    assert in_double["greatest_relative_difference"] <= 1e-9
    assert in_double["first_step_beyond_1e-5"] is None
    assert in_double["predicted_differently"] == 0
    assert in_single["predicted_differently"] <= 15
    pairs = zip(in_single["epoch_losses"], in_single["torch_epoch_losses"], strict=True)
    assert max(abs(own - other) for own, other in pairs) <= 5e-3
    assert [row["cases"] for row in found["proofs"]] == [1, 5, 1]


def test_every_operation_beside_torch() -> None:
    proofs = torch_parity.operation_proofs()
    assert {(each.layer, each.against) for each in proofs} == {
        (name, f"PyTorch, {dtype}") for name in OPERATIONS for dtype in ("float64", "float32")
    }
    assert {each.tolerance for each in proofs} == {1e-10, 1e-5}
    for each in proofs:
        verdict = fcnn.proof.proofs.prove(each)
        assert verdict.holds, verdict.failures[:1]
        assert verdict.cases >= 4


def test_wrong_operations_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    right = convolution.conv2d_backward_params

    def double_bias(cache: Any, dy: Any) -> Any:
        d = right(cache, dy)
        return fcnn.Conv2dParams(w=d.w, b=None if d.b is None else 2 * d.b)

    def lost(cache: Any, dy: Any) -> Any:
        raise IndexError("lost")

    monkeypatch.setattr(convolution, "conv2d_backward_params", double_bias)
    monkeypatch.setattr(
        activations, "relu_forward", lambda x: (np.maximum(x, 0), (x >= 0, x.dtype))
    )
    monkeypatch.setattr(pooling, "max_pool2d_backward", lost)
    verdicts = [fcnn.proof.proofs.prove(each) for each in torch_parity.operation_proofs()]
    wrong = {verdict.layer for verdict in verdicts if not verdict.holds}
    assert wrong == {"conv2d", "relu", "max_pool2d"}
    conv = next(verdict for verdict in verdicts if verdict.layer == "conv2d")
    with_bias = [case for case in cases.GRID["conv2d"] if case.settings.get("bias", True)]
    assert len(conv.failures) == len(with_bias) == conv.cases - 2
    assert conv.failures[0].message.startswith("wrong, relatively: db by ")


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """One epoch."""
    settings = attrs.evolve(recipes.REFERENCE.settings, epochs=1)
    monkeypatch.setattr(recipes, "REFERENCE", attrs.evolve(recipes.REFERENCE, settings=settings))


@pytest.mark.usefixtures("short")
def test_training_with_a_wrong_momentum_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    right = optimizers.sgd

    def weaker(rate: float, momentum: float) -> fcnn.Optimizer:
        return right(rate, 0.99 * momentum)

    monkeypatch.setattr(optimizers, "sgd", weaker)
    found = verify("training", code=4)
    assert ("training", "PyTorch, float64") in failed(found)
    assert found["training"][1]["first_step_beyond_1e-5"] == 2  # in the first, there is none


@pytest.mark.usefixtures("short")
def test_training_that_fails_or_overflows_is_a_verdict(monkeypatch: pytest.MonkeyPatch) -> None:
    right = activations.relu_backward

    def nan(cache: Any, dy: Any) -> Any:
        return right(cache, dy) * np.nan

    def lost(cache: Any, dy: Any) -> Any:
        raise IndexError("lost")

    everything = {
        ("training", f"PyTorch, {which}")
        for which in ("float64", "float32: losses", "float32: predictions")
    }
    for broken, trained in ((nan, 2), (lost, 0)):
        monkeypatch.setattr(activations, "relu_backward", broken)
        found = verify("training", code=4)
        assert failed(found) == everything
        assert len(found["training"]) == trained


@pytest.mark.usefixtures("short")
def test_the_batches_and_the_start_are_those_of_fcnn_train() -> None:
    (x, labels), _ = fcnn.data.mnist5k()
    model = fcnn.models.mnist_cnn()
    params, _ = model.init(
        fcnn.numerics.random_streams.generator(0, fcnn.numerics.random_streams.PARAMETERS),
        (1, 28, 28),
    )
    (record,) = fcnn.fit(
        model, params, fcnn.sgd(0.01, momentum=0.9), (x, labels), epochs=1, batch_size=64, seed=0
    )
    assert torch_parity.train("float32").epoch_losses == pytest.approx([record.train_loss], 1e-12)
