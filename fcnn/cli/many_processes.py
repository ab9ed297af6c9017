"""One command in many processes, of which the first speaks and writes."""

from collections.abc import Iterator
from contextlib import contextmanager

import typer

from fcnn.cli.exit_codes import WRONG_USAGE, Stopped, stop, stops
from fcnn.distributed.mpi import end_all, launched, mpi_world
from fcnn.distributed.world import ALONE, World


def world_of(mpi: bool) -> World:
    """The processes of a command, which ends if they would get into each other's way."""
    count, rank = launched()
    try:
        if mpi:
            return mpi_world()
        if count > 1:
            raise RuntimeError(
                f"{count} processes have been started, and each would train by itself; "
                f"write mpiexec -n {count} fcnn train --mpi, with the other options"
            )
    except RuntimeError as error:
        if rank:  # the first says it for all
            raise typer.Exit(WRONG_USAGE) from error
        stop(error, WRONG_USAGE)
    return ALONE


@contextmanager
def in_company(world: World) -> Iterator[None]:
    """Around a command in many processes: what all of them end with, the first says; what one of
    them meets alone ends all.
    """
    if world.size == 1:
        yield
        return
    try:
        with stops():
            yield
    except Stopped as end:
        if not end.alike:
            told = end.in_process(world.rank).text
            end_all(end.code, lambda: typer.echo(told, err=True))
        if world.rank == 0:
            raise
        raise typer.Exit(end.code) from end
    except typer.Exit as end:
        end_all(end.exit_code, lambda: None)
