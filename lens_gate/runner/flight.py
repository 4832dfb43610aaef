"""The requests in flight: started, counted, taken down as they end, broken off without loss."""

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine, Iterable, Iterator
from typing import Any

from lens_gate.records.sample import Sample

# Answers that may wait to be taken apart: their bytes are memory, and their money is reserved.
_IN_LINE = 16


class Flight:
    """Requests of one cell. ``ring`` is called as each of them leaves the wire, and as it ends.

    A request that has its answer gives way: its slot is free at once, and it takes the answer apart
    only when its turn comes, after what could be sent in its place has left.
    """

    def __init__(self, ring: Callable[[], None]) -> None:
        self._ring = ring
        self._up: set[asyncio.Task[Sample]] = set()
        self._behind: set[asyncio.Task[Sample]] = set()
        self._down: list[asyncio.Task[Sample]] = []
        self._turns: deque[asyncio.Future[None]] = deque()
        self._left: dict[asyncio.Task[Any], int] = {}
        self._freed: list[int] = []

    @property
    def size(self) -> int:
        """How many have not left the wire."""
        return len(self._up)

    @property
    def unsettled(self) -> int:
        """How many have not ended: what they cost may not be known yet."""
        return len(self._up) + len(self._behind)

    def launch(self, request: Coroutine[Any, Any, Sample]) -> None:
        """Start one."""
        task = asyncio.create_task(request)
        self._up.add(task)
        task.add_done_callback(self._ended)

    def leaves(self, at_ns: int) -> None:
        """The request that calls this is about to end, off the wire since this moment.

        Its slot becomes free together with its sample, so that what it says of the target is known
        before the next one goes. One that gave way has freed its slot already.
        """
        task: asyncio.Task[Any] | None = asyncio.current_task()
        if task in self._up:
            self._left[task] = at_ns

    async def give_way(self, at_ns: int) -> None:
        """Be off the wire since this moment, and go on when what comes next has been sent."""
        task: asyncio.Task[Any] | None = asyncio.current_task()
        if task in self._up:
            self._up.remove(task)
            self._behind.add(task)
            self._freed.append(at_ns)
            self._ring()
        turn = asyncio.get_running_loop().create_future()
        self._turns.append(turn)
        await turn

    def freed(self) -> list[int]:
        """When slots became free since this was last asked."""
        freed, self._freed = self._freed, []
        return sorted(freed)

    def next_turn(self) -> None:
        """Nothing can be sent now: let the one go on that has waited longest."""
        self._go_on(1)

    def shorten(self) -> None:
        """Where answers come faster than they are taken apart, let so many go on that few wait."""
        self._go_on(len(self._turns) - _IN_LINE)

    def _go_on(self, count: int) -> None:
        for _ in range(min(count, len(self._turns))):
            self._turns.popleft().set_result(None)

    def _ended(self, task: asyncio.Task[Sample]) -> None:
        self._up.discard(task)
        self._behind.discard(task)
        self._down.append(task)
        left_ns = self._left.pop(task, None)
        if left_ns is not None:
            self._freed.append(left_ns)
        self._ring()

    def landed(self) -> Iterator[Sample]:
        """The samples of those that have ended since this was last asked, in the order of sending.

        Raises:
            Exception: a bug of ours, after what was measured beside it has been given.
        """
        tasks, self._down = self._down, []
        kept = (task.result() for task in tasks if task.exception() is None)
        yield from sorted(kept, key=_place)
        for task in tasks:
            task.result()

    async def break_off(self) -> tuple[list[Sample], Iterable[Exception]]:
        """Cancel what is on the wire; the samples not yet given, and what went wrong meanwhile."""
        tasks = [*self._down, *self._behind, *self._up]
        for task in self._up:
            task.cancel()
        self._go_on(len(self._turns))
        results = await asyncio.gather(*tasks, return_exceptions=True)
        self._down.clear()
        samples = sorted((r for r in results if isinstance(r, Sample)), key=_place)
        return samples, [r for r in results if isinstance(r, Exception)]


def _place(sample: Sample) -> int:
    return sample.seq
