"""A target's rate limiter: the one place where what is known of its limits changes.

The arithmetic is ``load.limits``; this holds its newest state. Requests that must wait do so in
the order in which they came.
"""

import asyncio
from collections.abc import Awaitable, Callable

from lens_gate.load.limits import Gauge, heard, hold_s, taken, told_to_wait
from lens_gate.records.exchange import RateLimits
from lens_gate.records.policy import RateCap

NS_A_SECOND = 1e9


class Limiter:
    """Holds requests back before they are sent, and learns from the answers."""

    def __init__(self, cap: RateCap) -> None:
        self.gauge = Gauge(cap=cap)
        self._in_flight = 0
        self._turn = asyncio.Lock()

    async def hold(
        self,
        tokens: float,
        *,
        now_ns: Callable[[], int],
        sleep: Callable[[float], Awaitable[None]],
    ) -> float:
        """Wait until a request of so many tokens may go; gives the seconds waited.

        The request then counts as sent: every call needs its ``answered``.
        """
        start_ns = now_ns()
        waited = self._turn.locked()
        async with self._turn:
            while (wait_s := hold_s(self.gauge, now_ns() / NS_A_SECOND, tokens)) > 0:
                waited = True
                await sleep(wait_s)
            self.gauge = taken(self.gauge, now_ns() / NS_A_SECOND, tokens)
            self._in_flight += 1
        return (now_ns() - start_ns) / NS_A_SECOND if waited else 0.0

    def answered(
        self, *, now_ns: int, limits: RateLimits | None, retry_after_s: float | None
    ) -> None:
        """An answer came, or none will: learn what it says of limits."""
        self._in_flight -= 1
        if limits is not None:
            self.gauge = heard(self.gauge, now_ns / NS_A_SECOND, limits, self._in_flight)
        self.refused(now_ns=now_ns, retry_after_s=retry_after_s)

    def refused(self, *, now_ns: int, retry_after_s: float | None) -> None:
        """The answer turned out to be a refusal that may name a wait."""
        if retry_after_s is not None:
            self.gauge = told_to_wait(self.gauge, now_ns / NS_A_SECOND, retry_after_s)
