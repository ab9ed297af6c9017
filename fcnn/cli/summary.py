"""`fcnn summary`: the layers of a model, with their shapes and costs."""

from pathlib import Path
from typing import Annotated

import typer

from fcnn.cli.exit_codes import exit_codes, wrong_usage
from fcnn.cli.options import DataOption, ModelOption, configured, refuse_beside
from fcnn.cli.progress import Bar
from fcnn.cli.reports import with_coloured_head
from fcnn.networks import summary as network_summary
from fcnn.runs.config import read_config
from fcnn.runs.folder import model_of
from fcnn.runs.model_by_name import telling_lines


def summary(
    *,
    context: typer.Context,
    run: Annotated[
        Path | None, typer.Argument(help="The folder of a run; its model, in place of --model.")
    ] = None,
    model: ModelOption = None,
    data: DataOption = "mnist5k",
) -> None:
    """Show the layers of a model with their shapes and costs for one image."""
    with exit_codes(), Bar(shown=True) as bar:
        if run is None:
            config, built = configured(data, model, bar)
        else:
            with wrong_usage():
                refuse_beside(context, "RUN", ["run"])
                config = read_config(run)
                built = model_of(run, config)
        with telling_lines(config.model):
            found = network_summary.summary(built, config.in_shape)
        head, table = repr(found).split("\n\n")
        typer.echo(f"{head}\n\n{with_coloured_head(table)}")
