"""Copies of this process that run the same program along with it, round after round.

A program is a loop whose caller may pause between its rounds for ever, or break off. So it is
copied where it stands at the beginning of a round; the copies run through that, doing their part
of all that is done together, and wait asleep until the caller begins the next one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from typing import Protocol, TypeVar

import attrs

from fcnn.distributed.helper_processes import (
    CANNOT_FORK,
    MOST_FAILURES,
    HelperProcesses,
    Program,
    can_fork,
    make_way,
)
from fcnn.distributed.threads import available_cores
from fcnn.distributed.world import ALONE, LostError, World

Result = TypeVar("Result")


class Processes(Protocol):
    """Those that run a program together."""

    def round(self, program: Program) -> AbstractContextManager[None]:
        """A round of it; program is what a copy of this process does from here on."""

    def together(self, work: Callable[[World], Result]) -> Result:
        """What work, a pure function, gives in the world of these processes."""

    def close(self) -> None:
        """End the program."""


@attrs.frozen
class GivenWorld:
    """Processes that are there anyway."""

    world: World

    def round(self, program: Program) -> AbstractContextManager[None]:
        """Nothing needs to be done."""
        return nullcontext()

    def together(self, work: Callable[[World], Result]) -> Result:
        """As of `Processes`."""
        return work(self.world)

    def close(self) -> None:
        """Nothing needs to be done."""


class Copies:
    """The process and its copies, as long as there can be any; then it goes on alone.

    Parameters
    ----------
    count
        How many processes there are work for, this one included.
    room
        Bytes of shared memory for what each hands over at a time.
    """

    def __init__(self, count: int, room: int) -> None:
        self._count, self._room = min(count, available_cores()), room
        self._failures = 0
        self._helpers: HelperProcesses | None = None

    @contextmanager
    def round(self, program: Program) -> Iterator[None]:
        """As of `Processes`: the copies that are there go on, or new ones begin."""
        try:
            self._begin(program)
            yield
            if self._helpers is not None:
                self._helpers.busy = False
        except BaseException:
            self.close()
            raise

    def together(self, work: Callable[[World], Result]) -> Result:
        """As of `Processes`; alone, once a copy is lost."""
        if self._helpers is not None and self._helpers.count:
            try:
                return work(self._helpers.world)
            except LostError:
                pass
        return work(ALONE)

    def close(self) -> None:
        """End the copies."""
        if self._helpers is not None:
            self._helpers.close()
            self._failures += self._helpers.failures
            self._helpers = None

    def _begin(self, program: Program) -> None:
        if self._helpers is not None and self._helpers.count:
            try:
                self._helpers.busy = True
                self._helpers.send(None)
                return
            except LostError:
                pass
        self.close()
        count = self._count - 1
        if count > 0 and self._failures <= MOST_FAILURES and can_fork() and make_way(count):
            with suppress(*CANNOT_FORK):  # the next round may be able to
                self._helpers = HelperProcesses(count, self._room, program)
                self._helpers.busy = True
