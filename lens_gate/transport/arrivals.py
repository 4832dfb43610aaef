"""When what a loop reads can have arrived at the earliest: the loop notes its own waits.

A read that brought several events has the time of the last one. The first of them can't have come
before the loop last looked at all its sockets and found this one empty; and where the loop slept,
not before it was woken up. A busy machine lets a process wait long after that: Linux says how long
(``schedstat``, "time spent waiting on a runqueue"), and a stamp that is older than the waking-up
shows it everywhere.
"""

import asyncio
import os
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
# A shorter sleep narrows a bound by too little to be worth asking how it ended (5 microseconds).
_WORTH_ASKING_NS: Final = 500_000
_SCHEDSTAT: Final = "/proc/thread-self/schedstat"


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
        self._queue = _RunQueue()

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """As the platform's own."""
        clock = time.monotonic_ns
        began_ns = clock()
        ready: list[tuple[selectors.SelectorKey, int]] = super().select(timeout)
        now_ns = clock()
        seen_ns = self._seen_ns
        self.before_ns = seen_ns
        self.looked_ns, self.slept_ns = seen_ns, 0
        # What was there when this was asked has been reported by it. A later moment can't be told:
        # between the kernel's answer and our look at the clock the process may lose its core.
        self._seen_ns = began_ns
        if now_ns - began_ns > _WORTH_ASKING_NS and (timeout is None or timeout > 0):
            held_ns = min(now_ns - began_ns, self._queue.held_ns())
            woke_ns = now_ns - WAKE_NS - held_ns
            # Else it may have had data at once, and have waited for its core.
            if woke_ns > began_ns:
                self.looked_ns, self.slept_ns = woke_ns, began_ns
                self._seen_ns = max(began_ns, now_ns - _AFTER_NS - _EACH_NS * len(ready) - held_ns)
        return ready

    def since(self, at_ns: int) -> int:
        """The earliest moment at which data stamped ``at_ns``, read in this round, can have come.

        Data from before the waking-up show that it took longer than it may: then all that is known
        is that there were none when the loop fell asleep.
        """
        if not self.slept_ns:
            return min(self.looked_ns, at_ns)
        if at_ns < self.slept_ns:
            return min(self.before_ns, at_ns)
        return self.looked_ns if at_ns >= self.looked_ns else self.slept_ns

    def close(self) -> None:
        """As the platform's own."""
        self._queue.close()
        super().close()


class _RunQueue:
    """How long this thread was held up: ready to run, while others had the cores."""

    def __init__(self) -> None:
        self._file: int | None = None
        self._known = True
        self._total_ns = 0

    def held_ns(self) -> int:
        """Nanoseconds since this was last asked; 0 where the system does not tell."""
        if not self._known:
            return 0
        try:
            if self._file is None:
                # Not earlier: the loop may be made by another thread than the one that runs it.
                self._file = os.open(_SCHEDSTAT, os.O_RDONLY)
            total_ns = int(os.pread(self._file, 100, 0).split()[1])
        except (OSError, AttributeError, ValueError, IndexError):
            self._known = False
            return 0
        held_ns, self._total_ns = total_ns - self._total_ns, total_ns
        return held_ns

    def close(self) -> None:
        """Read no more."""
        self._known = False
        if self._file is not None:
            os.close(self._file)
            self._file = None


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
