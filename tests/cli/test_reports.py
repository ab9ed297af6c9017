"""What commands print, down to the letter."""

import io
import sys
from pathlib import Path

import numpy as np
import pytest
from small_runs import NOISE, config_of

import fcnn
from fcnn.arguments import tables
from fcnn.cli import reports
from fcnn.runs.pace import Pace
from fcnn.runs.plan import make_plan


def evaluation(confusion, loss=0.5):
    confusion = np.array(confusion)
    counts = confusion.sum(1)
    per_class = np.divide(
        confusion.diagonal(), counts, out=np.full(len(confusion), np.nan), where=counts > 0
    )
    accuracy = confusion.diagonal().sum() / confusion.sum()
    return fcnn.Evaluation(loss, float(accuracy), per_class, confusion)


def test_an_evaluation():
    text = reports.evaluation(evaluation([[1496, 4, 0], [1, 7, 5], [0, 4, 9]]))
    assert text.splitlines() == [
        "Final Test Accuracy: 99.08%",
        "Final Test Loss: 0.5000",
        "",
        "Class  Images  Accuracy",
        "    0   1,500    99.73%",
        "    1      13    53.85%",
        "    2      13    69.23%",
        "",
        "Most frequent confusions",
        "True  Predicted  Images",
        "   1          2       5",
        "   0          1       4",
        "   2          1       4",
        "   1          0       1",
    ]


def test_a_class_without_images_is_told_only_if_it_was_predicted():
    text = reports.evaluation(evaluation([[3, 0, 1], [0, 0, 0], [0, 0, 0]]))
    assert [line.split() for line in text.splitlines()[4:6]] == [["0", "4", "75.00%"],
                                                                ["2", "0", "-"]]  # fmt: skip
    assert text.splitlines()[6] == ""


def test_wrong_samples_are_marked():
    found = [(0, 0, 0, 0.875), (12, 2, 2, 0.9375), (1, 0, 1, 0.5)]
    names = ("image", "true", "predicted", "confidence")
    text = reports.samples([dict(zip(names, sample, strict=True)) for sample in found])
    assert text.splitlines() == [
        "Sample predictions",
        "Image  True  Predicted  Confidence",
        "    0     0          0       87.5%",
        "   12     2          2       93.8%",
        "    1     0          1       50.0%  wrong",
    ]


def test_the_line_of_an_epoch():
    record = fcnn.Epoch(2, (), (), 0.25, 0.5, 1.125, 0.75, 3.0)
    assert reports.epoch_line(record, 5) == (
        "Epoch 2/5 - Train Loss: 0.2500, Acc: 0.5000, Test Loss: 1.1250, Acc: 0.7500"
    )
    record = fcnn.Epoch(
        2, (), (), 0.25, 0.5, None, None, 3.0, validation_loss=1.125, validation_accuracy=0.75
    )
    line = "Epoch 2/500 - Train Loss: 0.2500, Acc: 0.5000, Val Loss: 1.1250, Acc: 0.7500"
    assert reports.epoch_line(record, 500) == line
    assert len(line) <= 78


def test_the_end_of_a_run_is_told_in_the_singular_and_without_an_early_stop():
    metrics = {"best_epoch": 2, "validation_loss": 0.25, "validation_accuracy": 0.5, "epochs": 3}
    kept = "Kept Epoch 2, the best in validation - Loss: 0.2500, Acc: 0.5000"
    assert reports.kept_epoch(config_of(epochs=3, patience=1), metrics) == kept
    stopped = "Stopped early: no better validation in 1 epoch\n"
    assert reports.kept_epoch(config_of(epochs=4, patience=1), metrics) == stopped + kept


@pytest.mark.parametrize(
    ("epochs", "left"), [(3, "0:00:26"), (10**30, "24855 days, 3:14:07")]
)  # no more than calendars know
def test_the_pace_of_a_run(epochs, left):
    now = 10.0
    plan = make_plan(config_of(epochs=epochs, batch_size=24), NOISE)  # two steps an epoch
    pace = Pace(plan, clock=lambda: now)
    assert reports.progress(pace.note(1, 1)) == "learning rate 0.5"
    now = 15.7
    said = reports.progress(pace.note(1, 2))
    assert said == f"{left} left, 4 images/s, learning rate 0.5"


def test_the_folder_of_a_run_has_a_line_of_its_own_where_one_is_too_short():
    config = config_of()
    begin = "noise, linear, 15 parameters, recipe reference,"
    assert reports.first_line(config, 15, Path("runs/1")) == f"{begin} {Path('runs/1')}"
    assert reports.first_line(config, 15, Path("x" * 32)) == f"{begin} {'x' * 32}"
    assert reports.first_line(config, 15, Path("x" * 33)) == f"{begin}\n  {'x' * 33}"


def test_a_table_that_is_too_wide_is_folded():
    rows = [["[0]", "conv2d(8, padding=1, bias=False)", "1" * 44], ["[1]", "relu", "2"]]
    assert tables.table(["Path", "Layer", "N"], rows, left=[0, 1], folded=1).splitlines() == [
        "Path  Layer                 " + "N".rjust(44),
        "[0]   conv2d(8, padding=1,  " + "1" * 44,
        "        bias=False)",
        "[1]   relu                  " + "2".rjust(44),
    ]
    assert len(tables.table(["Layer", "N"], [["a" * 36, "1" * 42]], folded=0).splitlines()) == 2


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize(
    ("stream", "given", "coloured"),
    [(Terminal, {}, True), (io.StringIO, {}, False), (Terminal, {"NO_COLOR": "1"}, False),
     (Terminal, {"TERM": "dumb"}, False)],
)  # fmt: skip
def test_the_head_of_a_table_is_coloured_on_a_terminal(stream, given, coloured, monkeypatch):
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "stdout", stream())
    head, body = reports.table(["A"], [[1]]).splitlines()
    assert head == ("\x1b[36mA\x1b[0m" if coloured else "A")
    assert body == "1"
