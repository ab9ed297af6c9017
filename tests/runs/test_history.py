"""The figures of the epochs so far: kept in history.csv, and what decides which is the best."""

import attrs
import pytest
from small_runs import begun, config_of

import fcnn
from fcnn.runs.config import RunError
from fcnn.runs.history import best_epoch, is_complete, read_history, write_history

COLUMNS = "epoch,train_loss,train_accuracy,{0}_loss,{0}_accuracy,seconds"


def epoch(number, loss, accuracy):
    return fcnn.Epoch(
        number, (), (), 0.5, 0.25, None, None, 1.5, validation_loss=loss,
        validation_accuracy=accuracy,
    )  # fmt: skip


def test_of_equally_accurate_epochs_that_of_the_smallest_loss_is_best_and_then_the_first():
    history = [epoch(1, 0.5, 0.9), epoch(2, 0.3, 0.9), epoch(3, 0.3, 0.9), epoch(4, 0.1, 0.8)]
    assert [best_epoch(history[:count]) for count in (1, 2, 3, 4)] == [1, 2, 2, 2]


def test_patience_counts_the_epochs_since_the_best():
    history = [epoch(1, 0.5, 0.8), epoch(2, 0.3, 0.9), epoch(3, 0.3, 0.9), epoch(4, 0.1, 0.8)]
    for epochs, patience, ends in [(9, 2, 4), (9, None, 9), (4, None, 4), (3, 2, 3), (9, 1, 3)]:
        config = config_of(epochs=epochs, patience=patience)
        complete = [is_complete(history[:count], config) for count in range(min(ends, 4) + 1)]
        assert complete == [False] * min(ends, 5) + [True] * (ends < 5)


@pytest.mark.parametrize(("fraction", "name"), [(0.0, "test"), (0.2, "validation")])
def test_a_history_is_read_as_it_was_written(fraction, name):
    config = config_of(validation_fraction=fraction)
    folder = begun("run", config)
    figures = {f"{name}_loss": 1 / 3, f"{name}_accuracy": 0.1}
    nothing = dict.fromkeys(("test_loss", "test_accuracy"))
    history = [fcnn.Epoch(n, (), (), 0.1, 0.2, seconds=0.3, **{**nothing, **figures})
               for n in (1, 2)]  # fmt: skip
    write_history(folder, history, config)
    lines = (folder / "history.csv").read_text().splitlines()
    assert lines[0] == COLUMNS.format(name)
    assert lines[1] == f"1,0.1,0.2,{1 / 3},0.1,0.3"
    found = read_history(folder, config)
    assert [attrs.asdict(record) for record in found] == [attrs.asdict(r) for r in history]


def test_the_history_of_an_earlier_version_calls_validation_test():
    config = config_of()
    folder = begun("run", config)
    (folder / "history.csv").write_text(COLUMNS.format("test") + "\n1,0.5,0.25,0.75,0.9,1.5\n")
    (record,) = read_history(folder, config)
    assert (record.validation_loss, record.validation_accuracy) == (0.75, 0.9)
    assert (record.test_loss, record.test_accuracy) == (None, None)


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (None, "No such file"),
        ("", "not enough values"),
        (COLUMNS.format("validation"), "its columns are .*validation_loss.*; expected .*test_loss"),
        (COLUMNS.format("test") + "\n1,2,3", "zip"),
        (COLUMNS.format("test") + "\none,1,1,1,1,1", "one"),
    ],
)
def test_a_damaged_history_is_refused(content, text):
    config = config_of(validation_fraction=0.0)
    folder = begun("run", config)
    if content is not None:
        (folder / "history.csv").write_text(content)
    with pytest.raises(RunError, match=f"history.csv is not readable: .*{text}"):
        read_history(folder, config)
