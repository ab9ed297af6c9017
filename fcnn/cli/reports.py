"""What several commands print, in at most 80 columns: on a terminal the heads of tables have a
colour, the rest is the same in a file.
"""

import json
import os
import sys
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import typer

from fcnn.arguments import tables
from fcnn.arguments.settings import MOST
from fcnn.cli.progress import COLOUR
from fcnn.runs.config import Config
from fcnn.runs.folder import slug
from fcnn.runs.initial_parameters import Beginning
from fcnn.runs.pace import Progress
from fcnn.runs.results import Result, called, most_confused
from fcnn.training.epochs import Epoch
from fcnn.training.inference import Evaluation


def print_json(content: Mapping[str, Any]) -> None:
    """One object on one line."""
    typer.echo(json.dumps(content, allow_nan=False))


def table(
    header: Sequence[str],
    rows: Sequence[Sequence[object]],
    left: Sequence[int] = (),
    folded: int | None = None,
) -> str:
    """A table of `fcnn.arguments.tables`, whose head has a colour on a terminal."""
    return with_coloured_head(tables.table(header, rows, left, folded))


def with_coloured_head(text: str) -> str:
    """A table with its head in the colour of the progress bar, on a terminal that has colours."""
    plain = not sys.stdout.isatty() or "NO_COLOR" in os.environ or os.environ.get("TERM") == "dumb"
    head, *rest = text.split("\n")
    return text if plain else "\n".join([typer.style(head, fg=COLOUR), *rest])


def first_line(config: Config, parameters: int, folder: Path) -> str:
    """What a run is: data, network, parameters, recipe, folder; the last on a line of its own if
    one is too short.
    """
    data, model = (slug(name) for name in (config.data, config.model))
    said = f"{data}, {model}, {parameters:,} parameters, recipe {config.recipe},"
    fits = len(said) + 1 + len(str(folder)) <= tables.COLUMNS
    return f"{said} {folder}" if fits else f"{said}\n  {folder}"


def beginning(init: Path, found: Beginning) -> str:
    """How much of another run a run begins with, and what of both is left out."""
    arrays = f"{found.taken} array{'' if found.taken == 1 else 's'}"
    lines = [f"Begins with {arrays} of the parameters in {init}"]
    if found.misfits:
        lines += ["Left out:", *(f"  {line}" for line in found.misfits)]
    return "\n".join(lines)


def epoch_line(record: Epoch, epochs: int) -> str:
    """One line per epoch: losses and accuracies in training, and in test or validation."""
    held_out, name = ("test", "Test") if record.validation_loss is None else ("validation", "Val")
    loss, accuracy = (getattr(record, f"{held_out}_{figure}") for figure in ("loss", "accuracy"))
    return (
        f"Epoch {record.epoch}/{epochs} - "
        f"Train Loss: {record.train_loss:.4f}, Acc: {record.train_accuracy:.4f}, "
        f"{name} Loss: {loss:.4f}, Acc: {accuracy:.4f}"
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
        f"Loss: {metrics['validation_loss']:.4f}, Acc: {metrics['validation_accuracy']:.4f}"
    ]
    if metrics["epochs"] < config.epochs:
        epochs = "epoch" if config.patience == 1 else "epochs"
        lines.insert(0, f"Stopped early: no better validation in {config.patience} {epochs}")
    return "\n".join(lines)


def evaluation(result: Evaluation, labels: Sequence[str] | None = None) -> str:
    """The final accuracy and loss, a table by class, and the most frequent confusions; with the
    names of the classes, if they have any.
    """
    names = called(labels, len(result.confusion))
    left = [0, 1] if labels else []
    counts = result.confusion.sum(1)
    rows = [
        [names[label], f"{counts[label]:,}", f"{accuracy:.2%}" if counts[label] else "-"]
        for label, accuracy in enumerate(result.per_class_accuracy)
        if counts[label] or result.confusion[:, label].any()
    ]
    by_class = table(["Class", "Images", "Accuracy"], rows, left=left[:1], folded=0)
    confusions = "No confusions: every test image was recognised."
    if confused := most_confused(result.confusion):
        rows = [[names[true], names[other], f"{n:,}"] for true, other, n in confused]
        confusions = "Most frequent confusions\n" + table(
            ["True", "Predicted", "Images"], rows, left=left, folded=0
        )
    return (
        f"Final Test Accuracy: {result.accuracy:.2%}\nFinal Test Loss: {result.loss:.4f}\n\n"
        f"{by_class}\n\n{confusions}"
    )


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
