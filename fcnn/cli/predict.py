"""`fcnn predict`: what a trained network says of pictures."""

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from fcnn.cli.exit_codes import NO_DATA, exit_codes, wrong_usage
from fcnn.cli.options import JsonOption, RunArgument, ThreadsOption
from fcnn.cli.reports import print_json, table
from fcnn.pictures import run_pictures as pictures
from fcnn.runs.predictions import LIKELIEST, Prediction, predictions
from fcnn.runs.trained import load_trained

SHOWN: str = "predictions.png"


class Preparation(StrEnum):
    """What is done to pictures before the network sees them."""

    mnist = "mnist"
    none = "none"


def predict(
    run: RunArgument,
    images: Annotated[
        list[str],
        typer.Argument(
            help="Pictures in files: PNG, JPEG, anything that Pillow reads; or arrays, .npy.",
            show_default=False,
        ),
    ],
    show: Annotated[
        bool,
        typer.Option(
            "--show",
            help=f"Draw what the network saw beside its answers, as RUN/{SHOWN}, or FILE-{SHOWN}.",
        ),
    ] = False,
    preparation: Annotated[
        Preparation | None,
        typer.Option(
            help="mnist: find the ink of a digit, and lay it out as in MNIST; none: resize. "
            "By default mnist for runs on MNIST, and what a file says.",
            show_default=False,
        ),
    ] = None,
    threads: ThreadsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say what pictures show: the three likeliest classes of each."""
    with exit_codes():
        with wrong_usage():
            trained = load_trained(run)
            chosen = trained.saved.preparation if preparation is None else preparation.value
            prepared = None if chosen == "none" else chosen
            if show:
                pictures.check_available()
            found = predictions(trained, images, preparation=prepared, threads=threads)
        for each in found:
            if each.error is not None and not as_json:
                typer.echo(f"fcnn: {each.error}", err=True)
        answered = [each for each in found if each.error is None]
        drawn = _draw(run, answered) if show and answered else None
        if as_json:
            print_json({"predictions": [each.plain() for each in found]})
        elif answered:
            typer.echo(report(answered))
            if drawn:
                typer.echo(f"\nWhat the network saw: {drawn}")
        if len(answered) < len(found):
            raise typer.Exit(NO_DATA)


def _draw(run: Path, answered: Sequence[Prediction]) -> Path:
    return pictures.save_predictions(
        run / SHOWN if run.is_dir() else run.with_name(f"{run.stem}-{SHOWN}"),
        files=[each.file for each in answered],
        images=[each.image for each in answered if each.image is not None],
        probabilities=[each.probabilities for each in answered],
        run=run.stem if run.is_file() else run.name,
    )


def report(found: Sequence[Prediction]) -> str:
    """A line for each picture: its likeliest classes, and their probabilities."""
    rows = []
    for each in found:
        cells = [cell for name, p in each.probabilities.items() for cell in (name, f"{p:.1%}")]
        rows.append([each.file, *cells, *[""] * (2 * LIKELIEST - len(cells))])
    header = ["Picture", "Label", "Probability", "Second", "", "Third", ""]
    return table(header, rows, left=[0, 1, 3, 5], folded=0)
