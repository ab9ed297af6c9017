"""`fcnn bench`: images per second on this machine."""

from collections.abc import Sequence
from typing import Annotated

import attrs
import typer

from fcnn.arguments.settings import MOST, not_negative
from fcnn.cli.exit_codes import exit_codes, wrong_usage
from fcnn.cli.options import DataOption, JsonOption, ModelOption, ThreadsOption, configured
from fcnn.cli.progress import Bar
from fcnn.cli.reports import print_json, table
from fcnn.runs.model_by_name import telling_lines
from fcnn.training.throughput import Rate, rates


def bench(
    model: ModelOption = None,
    data: DataOption = "mnist5k",
    batch_size: Annotated[int, typer.Option(min=1, max=MOST)] = 64,
    threads: ThreadsOption = None,
    seconds: Annotated[float, typer.Option(min=0.0, help="For each figure, about.")] = 1.0,
    as_json: JsonOption = False,
) -> None:
    """Measure images per second in training and inference, by threads, on this machine."""
    with exit_codes(), Bar(shown=not as_json) as bar:
        with wrong_usage():
            not_negative("bench", "seconds", seconds)
        config, built = configured(data, model, bar)
        with telling_lines(config.model):
            measured = list(
                rates(
                    built, config.in_shape, batch_size=batch_size, threads=threads, seconds=seconds
                )
            )
        if as_json:
            figures = [attrs.asdict(rate) for rate in measured]
            print_json({"model": config.model, "batch_size": batch_size, "rates": figures})
        else:
            typer.echo(f"{config.model}, batches of {batch_size}, float32\n")
            typer.echo(report(measured))


def report(measured: Sequence[Rate]) -> str:
    """Images per second by threads, and the fraction of the machine's peak."""

    def share(fraction: float | None) -> str:
        return "?" if fraction is None else f"{fraction:.0%}"

    rows = [
        [
            rate.threads,
            f"{rate.training:,.0f}",
            share(rate.training_of_peak),
            f"{rate.inference:,.0f}",
            share(rate.inference_of_peak),
        ]
        for rate in measured
    ]
    header = ["Threads", "Training images/s", "of peak", "Inference images/s", "of peak"]
    return table(header, rows) + "\n\nPeak: products of large matrices on as many threads."
