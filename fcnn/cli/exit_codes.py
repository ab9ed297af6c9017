"""Errors that a user can do something about, as one message and an exit code."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, NoReturn

import attrs
import typer

from fcnn.data import DataError
from fcnn.distributed.failing_alike import FailedAlikeError
from fcnn.files.locks import LockedError
from fcnn.runs.config import RunError
from fcnn.runs.experiment import TrainingError
from fcnn.runs.model_by_name import ModelError

FAILED: Final = 1
WRONG_USAGE: Final = 2
NO_DATA: Final = 3
NOT_PROVED: Final = 4
INTERRUPTED: Final = 130


@attrs.define(eq=False)
class Stopped(Exception):  # noqa: N818, it may not be an error
    """A command ends here: what is said, and its exit code. Many processes that all end with it
    say it once.
    """

    text: str
    code: int
    alike: bool = False

    def in_process(self, rank: int) -> "Stopped":
        """The same, said by another process than the first with its number."""
        place = f"fcnn: process {rank}: " if rank else "fcnn: "
        return attrs.evolve(self, text=self.text.replace("fcnn: ", place, 1))


@contextmanager
def exit_codes() -> Iterator[None]:
    """Around a command: what it may end with is said, and has its exit code."""
    try:
        with stops():
            yield
    except Stopped as end:
        typer.echo(end.text, err=True)
        raise typer.Exit(end.code) from end


@contextmanager
def stops() -> Iterator[None]:
    """What a command may end with, as `Stopped`."""
    try:
        yield
    except BrokenPipeError:  # nobody reads any more, as with `fcnn train | head -1`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(FAILED) from None
    except (Exception, KeyboardInterrupt) as error:
        end = _stopped(error)
        if end is None or end is error:
            raise
        raise end from error


@contextmanager
def wrong_usage() -> Iterator[None]:
    """What the library refuses here is the fault of what was typed."""
    try:
        yield
    except (TypeError, ValueError, ImportError) as error:  # an extra that is not installed
        stop(error, WRONG_USAGE)


def stop(error: Exception, code: int) -> NoReturn:
    """End a command with what is wrong, and that code."""
    raise _saying(error, code) from error


def _stopped(error: BaseException) -> Stopped | None:
    """What a command says and ends with after an error; None if it is a mistake of fcnn."""
    match error:
        case Stopped():
            return error
        case FailedAlikeError():
            end = _stopped(error.error)
            return end and attrs.evolve(end.in_process(error.rank), alike=True)
        case DataError():
            return _saying(error, NO_DATA)
        case RunError() | LockedError():
            return _saying(error, WRONG_USAGE)
        case MemoryError():
            return _saying(MemoryError(f"out of memory: {error}"), FAILED)
        case TrainingError():  # the same sums, and so the same error, in all processes
            return attrs.evolve(_saying(error, FAILED), alike=True)
        case ModelError() | OSError():
            return _saying(error, FAILED)
        case KeyboardInterrupt():
            return Stopped("\nInterrupted", INTERRUPTED)
    return None


def _saying(error: Exception, code: int) -> Stopped:
    named = isinstance(error, OSError) and error.strerror and not error.filename
    return Stopped(f"fcnn: {error.strerror if named else error}", code)  # type: ignore[attr-defined]
