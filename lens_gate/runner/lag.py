"""How late this client itself is: the lateness of the event loop, sampled all along a run."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from lens_gate.stats.quantiles import sample_quantile

_EVERY_S = 0.02
_KEEP = 100_000


class LagMeter:
    """Lateness of a timer that should fire every 20 ms."""

    def __init__(self) -> None:
        self.late_s: list[float] = []

    def p99_s(self) -> float | None:
        """Its 99th percentile in seconds; ``None`` before the first firing."""
        if not self.late_s:
            return None
        return sample_quantile(self.late_s, 0.99)


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
