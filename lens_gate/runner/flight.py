"""The requests in flight: started, counted, taken down as they end, broken off without loss."""

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Iterator
from typing import Any

from lens_gate.records.sample import Sample


class Flight:
    """Requests of one cell. ``ring`` is called as each of them ends."""

    def __init__(self, ring: Callable[[], None]) -> None:
        self._ring = ring
        self._up: set[asyncio.Task[Sample]] = set()
        self._down: list[asyncio.Task[Sample]] = []

    @property
    def size(self) -> int:
        """How many have not ended."""
        return len(self._up)

    def launch(self, request: Coroutine[Any, Any, Sample]) -> None:
        """Start one."""
        task = asyncio.create_task(request)
        self._up.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[Sample]) -> None:
        self._up.discard(task)
        self._down.append(task)
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
        """Cancel what is in flight; the samples not yet given, and what went wrong meanwhile."""
        tasks = [*self._down, *self._up]
        for task in self._up:
            task.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        self._down.clear()
        self._up.clear()
        samples = sorted((r for r in results if isinstance(r, Sample)), key=_place)
        return samples, [r for r in results if isinstance(r, Exception)]


def _place(sample: Sample) -> int:
    return sample.seq
