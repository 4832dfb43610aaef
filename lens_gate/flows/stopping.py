"""How a run is ended before its own end: by a signal where the process is ours, else by request.

A program of its own takes SIGINT and SIGTERM for that. Inside of somebody else's program signals
are not ours to take; a ``Stop`` ends a run there, from any thread.
"""

import asyncio
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from lens_gate.records.run import EndReason


class Stop:
    """Asks a run to end. May be asked from any thread, any number of times, before it or during it.

    A run that is asked sends nothing more, settles what is under way, and ends with the reason
    ``interrupted``; what was measured is kept. It stays asked: a later run with it ends at once.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._asked = False
        self._bells: list[Callable[[], None]] = []

    @property
    def asked(self) -> bool:
        """Whether anybody has asked."""
        return self._asked

    def ask(self) -> None:
        """End every run that listens, and every later one."""
        with self._lock:
            self._asked = True
            bells = tuple(self._bells)
        for bell in bells:
            bell()

    @contextmanager
    def rings(self, bell: Callable[[], None]) -> Iterator[None]:
        """Have a bell rung when somebody asks; at once where somebody has."""
        with self._lock:
            self._bells.append(bell)
            asked = self._asked
        if asked:
            bell()
        try:
            yield
        finally:
            with self._lock:
                self._bells.remove(bell)


@contextmanager
def stopped_by(
    interrupt: asyncio.Event, stop: Stop | None, tell: Callable[[str], None]
) -> Iterator[list[EndReason]]:
    """Set ``interrupt`` when the run is to end; gives the reason, one word in a list.

    ``stop`` ``None``: the process is ours, and SIGINT and SIGTERM end the run.
    """
    if stop is None:
        with _signals(interrupt, tell) as why:
            yield why
        return
    loop = asyncio.get_running_loop()

    def ring() -> None:
        # The run may be over between the question and this answer to it.
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(interrupt.set)

    with stop.rings(ring):
        yield ["interrupted"]


@contextmanager
def _signals(interrupt: asyncio.Event, tell: Callable[[str], None]) -> Iterator[list[EndReason]]:
    """Turn the first SIGINT or SIGTERM into an interrupt; leave the second to its default."""
    why: list[EndReason] = ["interrupted"]
    loop = asyncio.get_running_loop()
    names: dict[signal.Signals, EndReason] = {
        signal.SIGINT: "interrupted",
        signal.SIGTERM: "terminated",
    }

    def stop(number: signal.Signals) -> None:
        why[0] = names[number]
        interrupt.set()
        tell("stopping: what was measured is kept; there will be no verdict")
        for name in names:
            loop.remove_signal_handler(name)

    if sys.platform == "win32":
        yield why
        return
    for name in names:
        loop.add_signal_handler(name, stop, name)
    try:
        yield why
    finally:
        for name in names:
            loop.remove_signal_handler(name)
