"""When what a loop reads can have arrived at the earliest: the loop notes its own waits.

A read that brought several events has the time of the last one. The first of them can't have come
before the loop last looked at all its sockets and found this one empty; and where the loop slept,
not before it was woken up.
"""

import asyncio
import selectors
import sys
import time
from typing import Any, Final

# From the arrival that wakes a sleeping process up until the process runs.
WAKE_NS: Final = 200_000
# From the moment at which the kernel gathers what is ready until we read the clock, and for each
# descriptor that was ready on top.
_AFTER_NS: Final = 20_000
_EACH_NS: Final = 1_000


class NotingSelector(selectors.DefaultSelector):
    """The platform's selector; beside its answers it tells how old they can be.

    ``looked_ns``: nothing that the last ``select`` reported was there before this moment.
    ``slept_ns``: when that call began, if it slept; data with an older stamp shows that it did
    not. Monotonic nanoseconds, 0 before the first call.
    """

    def __init__(self) -> None:
        super().__init__()
        self.looked_ns = self.slept_ns = self.before_ns = 0
        self._seen_ns = 0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """As the platform's own."""
        clock = time.monotonic_ns
        began_ns = clock()
        ready: list[tuple[selectors.SelectorKey, int]] = super().select(timeout)
        now_ns = clock()
        seen_ns = self._seen_ns
        self.before_ns = seen_ns
        if now_ns - began_ns > WAKE_NS and (timeout is None or timeout > 0):
            self.looked_ns, self.slept_ns = now_ns - WAKE_NS, began_ns
        else:
            self.looked_ns, self.slept_ns = seen_ns, 0
        self._seen_ns = now_ns - _AFTER_NS - _EACH_NS * len(ready)
        return ready

    def since(self, at_ns: int) -> int:
        """The earliest moment at which data stamped ``at_ns``, read in this round, can have come.

        Where the loop slept, the allowance for waking up stands before the stamp as well: on a
        busy machine the process may have been woken up long before it ran.
        """
        if not self.slept_ns:
            return min(self.looked_ns, at_ns)
        if at_ns < self.slept_ns:
            return min(self.before_ns, at_ns)
        return max(self.slept_ns, min(self.looked_ns, at_ns - WAKE_NS))


class MeasuringLoop(asyncio.SelectorEventLoop):
    """The standard event loop on a selector that notes its waits."""

    def __init__(self) -> None:
        self.noting = NotingSelector()
        super().__init__(self.noting)


def measuring_loop() -> asyncio.AbstractEventLoop:
    """A new event loop for measuring, as ``asyncio.Runner(loop_factory=...)`` asks for it."""
    if sys.platform == "win32":
        # Only the platform's own loop can start processes there.
        return asyncio.new_event_loop()
    return MeasuringLoop()


def noting_of(loop: Any) -> NotingSelector | None:  # noqa: ANN401  # any event loop
    """The selector that notes the waits of this loop; ``None`` under a loop of another kind."""
    noting = getattr(loop, "noting", None)
    return noting if isinstance(noting, NotingSelector) else None
