"""`fcnn summary`: the layers of a model, with their shapes and costs."""

from pathlib import Path
from typing import Annotated

import typer

from fcnn.cli.exit_codes import exit_codes, wrong_usage
from fcnn.cli.options import DataOption, ModelOption, configured, refuse_beside
from fcnn.cli.progress import Bar
from fcnn.cli.reports import table
from fcnn.layers.window_sizes import times
from fcnn.networks.summary import summarize
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
            rows = summarize(built, config.in_shape)
        body = [
            [
                row.path,
                row.layer,
                times(row.out_shape),
                f"{row.parameters:,}",
                "?" if row.multiply_adds is None else f"{row.multiply_adds:,}",
                f"{row.activation_bytes:,}",
            ]
            for row in rows
        ]
        parameters = sum(row.parameters for row in rows)
        multiply_adds = sum(row.multiply_adds or 0 for row in rows)
        unknown = "+?" * any(row.multiply_adds is None for row in rows)
        size = sum(row.activation_bytes for row in rows)
        body.append(
            ["Total", "", "", f"{parameters:,}", f"{multiply_adds:,}{unknown}", f"{size:,}"]
        )
        header = ["Path", "Layer", "Output", "Parameters", "Multiply-adds", "Bytes"]
        typer.echo(
            f"Input {times(config.in_shape)}; multiply-adds and activation bytes for one image, "
            "float32\n\n" + table(header, body, left=[0, 1, 2], folded=1)
        )
