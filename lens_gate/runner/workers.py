"""What cells that are measured beside others have in common: workers, numbers, an end."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

from lens_gate.records.run import CellEnd
from lens_gate.runner.cell import CellRun, Ended, Watch
from lens_gate.runner.sample import Job, take_sample
from lens_gate.runner.till import Kept

_Work = TypeVar("_Work")


async def carry_out(
    work: Iterable[_Work], workers: int, carry: Callable[[_Work], Awaitable[bool]]
) -> None:
    """Have so many workers take pieces of work in their order, each one after the other.

    A worker whose ``carry`` gives false takes no more; whatever breaks one off ends all of them.
    """
    left = iter(work)

    async def worker() -> None:
        for piece in left:
            if not await carry(piece):
                return

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(workers):
                group.create_task(worker())
    except ExceptionGroup as problems:
        # Who reads it wants the first thing that went wrong, as it is.
        raise problems.exceptions[0] from None


class Lane:
    """One cell beside others: how it gets on, and why it sends nothing more.

    ``ended`` is ``None`` for as long as it goes on.
    """

    def __init__(self, cell: CellRun) -> None:
        self.cell = cell
        self.watch = Watch(cell)
        self.ended: Ended | None = None

    async def send(self, job: Job, keep: Kept) -> None:
        """Carry out a job, whose reservation has been made, and keep its sample.

        Raises:
            CancelledError: the run was broken off; the sample is kept.
        """
        sample = await take_sample(job, self.cell.till, self.cell.clock, keep)
        found = self.watch.take(sample)
        if sample.phase == "cut":
            raise asyncio.CancelledError
        self.ended = self.ended or found

    def end(self) -> CellEnd:
        """For the journal; a cell that nothing ended is complete."""
        found = self.ended or Ended(reason="complete", detail="")
        return CellEnd(cell=self.cell.plan.cell, reason=found.reason, detail=found.detail)


class Seqs:
    """The numbers of the run's requests, given out in the order of sending."""

    def __init__(self) -> None:
        self._next = 0

    def take(self, count: int) -> int:
        """The first of so many that nobody else gets."""
        first = self._next
        self._next += count
        return first
