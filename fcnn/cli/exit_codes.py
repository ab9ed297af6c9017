"""Errors that a user can do something about, as one message and an exit code."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, NoReturn

import typer

from fcnn.data import DataError
from fcnn.files.locks import LockedError
from fcnn.runs.config import RunError
from fcnn.runs.experiment import TrainingError
from fcnn.runs.model_by_name import ModelError

FAILED: Final = 1
WRONG_USAGE: Final = 2
NO_DATA: Final = 3
NOT_PROVED: Final = 4
INTERRUPTED: Final = 130


@contextmanager
def exit_codes() -> Iterator[None]:
    """Around a command: what it may end with, each with its exit code."""
    try:
        yield
    except DataError as error:
        stop(error, NO_DATA)
    except BrokenPipeError:  # nobody reads any more, as with `fcnn train | head -1`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(FAILED) from None
    except (RunError, LockedError) as error:
        stop(error, WRONG_USAGE)
    except MemoryError as error:
        stop(MemoryError(f"out of memory: {error}"), FAILED)
    except (TrainingError, ModelError, OSError) as error:
        stop(error, FAILED)
    except KeyboardInterrupt:
        typer.echo("\nInterrupted", err=True)
        raise typer.Exit(INTERRUPTED) from None


@contextmanager
def wrong_usage() -> Iterator[None]:
    """What the library refuses here is the fault of what was typed."""
    try:
        yield
    except (TypeError, ValueError) as error:
        stop(error, WRONG_USAGE)


def stop(error: Exception, code: int) -> NoReturn:
    """Say what is wrong, and end with that code."""
    named = isinstance(error, OSError) and error.strerror and not error.filename
    typer.echo(f"fcnn: {error.strerror if named else error}", err=True)  # type: ignore[attr-defined]
    raise typer.Exit(code) from error
