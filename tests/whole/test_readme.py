"""The README keeps its word: every Python block runs, and prints what it says."""

import contextlib
import io
import re
import shutil
import tomllib
from pathlib import Path

import pytest
from typer.testing import CliRunner

import fcnn
from fcnn.cli import app

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
DOCUMENTS = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), ROOT / "benchmarks" / "README.md"]
BLOCKS = re.findall(r"```(\w*)\n(.*?)```", README, flags=re.DOTALL)


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """The folder that `fcnn train --epochs 1` chooses and fills."""
    folder = tmp_path_factory.mktemp("trained")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert CliRunner().invoke(app, ["train", "--epochs", "1"]).exit_code == 0
    return folder / "runs"


def test_every_python_block_runs_in_order(elsewhere, runs):
    shutil.copytree(runs, "runs")
    namespace = {}
    printed = io.StringIO()
    for language, code in BLOCKS:
        if language == "python":
            with contextlib.redirect_stdout(printed):
                exec(compile(code, "README.md", "exec"), namespace)
    assert printed.getvalue() == next(code for language, code in BLOCKS if language == "")
    assert namespace["dx"].tolist() == [[0, 1]]
    assert (namespace["digits"] == namespace["labels_test"]).mean() > 0.7
    assert fcnn.tree.structure(tuple(namespace["grads"])) == fcnn.tree.structure(
        namespace["params"]
    )
    assert namespace["report"].worst < 1e-6


def test_fine_tuning_trains_the_head_alone(elsewhere, runs):
    (run,) = runs.iterdir()
    shutil.copytree(run, "digits")
    text = (ROOT / "docs" / "how_to" / "fine_tuning.md").read_text(encoding="utf-8")
    namespace = {}
    with contextlib.redirect_stdout(io.StringIO()):
        for code in re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL):
            exec(compile(code, "fine_tuning.md", "exec"), namespace)
    old, head, end = namespace["run"].params, namespace["record"].params, namespace["last"].params
    assert fcnn.tree.equal(head[:-1], old[:-1])
    assert namespace["record"].test_accuracy > 0.8
    assert not fcnn.tree.equal(end[:-1], old[:-1])


def test_the_example_is_the_one_in_examples():
    example = (ROOT / "examples" / "custom_layer.py").read_text(encoding="utf-8")
    for line in ("GainParams(g=(dy * x).sum((0, 2, 3))), dy * params.g[:, None, None]",
                 "x * params.g[:, None, None], (params, x)"):  # fmt: skip
        assert line in example
        assert line in README


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(path):
    for link in re.findall(r"\]\((?!http)([^)#]+)\)", path.read_text(encoding="utf-8")):
        assert (path.parent / link).exists(), link


def test_commands_exist():
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"][
        "optional-dependencies"
    ]
    for extra in re.findall(r"\.\[(\w+)\]", README):
        assert extra in extras
    for command in re.findall(r"^fcnn (\w+)", README, flags=re.MULTILINE):
        assert CliRunner().invoke(app, [command, "--help"]).exit_code == 0


def test_figures_of_parameters_are_right():
    for name in ("linear", "mnist_cnn", "deep_cnn", "deep_cnn_small"):
        params, _ = getattr(fcnn.models, name)().init(
            fcnn.numerics.random_streams.generator(0, fcnn.numerics.random_streams.PARAMETERS),
            (1, 28, 28),
        )
        count = sum(leaf.size for leaf in fcnn.tree.leaves(params))
        assert f"| `{name}` | {count:,} |" in README
