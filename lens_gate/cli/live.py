"""The live view of a run: what is measured, what it has cost, what is open, and when it ends.

The timed path only leaves its latest news here. They are drawn by a thread of their own, twice a
second, so that drawing never waits for a request nor a request for drawing.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from rich.console import Console, Group
from rich.live import Live

from lens_gate.cli.live_lines import Room, lines
from lens_gate.runner.measure import Progress

PER_SECOND = 2


class LiveView:
    """A view on the terminal behind standard error, there from the first news on."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._news: dict[str, Progress] = {}
        self._at = 0.0
        self._live: Live | None = None
        self._lock = threading.RLock()

    def observe(self, progress: Progress) -> None:
        """Take the news of a cell. It is on the timed path: nothing is drawn here."""
        self._news[progress.cell] = progress
        self._at = time.monotonic()
        if self._live is None:
            self._show()

    def _show(self) -> None:
        with self._lock:
            self._live = Live(
                console=self._console,
                get_renderable=self._drawn,
                refresh_per_second=PER_SECOND,
                transient=True,
                redirect_stdout=False,
                redirect_stderr=False,
                vertical_overflow="crop",
            )
            self._live.start()

    def _drawn(self) -> Group:
        size = self._console.size
        room = Room(
            width=size.width,
            height=size.height,
            ascii_only=self._console.options.ascii_only,
        )
        return Group(*lines(dict(self._news), time.monotonic() - self._at, room))

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Take the view away while something else is written; it comes back with the next news."""
        with self._lock:
            self.close()
            yield

    def close(self) -> None:
        """Take the view away, and leave no trace of it."""
        with self._lock:
            live, self._live = self._live, None
            if live is not None:
                with suppress(OSError):  # the terminal itself is gone
                    live.stop()
