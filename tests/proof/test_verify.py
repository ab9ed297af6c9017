"""`fcnn verify`: it holds for what is right, and notices and names what is wrong."""

import json
import sys

import effort
import pytest
from mistakes import MISTAKES
from typer.testing import CliRunner

import fcnn
from fcnn.check.differences import KinkError
from fcnn.cli import app
from fcnn.proof import catalogue
from fcnn.proof.case import equals, zeros
from fcnn.proof.layer_cases import CHOSEN, SHIPPED, TIES
from fcnn.proof.loss_cases import CHOSEN as LOSSES
from fcnn.proof.proofs import Proof, prove
from fcnn.runs.model_by_name import MODELS

COMBINATORS, STEPS = {"chain", "residual", "parallel"}, {"sgd", "adam", "adamw"}
TWICE_THE_BIAS = MISTAKES["a dense layer's bias gradient counted twice"].edits


@pytest.fixture
def verify(library):
    """What `fcnn verify` prints, of a library with edits."""

    def run(edits, *arguments, code):
        actual, stdout, stderr = library.run(edits, "verify", *arguments)
        assert actual == code, stdout + stderr
        assert "Traceback" not in stdout + stderr
        return stdout

    return run


def test_the_library_holds_and_says_so_in_json():
    result = CliRunner().invoke(app, ["verify", "--json"])
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert found["holds"] is True
    assert found["seconds"] > 0
    layers = {layer for row in found["proofs"] for layer in row["layer"].split(" + ")}
    public = {name.removesuffix("_forward") for name in fcnn.__all__ if name.endswith("_forward")}
    wrappers = {"clip_by_global_norm", "l2_penalty", "with_average", "masked"}
    others = {"value_and_grad", "predict", "fit", *STEPS, *wrappers, *MODELS}
    assert layers == public | COMBINATORS | others
    for row in found["proofs"]:
        assert row["holds"] is True
        assert row["failures"] == []
        assert row["cases"] > 0
        assert 0 <= row["worst_relative_error"] <= 1e-6
    by_differences = {row["layer"] for row in found["proofs"] if row["against"] == "differences"}
    by_torch = {row["layer"] for row in found["proofs"] if row["against"] == "values of PyTorch"}
    assert public | COMBINATORS | {"value_and_grad", *MODELS} <= by_differences
    # PyTorch draws other numbers than dropout does here: it is proved by its definition.
    assert (public - {"dropout"}) | {"value_and_grad"} | STEPS == by_torch
    by_definition = {row["layer"] for row in found["proofs"] if "definition" in row["against"]}
    assert by_definition == {"batch_norm", "dropout"}


@pytest.mark.heavy
def test_the_command_goes_on_after_a_failure(verify):
    """The whole command with `--full`."""
    layers = [] if effort.full else ["dense", "relu", "residual"]
    found = json.loads(verify(TWICE_THE_BIAS, *layers, "--json", code=4))
    assert found["holds"] is False
    wrong = {row["layer"] for row in found["proofs"] if not row["holds"]}
    everything = {"dense", "value_and_grad", *COMBINATORS, *STEPS, *MODELS}
    assert wrong == (everything if effort.full else {"dense", "residual"})
    dense = next(row for row in found["proofs"] if not row["holds"])
    assert 0.4 < dense["worst_relative_error"] <= 1
    failed = {failure["case"]: failure["message"] for failure in dense["failures"]}
    # Each that has a bias is wrong, and each was looked at; the plain functions are so as well.
    assert len(failed) > 50
    assert not any("bias=False" in case or "plain" in case for case in failed)
    case, message = next(iter(failed.items()))
    assert case.startswith("dense(features=1) on 1x1")
    assert "the gradient by params.b" in message
    assert "backward says" in message
    assert [row["holds"] for row in found["proofs"] if row["layer"] == "relu"] == [True] * 3


def test_failures_are_told_and_counted(verify):
    text = verify(TWICE_THE_BIAS, "dense", "flatten", code=4)
    assert "dense against differences: " in text
    assert "the gradient by params.b" in text
    assert "more" in text
    assert "2 of 4 proofs do not hold: dense" in text


def test_a_function_replaced_under_its_public_name_alone_is_noticed(library):
    names = [*(name for name in CHOSEN if name not in COMBINATORS), *LOSSES]
    assert len(names) >= 17
    doubled = f"""
def _doubled(backward):
    return lambda *arguments: tree.map(lambda g: 2 * g, backward(*arguments))


for _name in {names}:
    globals()[_name + "_backward"] = _doubled(globals()[_name + "_backward"])
_plain = sgd
sgd = adam = adamw = lambda rate, *_, **__: _plain(rate)
"""
    verdicts = library.prove([("__init__.py", "", doubled)], [*names, *STEPS], most=9)
    for verdict in verdicts:
        if verdict["against"] == "differences":
            cases = [failure["case"] for failure in verdict["failures"]]
            assert cases, verdict["layer"]
            assert all(case.endswith(", plain functions") for case in cases)
        elif verdict["against"] == "its equations":
            assert "p after step 2" in verdict["failures"][0]["message"]


def test_a_layer_replaced_as_a_whole_is_noticed(verify):
    wrong = ("layers/relu.py", "relu_forward, relu_backward,", "relu_forward, lambda c, dy: dy,")
    assert "relu against differences" in verify([wrong], "relu", code=4)
    wrong = (
        "losses/cross_entropy.py",
        "    cross_entropy_forward,\n    cross_entropy_backward,",
        "    cross_entropy_forward,\n    lambda cache: np.zeros((1, 1)),",
    )
    assert "cross_entropy against differences" in verify([wrong], "cross_entropy", code=4)


def test_a_layer_that_cannot_be_made_is_a_failure_and_not_a_crash(verify):
    broken = (
        "layers/conv2d.py",
        '    features = positive("conv2d", "features", features)\n',
        '    raise RuntimeError("out of order")\n',
    )
    text = verify([broken], "conv2d", "dense", code=4)
    assert "RuntimeError: out of order" in text
    assert "1 of 4 proofs do not hold: conv2d" in text


@pytest.mark.parametrize(
    ("edit", "layers", "proof"),
    [
        (
            ("layers/relu.py", "relu_backward, apply=_relu)",
             "relu_backward, apply=lambda x: np.maximum(x, -0.01))"),
            ["relu", "predict"], "predict against forward",
        ),
        (
            ("layers/max_pool2d.py", "        y = best\n", "        y = best + 0.01\n"),
            ["predict"], "predict against forward",
        ),
        (
            MISTAKES["average pooling before relu"].edits[0],
            ["predict"], "predict against forward",
        ),
        (
            ("training/epochs.py", "ORDER, epoch)", "ORDER, epoch + 1)"),
            ["fit"], "fit against a loop of steps",
        ),
    ],
    ids=["relu in inference", "max_pool2d in inference", "a rewrite in inference",
         "another order of batches"],
)  # fmt: skip
def test_inference_and_training_are_proved_as_well(edit, layers, proof, verify):
    assert proof in verify([edit], *layers, code=4)


def test_deep_models_are_proved_in_training(library):
    """Where their batch normalisation goes by the statistics of the batch."""
    edits = MISTAKES["a mean of the batch that does not depend on x"].edits
    linear, deep = library.prove(edits, ["deep_cnn_small", "linear"], most=1)[::-1]
    assert (linear["layer"], linear["failures"]) == ("linear", [])
    assert "the gradient by" in deep["failures"][0]["message"]


def test_points_are_proved_in_training_and_in_inference():
    for name in ("batch_norm", "dropout"):
        assert {case.training for case in CHOSEN[name]} == {True, False}
    shapes = {case.in_shape[1:] for case in CHOSEN["batch_norm"] if case.training}
    assert {(), (1, 1), (3, 2)} <= shapes


def test_nothing_is_proved_of_no_cases_and_their_names_are_unique():
    for proof in catalogue.proofs():
        names = [name for name, _ in proof.cases()]
        assert len(set(names)) == len(names) > 0, proof.layer


def test_at_most_so_many_cases_of_a_proof_are_run():
    run = []

    def cases():
        return [(f"{i}", lambda i=i: run.append(i) or {"x": 0.0}) for i in range(10)]

    proof = Proof("layer", "nothing", 0.0, cases)
    assert prove(proof, most=3).cases == 3
    assert run == [0, 3, 6]
    assert prove(proof).cases == 10


@pytest.mark.heavy
def test_the_points_on_kinks_are_on_kinks():
    """Without the direction from which they are approached, the checker refuses them."""
    assert set(TIES) == {"relu", "leaky_relu", "max_pool2d", "chain"}
    points = [case for make in TIES.values() for case in make()]
    meant = [case for case in points if case.point in (equals, zeros)]
    assert len(meant) > 500
    assert all(map(on_a_kink, effort.some(meant)))
    random = effort.some([case for case in points if case not in meant])
    assert sum(map(on_a_kink, random)) > 0.9 * len(random)  # some are free of ties


def on_a_kink(case):
    try:
        fcnn.check.layer(case.layer(), case.in_shape, batch=case.batch, x=case.x())
    except KinkError:
        return True
    return False


def test_shipped_cases_are_cases_of_the_table():
    chosen = [case for cases in CHOSEN.values() for case in cases]
    for group in SHIPPED:
        for case in group:
            assert case in chosen or case.point or case.operation == "leaky_relu"


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
