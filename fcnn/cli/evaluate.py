"""`fcnn evaluate`: a saved run again."""

import time
from pathlib import Path
from typing import Annotated

import typer

from fcnn.cli import reports
from fcnn.cli.exit_codes import exit_codes, wrong_usage
from fcnn.cli.options import JsonOption, ThreadsOption, load_data
from fcnn.cli.progress import Bar
from fcnn.runs import results
from fcnn.runs.folder import load_run


def evaluate(
    run: Annotated[Path, typer.Argument(help="The folder of a finished run.")],
    data: Annotated[
        str | None, typer.Option(help="Data to evaluate on; by default that of the run.")
    ] = None,
    threads: ThreadsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Evaluate a saved run again: accuracy, loss, ten sample predictions."""
    begun = time.perf_counter()
    with exit_codes(), Bar(shown=not as_json) as bar:
        with wrong_usage():
            loaded = load_run(run)
        data_name = loaded.config.data if data is None else data
        found = load_data(data_name, loaded.config.seed, bar, loaded.config.image_size)
        with wrong_usage():
            test = results.test_set(loaded, found)
            evaluation, probabilities = results.assess(loaded, test, threads=threads)
        labels = loaded.config.labels
        samples = results.samples(test[1], probabilities, labels)
        if as_json:
            figures = results.figures(loaded, data_name, evaluation)
            figures |= results.by_class(evaluation, labels)
            seconds = time.perf_counter() - begun
            reports.print_json({**figures, "samples": samples, "seconds": seconds})
        else:
            typer.echo(reports.evaluation(evaluation, labels) + "\n")
            typer.echo(reports.samples(samples))
