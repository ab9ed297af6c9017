"""`fcnn verify --torch`: what it claims holds, and what is broken is noticed."""

import json
from typing import Any

import attrs
import pytest
from mistaken import Library

import fcnn
from fcnn.numerics import random_streams
from fcnn.proof import pytorch
from fcnn.proof.beside_pytorch import operation_proofs, train
from fcnn.proof.layer_cases import cases_of
from fcnn.runs.recipes import REFERENCE


def verify(
    library: Library, edits: list[tuple[str, str, str]], *arguments: str
) -> tuple[int, dict[str, Any]]:
    code, stdout, stderr = library.run(edits, "verify", "--torch", "--json", *arguments)
    assert code in (0, 4), stderr
    return code, json.loads(stdout)


def failed(found: dict[str, Any]) -> set[tuple[str, str]]:
    return {(row["layer"], row["against"]) for row in found["proofs"] if not row["holds"]}


def test_five_epochs_beside_torch(library: Library) -> None:
    code, found = verify(library, [], "training")
    assert code == 0
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


def test_every_operation_is_compared_in_both_precisions() -> None:
    proofs = operation_proofs()
    operations = {*pytorch.OPERATIONS, *pytorch.LOSSES}
    assert {(each.layer, each.against) for each in proofs} == {
        (name, f"PyTorch, {dtype}") for name in operations for dtype in ("float64", "float32")
    }
    assert {each.tolerance for each in proofs} == {1e-10, 1e-5}


def test_wrong_operations_are_noticed(library: Library) -> None:
    edits = [
        ("layers/dense.py", "else dy.sum(0)", "else 2 * dy.sum(0)"),
        ("layers/relu.py", "ReluCache(x > 0, x.shape", "ReluCache(x >= 0, x.shape"),
        ("layers/flatten.py", "    columns = dy.T", '    raise IndexError("lost")\n    _ = dy'),
    ]
    layers = ["dense", "relu", "flatten", "gelu", "softmax"]
    code, found = verify(library, edits, *layers)
    assert code == 4
    beside = [row for row in found["proofs"] if row["against"].startswith("PyTorch")]
    assert {row["layer"] for row in beside} == set(layers)
    assert {row["layer"] for row in beside if not row["holds"]} == set(layers[:3])
    dense = next(row for row in beside if row["layer"] == "dense")
    with_bias = [case for case in cases_of("dense") if case.settings.get("bias", True)]
    assert len(dense["failures"]) == len(with_bias)
    assert dense["failures"][0]["message"].startswith("wrong, relatively: db by ")


# One epoch.
SHORT = ("runs/recipes.py", 'model="mnist_cnn", epochs=5', 'model="mnist_cnn", epochs=1')


def test_training_with_a_wrong_momentum_is_noticed(library: Library) -> None:
    weaker = ("optimizers/sgd.py", "new = momentum * v", "new = 0.99 * momentum * v")
    code, found = verify(library, [SHORT, weaker], "training")
    assert code == 4
    assert ("training", "PyTorch, float64") in failed(found)
    assert found["training"][1]["first_step_beyond_1e-5"] == 2  # in the first, there is none


def test_training_that_fails_or_overflows_is_a_verdict(library: Library) -> None:
    right = "return dy * cache.positive"
    everything = {
        ("training", f"PyTorch, {which}")
        for which in ("float64", "float32: losses", "float32: predictions")
    }
    for wrong, trained in ((f"{right} * np.nan", 2), ('raise IndexError("lost")', 0)):
        code, found = verify(library, [SHORT, ("layers/relu.py", right, wrong)], "training")
        assert code == 4
        assert failed(found) == everything
        assert len(found["training"]) == trained


def test_the_batches_and_the_start_are_those_of_fcnn_train(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    one_epoch = attrs.evolve(REFERENCE.settings, epochs=1)
    monkeypatch.setattr("fcnn.proof.beside_pytorch._SETTINGS", one_epoch)
    (x, labels), _ = fcnn.data.mnist5k()
    model = fcnn.models.mnist_cnn()
    rng = random_streams.generator(0, random_streams.PARAMETERS)
    params, _ = model.init(rng, (1, 28, 28))
    (record,) = fcnn.fit(
        model, params, fcnn.sgd(0.01, momentum=0.9), (x, labels), epochs=1, batch_size=64, seed=0
    )
    assert train("float32").epoch_losses == pytest.approx([record.train_loss], 1e-12)
