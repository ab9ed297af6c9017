"""`fcnn verify`: it holds for what is right, and notices and names what is wrong."""

import json
import subprocess
import sys

import numpy as np
import pytest
from breaking import change_result
from mistakes import MISTAKES
from typer.testing import CliRunner

import fcnn
from fcnn.check.differences import KinkError
from fcnn.cli import app
from fcnn.layers import conv2d as convolution
from fcnn.layers import relu as activations
from fcnn.losses import cross_entropy as losses
from fcnn.proof import catalogue as claims
from fcnn.proof import layer_cases as cases
from fcnn.proof import loss_cases
from fcnn.proof import proofs as proof
from fcnn.runs import model_by_name as names

# All but whole models and what runs them: for those, the chain and value_and_grad stand here.
LAYERS = [
    "conv2d", "dense", "relu", "leaky_relu", "sigmoid", "tanh", "gelu", "max_pool2d",
    "avg_pool2d", "global_avg_pool", "softmax", "flatten", "batch_norm", "dropout", "chain",
    "residual", "parallel", "softmax_cross_entropy", "cross_entropy", "smoothed_cross_entropy",
    "value_and_grad", "sgd", "adam", "adamw",
]  # fmt: skip


def verify(*arguments, code):
    result = CliRunner().invoke(app, ["verify", *arguments])
    assert result.exit_code == code, result.output
    assert "Traceback" not in result.output
    return result.stdout


@pytest.fixture
def thin(monkeypatch):
    """Few cases of each kind, so that a mistake takes a second."""
    for table, name, every in (
        (cases.GRID, "conv2d", 60), (cases.GRID, "max_pool2d", 60), (cases.GRID, "dense", 6),
        (cases.GRID, "avg_pool2d", 60), (cases.KINKS, "max_pool2d", 30),
        (cases.GRID, "batch_norm", 3), (loss_cases.LOSSES, "smoothed_cross_entropy", 5),
    ):  # fmt: skip
        unusual = [case for case in table[name] if case.settings.get("groups", 1) > 1]
        monkeypatch.setitem(table, name, table[name][::every] + unusual)


def test_the_library_holds_and_says_so_in_json():
    found = json.loads(verify("--json", code=0))
    assert found["holds"] is True
    assert found["seconds"] > 0
    layers = {layer for row in found["proofs"] for layer in row["layer"].split(" + ")}
    public = {name.removesuffix("_forward") for name in fcnn.__all__ if name.endswith("_forward")}
    combinators, steps = {"chain", "residual", "parallel"}, {"sgd", "adam", "adamw"}
    others = {"value_and_grad", "predict", "fit", *steps, *names.MODELS}
    assert layers == public | combinators | others
    for row in found["proofs"]:
        assert row["holds"] is True
        assert row["failures"] == []
        assert row["cases"] > 0
        assert 0 <= row["worst_relative_error"] <= 1e-6
    by_differences = {row["layer"] for row in found["proofs"] if row["against"] == "differences"}
    by_torch = {row["layer"] for row in found["proofs"] if row["against"] == "values of PyTorch"}
    assert public | combinators | {"value_and_grad", *names.MODELS} <= by_differences
    # PyTorch draws other numbers than dropout does here: it is proved by its definition.
    assert (public - {"dropout"}) | {"value_and_grad"} | steps == by_torch
    by_definition = {row["layer"] for row in found["proofs"] if "definition" in row["against"]}
    assert by_definition == {"batch_norm", "dropout"}


@pytest.mark.parametrize("name", MISTAKES)
def test_every_mistake_is_noticed_and_named(name, monkeypatch, thin):
    for replacement in MISTAKES[name].replacements:
        monkeypatch.setattr(*replacement)
    text = verify(*LAYERS, code=4)
    rows = [line for line in text.splitlines() if line.endswith(("  holds", "  DOES NOT HOLD"))]
    wrong = {row.split("  ")[0] for row in rows if row.endswith("DOES NOT HOLD")}
    assert wrong == MISTAKES[name].layers
    assert len(rows) > 20
    assert f"proofs do not hold: {', '.join(dict.fromkeys(wrong_in_order(rows)))}" in text


def wrong_in_order(rows):
    return [row.split("  ")[0] for row in rows if row.endswith("DOES NOT HOLD")]


def test_the_whole_command_goes_on_after_a_failure(monkeypatch, thin):
    monkeypatch.setattr(
        *change_result(
            convolution,
            "conv2d_backward_params",
            lambda cache, dy, d: fcnn.Conv2dParams(w=d.w, b=fcnn.tree.map(lambda b: 2 * b, d.b)),
        )
    )
    found = json.loads(verify("--json", code=4))
    assert found["holds"] is False
    failed = [row for row in found["proofs"] if not row["holds"]]
    assert {row["layer"] for row in failed} == {
        "conv2d", "chain", "residual", "parallel", "value_and_grad", "sgd", "adam", "adamw",
        "mnist_cnn", "lines_cnn", "lenet5",
    }  # fmt: skip
    conv = failed[0]
    without_bias = [case for case in cases.GRID["conv2d"] if not case.settings.get("bias", True)]
    # Each that has a bias is wrong, and each was looked at, by the layer and its functions.
    assert len(conv["failures"]) == conv["cases"] - 2 * len(without_bias)
    assert not any("bias=False" in failure["case"] for failure in conv["failures"])
    assert 0.4 < conv["worst_relative_error"] <= 1
    first = conv["failures"][0]
    assert first["case"].startswith("conv2d(features=3, kernel=1")
    assert "the gradient by params.b" in first["message"]
    assert "backward says" in first["message"]
    text = verify("conv2d", code=4)
    assert "the gradient by params.b" in text
    assert "more" in text


def test_a_function_replaced_under_its_public_name_alone_is_noticed(monkeypatch, thin):
    layers = [name for name in cases.GRID if hasattr(fcnn, f"{name}_backward")]
    assert len(layers) >= 14
    for name in layers:
        with monkeypatch.context() as patch:
            right = getattr(fcnn, f"{name}_backward")
            patch.setattr(
                fcnn,
                f"{name}_backward",
                lambda cache, dy, right=right: fcnn.tree.map(lambda g: 2 * g, right(cache, dy)),
            )
            assert "plain functions" in verify(name, code=4)
    for name in loss_cases.LOSSES:
        with monkeypatch.context() as patch:
            right = getattr(fcnn, f"{name}_backward")
            patch.setattr(fcnn, f"{name}_backward", lambda cache, right=right: 2 * right(cache))
            assert "plain functions" in verify(name, code=4)
    monkeypatch.setattr(fcnn, "sgd", lambda rate, momentum=0.0, **_: fcnn.optimizers.sgd.sgd(rate))
    assert "fcnn.sgd: p after step 2" in verify("sgd", code=4)
    for name in ("adam", "adamw"):
        monkeypatch.setattr(fcnn, name, lambda rate, *_, **__: fcnn.optimizers.sgd.sgd(rate))
        assert f"fcnn.{name}: p after step 2" in verify(name, code=4)


def test_a_layer_replaced_as_a_whole_is_noticed(monkeypatch):
    wrong = fcnn.Layer("relu", fcnn.relu.init, fcnn.relu.forward, lambda cache, dy: ((), dy))
    monkeypatch.setattr(activations, "relu", wrong)
    assert "relu against differences" in verify("relu", code=4)
    wrong = fcnn.Loss("l", losses.cross_entropy.forward, lambda cache: np.zeros((1, 1)))
    monkeypatch.setattr(losses, "cross_entropy", wrong)
    assert "cross_entropy against differences" in verify("cross_entropy", code=4)


def test_a_layer_that_cannot_be_made_is_a_failure_and_not_a_crash(monkeypatch, thin):
    def conv2d(*args, **settings):
        raise RuntimeError("out of order")

    monkeypatch.setattr(convolution, "conv2d", conv2d)
    text = verify("conv2d", "dense", code=4)
    assert "RuntimeError: out of order" in text
    assert "1 of 4 proofs do not hold: conv2d" in text


def test_inference_and_training_are_proved_as_well(monkeypatch, thin):
    with monkeypatch.context() as patch:
        patch.setattr(activations, "_relu", lambda x: np.maximum(x, -0.01))
        patch.setattr(activations, "relu_forward", fcnn.relu_forward)
        assert "relu" in verify("relu", "predict", code=4)
    with monkeypatch.context() as patch:
        patch.setattr(*change_result(fcnn.pooling, "_maxima", lambda *args: args[-1] + 0.01))
        assert "predict against forward" in verify("max_pool2d", "predict", code=4)
    right = fcnn.numerics.random_streams.generator

    def other_order(seed, purpose, epoch=0):
        return right(seed + 1, purpose, epoch)

    monkeypatch.setattr(
        fcnn.training.fit, "streams", type("streams", (), vars(fcnn.numerics.random_streams) | {
            "generator": staticmethod(other_order)}),
    )  # fmt: skip
    assert "[0].w" in verify("fit", code=4)


def test_deep_models_are_proved_in_training(monkeypatch):
    """Where their batch normalisation goes by the statistics of the batch."""
    wrong = MISTAKES["a mean of the batch that does not depend on x"]
    for replacement in wrong.replacements:
        monkeypatch.setattr(*replacement)
    text = verify("deep_cnn_small", "mnist_cnn", code=4)
    assert "1 of 2 proofs do not hold: deep_cnn_small" in text
    assert "the gradient by" in text


def test_points_of_a_grid_are_proved_in_training_and_in_inference():
    for name in ("batch_norm", "dropout"):
        assert {case.training for case in cases.GRID[name]} == {True, False}
    shapes = {case.in_shape[1:] for case in cases.GRID["batch_norm"] if case.training}
    assert {(), (1, 1), (3, 5)} <= shapes


def test_nothing_is_proved_of_no_cases():
    for made in claims.claims():
        assert list(made.cases()), made.layer


def test_names_of_cases_are_unique():
    for made in claims.claims():
        found = [name for name, _ in made.cases()]
        assert len(set(found)) == len(found), made.layer


def test_the_points_on_kinks_are_on_kinks():
    """Without the direction from which they are approached, the checker refuses them."""
    assert set(cases.KINKS) == {"relu", "leaky_relu", "max_pool2d", "chain"}
    points = [case for table in cases.KINKS.values() for case in table]
    tied = [case for case in points if on_a_kink(case)]
    assert len(tied) >= len(points) - 1 > 100  # a random one is free of ties
    assert all(case in tied for case in points if "all" in str(case))


def on_a_kink(case):
    try:
        fcnn.check.layer(case.layer(), case.in_shape, batch=case.batch, x=case.x())
    except KinkError:
        return True
    return False


def test_unknown_layers_are_wrong_usage():
    result = CliRunner().invoke(app, ["verify", "convd"])
    assert result.exit_code == 2
    assert "unknown layer 'convd'; did you mean 'conv2d'?" in result.stderr


def test_without_torch_the_comparison_says_so(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)  # what is not there cannot be imported
    result = CliRunner().invoke(app, ["verify", "--torch"])
    assert result.exit_code == 2
    assert "verify --torch needs PyTorch" in result.stderr
    assert "pip install torch" in result.stderr
    assert result.stdout == ""


def test_torch_is_imported_for_the_comparison_alone():
    program = (
        "import sys, fcnn.cli, fcnn.torch_parity; from typer.testing import CliRunner;"
        "found = CliRunner().invoke(fcnn.cli.app, ['verify', 'flatten']);"
        "assert found.exit_code == 0 and 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_errors_without_a_figure_are_infinite_and_null():
    def raises():
        raise ZeroDivisionError("by zero")

    mine = proof.Proof(
        "mine", "yours", 0.1, lambda: [("a", raises), ("b", lambda: {"x": np.nan, "y": 0.05})]
    )
    verdict = proof.prove(mine)
    assert (verdict.cases, verdict.worst) == (2, np.inf)
    assert [failure.message for failure in verdict.failures] == [
        "ZeroDivisionError: by zero", "wrong, relatively: x by nan; allowed 1e-01",
    ]  # fmt: skip
    assert fcnn.cli.verify.verdict_figures(verdict)["worst_relative_error"] is None
