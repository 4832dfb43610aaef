"""How late and how busy this client itself is, all along a run."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TypedDict

from lens_gate.records.sample import Clock, Sample
from lens_gate.stats.quantiles import sample_quantile

# A firing costs about as much as reading an event: 50 a second are half a percent of CPU time.
_EVERY_S = 0.25
_KEEP = 100_000


class LagMeter:
    """Lateness of a timer that should fire four times a second, and this process's CPU time."""

    def __init__(self) -> None:
        self.late_s: list[float] = []
        self._began_s, self._cpu_s = time.monotonic(), time.process_time()

    def p99_s(self) -> float | None:
        """Its 99th percentile in seconds; ``None`` before the first firing."""
        if not self.late_s:
            return None
        return sample_quantile(self.late_s, 0.99)

    def cpu_share(self) -> float | None:
        """CPU time over time since it was made: 1 is a whole core; ``None`` where none has passed.

        It is that of the whole process, whatever else runs in it.
        """
        lasted_s = time.monotonic() - self._began_s
        return (time.process_time() - self._cpu_s) / lasted_s if lasted_s > 0.0 else None


class HealthSummary(TypedDict):
    """The fields of ``RunEnd`` that requests themselves tell of their client."""

    client_lag_p99_s: float | None
    merged_share: float
    clock: str


class Health:
    """What the requests of a run tell of the client that sent them, warm-up included."""

    def __init__(self) -> None:
        self._late_ns: list[int] = []
        self._outputs = self._merged = 0
        self._clocks: set[Clock] = set()

    def add(self, sample: Sample) -> None:
        """Count a request; of one without an answer there is nothing to tell."""
        marks = sample.marks
        if marks.first_byte is None:
            return
        if marks.lag is not None and len(self._late_ns) < _KEEP:
            self._late_ns.append(marks.lag)
        self._outputs += len(marks.output_ns)
        self._merged += marks.merged
        self._clocks.add(marks.clock)

    def summary(self) -> HealthSummary:
        """Seconds, share, and the clocks by name."""
        return HealthSummary(
            client_lag_p99_s=sample_quantile(self._late_ns, 0.99) / 1e9 if self._late_ns else None,
            merged_share=self._merged / self._outputs if self._outputs else 0.0,
            clock=", ".join(sorted(self._clocks)),
        )


@asynccontextmanager
async def lag_meter() -> AsyncIterator[LagMeter]:
    """Measure while the block runs."""
    meter = LagMeter()

    async def watch() -> None:
        while len(meter.late_s) < _KEEP:
            before = time.monotonic()
            await asyncio.sleep(_EVERY_S)
            meter.late_s.append(max(0.0, time.monotonic() - before - _EVERY_S))

    task = asyncio.create_task(watch())
    try:
        yield meter
    finally:
        task.cancel()
