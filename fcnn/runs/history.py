"""The epochs of a run so far, their figures alone: history.csv, and which epoch is the best."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from fcnn.files.reading import read_regular
from fcnn.files.writing import whole_file
from fcnn.runs.config import Config, run_errors
from fcnn.training.epochs import Epoch

HISTORY: Final = "history.csv"


def best_epoch(history: Sequence[Epoch]) -> int:
    """The epoch of the greatest accuracy in validation; of equals, that of the smallest loss,
    and of those the first.
    """

    def quality(record: Epoch) -> tuple[float, float, int]:
        accuracy, loss = record.validation_accuracy or 0.0, record.validation_loss or 0.0
        return accuracy, -loss, -record.epoch

    return max(history, key=quality).epoch


def is_complete(history: Sequence[Epoch], config: Config) -> bool:
    """Whether these are all epochs, or none was better in validation for as long as patience
    allows.
    """
    if len(history) == config.epochs:
        return True
    if not history or config.patience is None:
        return False
    return history[-1].epoch - best_epoch(history) >= config.patience


def write_history(folder: Path, history: Sequence[Epoch], config: Config) -> None:
    """Write history.csv: one line per epoch."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    columns = _columns(config.held_out)
    writer.writerow(columns)
    writer.writerows([getattr(record, column) for column in columns] for record in history)
    with whole_file(folder / HISTORY) as file:
        file.write(text.getvalue().encode())


def read_history(folder: Path, config: Config) -> list[Epoch]:
    """The lines of history.csv as records without trees; RunError if they are none, or those
    of another kind of run.
    """
    path = folder / HISTORY
    columns = _columns(config.held_out)
    with run_errors(f"{path} is not readable"):
        header, *rows = csv.reader(io.StringIO(read_regular(path).decode(), newline=""))
        # Runs of earlier versions call it test where it is validation.
        if tuple(header) not in (columns, _columns("test")):
            raise ValueError(f"its columns are {', '.join(header)}; expected {', '.join(columns)}")
        return [_record(dict(zip(columns, row, strict=True))) for row in rows]


def _columns(held_out: str) -> tuple[str, ...]:
    evaluated = (f"{held_out}_loss", f"{held_out}_accuracy")
    return ("epoch", "train_loss", "train_accuracy", *evaluated, "seconds")


def _record(row: dict[str, str]) -> Epoch:
    figures: dict[str, Any] = {name: float(text) if text else None for name, text in row.items()}
    evaluated = dict.fromkeys(("test_loss", "test_accuracy"))
    return Epoch(params=(), state=(), **{**evaluated, **figures, "epoch": int(row["epoch"])})
