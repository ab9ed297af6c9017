"""One command in many processes, of which the first speaks and writes."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import typer

from fcnn.cli.exit_codes import WRONG_USAGE, Stopped, stop, stops
from fcnn.distributed.mpi import end_all, mpi_world
from fcnn.distributed.world import ALONE, World

# What launchers tell each process: how many there are, and its number.
LAUNCHERS: Final = {
    "PMI_SIZE": "PMI_RANK",  # MPICH, and those that are made from it
    "OMPI_COMM_WORLD_SIZE": "OMPI_COMM_WORLD_RANK",  # Open MPI
    "MV2_COMM_WORLD_SIZE": "MV2_COMM_WORLD_RANK",  # MVAPICH
}


def world_of(mpi: bool) -> World:
    """The processes of a command, which ends if they would get into each other's way."""
    if not mpi:
        _refuse_many()
        return ALONE
    try:
        return mpi_world()
    except RuntimeError as error:
        stop(error, WRONG_USAGE)


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
        text = end.text.replace("fcnn: ", f"fcnn: process {world.rank}: ", 1 if world.rank else 0)
        if not end.alike:
            end_all(end.code, lambda: typer.echo(text, err=True))
        if world.rank == 0:
            raise
        raise typer.Exit(end.code) from end
    except typer.Exit as end:
        end_all(end.exit_code, lambda: None)


def _refuse_many() -> None:
    for size, rank in LAUNCHERS.items():
        count = os.environ.get(size, "")
        if count.isdecimal() and int(count) > 1:
            if os.environ.get(rank, "0") != "0":
                raise typer.Exit(WRONG_USAGE)
            stop(
                ValueError(
                    f"{count} processes have been started, and each would train by itself; "
                    f"write mpiexec -n {count} fcnn train --mpi, with the other options"
                ),
                WRONG_USAGE,
            )
