"""`fcnn summary`: the layers of a model, with their shapes and costs."""

import os
from pathlib import Path
from typing import Annotated

import typer

from fcnn.cli.exit_codes import exit_codes, wrong_usage
from fcnn.cli.options import DataOption, ModelOption, configured, refuse_beside
from fcnn.cli.progress import Bar
from fcnn.cli.reports import with_coloured_head
from fcnn.exchange.model_file import load_model
from fcnn.layers.layer import Layer
from fcnn.networks import summary as network_summary
from fcnn.numerics.arrays import Shape
from fcnn.runs.config import read_config
from fcnn.runs.folder import model_of
from fcnn.runs.model_by_name import telling_lines


def summary(
    *,
    context: typer.Context,
    run: Annotated[
        Path | None,
        typer.Argument(help="The folder of a run, or a file of save_model, in place of --model."),
    ] = None,
    model: ModelOption = None,
    data: DataOption = "mnist5k",
) -> None:
    """Show the layers of a model with their shapes and costs for one image."""
    with exit_codes(), Bar(shown=True) as bar:
        if run is None:
            config, built = configured(data, model, bar)
            name, in_shape = config.model, config.in_shape
        else:
            with wrong_usage():
                refuse_beside(context, "RUN", ["run"])
                name, built, in_shape = _found(run)
        with telling_lines(name):
            found = network_summary.summary(built, in_shape)
        head, table = repr(found).split("\n\n")
        typer.echo(f"{head}\n\n{with_coloured_head(table)}")


def _found(run: Path) -> tuple[str, Layer, Shape]:
    """The model of a run, which may not have finished, or of a file: its name, and the shape of
    its examples.
    """
    if os.path.isfile(run):
        saved = load_model(run)
        return repr(saved.model), saved.model, saved.in_shape
    config = read_config(run)
    return config.model, model_of(run, config), config.in_shape
