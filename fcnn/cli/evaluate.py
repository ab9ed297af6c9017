"""`fcnn evaluate`: a trained network again."""

import time
from typing import Annotated

import typer

from fcnn.cli import reports
from fcnn.cli.exit_codes import exit_codes, wrong_usage
from fcnn.cli.options import JsonOption, RunArgument, ThreadsOption, load_data_for
from fcnn.cli.progress import Bar
from fcnn.runs import results
from fcnn.runs.trained import Trained, load_trained


def evaluate(
    run: RunArgument,
    data: Annotated[
        str | None,
        typer.Option(help="Data to evaluate on; by default that of the run. A file names none."),
    ] = None,
    threads: ThreadsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Evaluate a trained network again: accuracy, loss, ten sample predictions."""
    begun = time.perf_counter()
    with exit_codes(), Bar(shown=not as_json) as bar:
        with wrong_usage():
            trained = load_trained(run)
            data_name = _data_of(trained) if data is None else data
        found = load_data_for(trained, data_name, bar)
        labels = trained.saved.labels
        with wrong_usage():
            test = results.test_set(labels, found)
            evaluation, probabilities = results.assess(trained, test, threads=threads)
        samples = results.samples(test[1], probabilities, labels)
        if as_json:
            figures = results.figures(trained, data_name, evaluation)
            figures |= results.by_class(evaluation, labels)
            seconds = time.perf_counter() - begun
            reports.print_json({**figures, "samples": samples, "seconds": seconds})
        else:
            typer.echo(reports.evaluation(evaluation, labels) + "\n")
            typer.echo(reports.samples(samples))


def _data_of(trained: Trained) -> str:
    if trained.config is None:
        raise ValueError(
            f"{trained.place} is a file of save_model, which names no data: give --data"
        )
    return trained.config.data
