"""What several commands print: plain text, the same on a terminal and in a file."""

import json
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import typer

from fcnn.arguments.settings import MOST
from fcnn.runs.config import Config
from fcnn.runs.pace import Progress
from fcnn.runs.results import Result, most_confused
from fcnn.training.epochs import Epoch
from fcnn.training.inference import Evaluation


def print_json(content: Mapping[str, Any]) -> None:
    """One object on one line."""
    typer.echo(json.dumps(content, allow_nan=False))


def table(header: Sequence[str], rows: Sequence[Sequence[object]], left: Sequence[int] = ()) -> str:
    """Aligned columns, two spaces apart; to the right except for those listed in `left`."""
    lines = [[str(cell) for cell in row] for row in (header, *rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]

    def cell(text: str, i: int) -> str:
        return text.ljust(widths[i]) if i in left else text.rjust(widths[i])

    return "\n".join("  ".join(map(cell, line, range(len(line)))).rstrip() for line in lines)


def epoch_line(record: Epoch, epochs: int) -> str:
    """One line per epoch: losses and accuracies in training, and in test or validation."""
    held_out = "Test" if record.validation_loss is None else "Validation"
    loss = getattr(record, f"{held_out.lower()}_loss")
    accuracy = getattr(record, f"{held_out.lower()}_accuracy")
    return (
        f"Epoch {record.epoch}/{epochs} - "
        f"Train Loss: {record.train_loss:.4f}, Train Acc: {record.train_accuracy:.4f}, "
        f"{held_out} Loss: {loss:.4f}, {held_out} Acc: {accuracy:.4f}"
    )


def progress(found: Progress) -> str:
    """How long the rest of a run will take, how quick it is, and the learning rate."""
    said = []
    if found.seconds_left is not None:
        said.append(f"{timedelta(seconds=min(round(found.seconds_left), MOST))} left")
    if found.images_per_second is not None:
        said.append(f"{found.images_per_second:,.0f} images/s")
    return ", ".join([*said, f"learning rate {found.learning_rate:.3g}"])


def kept_epoch(config: Config, metrics: Mapping[str, Any]) -> str:
    """Which epoch of a run with a validation set was kept, and whether it ended early."""
    lines = [
        f"Kept Epoch {metrics['best_epoch']}, the best in validation - "
        f"Validation Loss: {metrics['validation_loss']:.4f}, "
        f"Validation Acc: {metrics['validation_accuracy']:.4f}"
    ]
    if metrics["epochs"] < config.epochs:
        epochs = "epoch" if config.patience == 1 else "epochs"
        lines.insert(0, f"Stopped early: no better validation in {config.patience} {epochs}")
    return "\n".join(lines)


def evaluation(result: Evaluation) -> str:
    """The final accuracy, a table by class, and the most frequent confusions."""
    counts = result.confusion.sum(1)
    rows = [
        [label, f"{counts[label]:,}", f"{accuracy:.2%}" if counts[label] else "-"]
        for label, accuracy in enumerate(result.per_class_accuracy)
        if counts[label] or result.confusion[:, label].any()
    ]
    by_class = table(["Class", "Images", "Accuracy"], rows)
    confusions = "No confusions: every test image was recognised."
    if confused := most_confused(result.confusion):
        rows = [[true, predicted, f"{images:,}"] for true, predicted, images in confused]
        confusions = "Most frequent confusions\n" + table(["True", "Predicted", "Images"], rows)
    return f"Final Test Accuracy: {result.accuracy:.2%}\n\n{by_class}\n\n{confusions}"


def samples(found: Sequence[dict[str, Any]]) -> str:
    """Predictions for single test images, with the probability that the model gives them."""
    rows = [
        [image, true, predicted, f"{confidence:.1%}", "wrong" * (predicted != true)]
        for image, true, predicted, confidence in map(dict.values, found)
    ]
    header = ["Image", "True", "Predicted", "Confidence", ""]
    return "Sample predictions\n" + table(header, rows, left=[4])


def results(folder: Path, found: Result, pictures_available: bool) -> str:
    """Where the results of a run lie; if there are no pictures, why, or how to get them."""
    lines = [f"Results in {folder}"]
    if found.pictures:
        lines.append(f"Pictures: {', '.join(path.name for path in found.pictures)}")
    elif found.picture_error:
        lines.append(f"No pictures: {found.picture_error}")
    elif not pictures_available:
        lines.append("For pictures too: pip install matplotlib, the extra [pictures] of fcnn")
    return "\n".join(lines)
