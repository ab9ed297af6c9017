"""The examples run, and print what they promise. (pytest collects the snapshot one itself.)"""

import re
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"


def output_of(name, tmp_path):
    done = subprocess.run(
        [sys.executable, "-W", "error", str(EXAMPLES / name)],
        capture_output=True, text=True, cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert not list(tmp_path.iterdir())
    return done.stdout


def test_compose_by_hand(tmp_path):
    text = output_of("compose_by_hand.py", tmp_path)
    assert "Test accuracy by hand: 100.00%" in text
    assert "The chain gives the same bits: True" in text


def test_custom_layer(tmp_path):
    text = output_of("custom_layer.py", tmp_path)
    assert float(text.split("gradients: ")[1].split()[0]) < 1e-6
    assert "Epoch 3: test accuracy 100.00%" in text


def test_synthetic_lines(tmp_path):
    text = output_of("synthetic_lines.py", tmp_path)
    assert "8 arrays, 5,987 parameters" in text
    assert "Test accuracy: 100.00%" in text
    assert "show a column, a row, a diagonal" in text


def test_doubled_softmax(tmp_path):
    text = output_of("doubled_softmax.py", tmp_path)
    right, doubled = (float(percent) for percent in re.findall(r"([\d.]+)%", text))
    assert right > 93
    assert 80 < doubled < right - 1
    assert "The gradient of cross_entropy is right" in text
    assert "check: doubled: the gradient" in text


def test_every_example_is_tested():
    tested = Path(__file__).read_text(encoding="utf-8")
    for path in EXAMPLES.glob("*.py"):
        assert path.name.startswith("test_") or f'"{path.name}"' in tested


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.py")), ids=lambda path: path.stem)
def test_examples_begin_with_what_they_show(path):
    assert path.read_text(encoding="utf-8").startswith('"""')
