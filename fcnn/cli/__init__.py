"""The command line: train, evaluate, predict, export, summary, verify, bench and data.

Options in, words out. Results go to standard output, progress to standard error. Exit codes:
0 done, 1 the run failed, 2 wrong usage, 3 data missing or damaged, 4 a check did not hold,
130 interrupted.
"""

import io
import os
import sys
from typing import Annotated

import typer

from fcnn.cli import bench, data, evaluate, export, predict, summary, train, verify
from fcnn.version import __version__

app = typer.Typer(
    help="Convolutional networks in NumPy alone: train, evaluate and look at them.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for command in (
    train.train,
    evaluate.evaluate,
    predict.predict,
    export.export,
    summary.summary,
    verify.verify,
    bench.bench,
):
    app.command()(command)
app.add_typer(data.app, name="data")


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"fcnn {__version__}")
        raise typer.Exit


@app.callback()
def main(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Convolutional networks in NumPy alone: train, evaluate and look at them."""
    _open_closed_streams()
    if isinstance(sys.stdout, io.TextIOWrapper):
        # Names of files may hold what the terminal cannot show.
        sys.stdout.reconfigure(errors="backslashreplace")


def _open_closed_streams() -> None:
    """Drop what is written to a stream that was closed, as by `2>&-`.

    In this order each gets its own number back. Else the next file that is opened has it, and
    what a library in C has to say ends up in there.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_RDWR), mode))
