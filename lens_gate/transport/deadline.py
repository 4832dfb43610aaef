"""One timer for the four limits of an exchange, looked at only when it could have run out."""

import asyncio
import time
from collections.abc import Callable
from typing import Final

from lens_gate.records.policy import Timeouts
from lens_gate.transport.tape import Limit, Tape

# How long a stream that said its last may take to end its body, so that its connection is kept.
DRAIN_S: Final = 0.1

_WORDS: Final[dict[Limit, str]] = {
    "first_byte": "no byte of a response",
    "idle": "the stream was silent",
    "total": "the response was not complete",
}


class Deadline:
    """Ends a tape when a limit has run out, and then calls ``expired``.

    Reads do not touch the timer: when it fires it looks at the tape's last arrival, and sets itself
    anew where there was one. ``first_byte_s`` and ``total_s`` count from the moment of sending, so
    that a censored latency is at least its limit; while a request is still being sent,
    ``first_byte_s`` counts from its last progress.
    """

    __slots__ = ("_expired", "_handle", "_loop", "_start_ns", "_tape", "_timeouts")

    def __init__(
        self,
        tape: Tape,
        timeouts: Timeouts,
        *,
        loop: asyncio.AbstractEventLoop,
        expired: Callable[[], None],
    ) -> None:
        self._tape = tape
        self._timeouts = timeouts
        self._loop = loop
        self._expired = expired
        self._start_ns = time.monotonic_ns()
        self._handle: asyncio.TimerHandle | None = None
        tape.on_phase(self._arm)
        self._arm()

    def close(self) -> None:
        """Put the timer away."""
        self._tape.on_phase(_nothing)
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def _arm(self) -> None:
        if self._handle is not None:
            self._handle.cancel()
        due_ns, _, _ = self._next()
        delay_s = max(0, due_ns - time.monotonic_ns()) / 1e9
        self._handle = self._loop.call_later(delay_s, self._look)

    def _look(self) -> None:
        self._handle = None
        if self._tape.ended is not None:
            return
        due_ns, limit_s, limit = self._next()
        if time.monotonic_ns() < due_ns:
            self._arm()
            return
        words = _WORDS.get(limit) or _connect_words(self._tape)
        self._tape.time_out(limit, limit_s, f"{words} within {limit_s:g} s")
        self._expired()

    def _next(self) -> tuple[int, float, Limit]:
        """The limit that runs out first: when (monotonic ns), its length in seconds, its name."""
        tape, limits = self._tape, self._timeouts
        if tape.phase == "connect":
            return self._start_ns + _ns(limits.connect_s), limits.connect_s, "connect"
        sent_ns = tape.sent or tape.last_sent() or tape.bound or self._start_ns
        total: tuple[int, float, Limit] = (
            sent_ns + _ns(limits.total_s),
            limits.total_s,
            "total",
        )
        phase: tuple[int, float, Limit]
        if tape.phase == "first_byte":
            phase = (sent_ns + _ns(limits.first_byte_s), limits.first_byte_s, "first_byte")
        elif tape.phase == "idle":
            phase = ((tape.last or sent_ns) + _ns(limits.idle_s), limits.idle_s, "idle")
        else:
            phase = ((tape.done or sent_ns) + _ns(DRAIN_S), DRAIN_S, "idle")
        return min(phase, total)


def _connect_words(tape: Tape) -> str:
    """What of setting a connection up did not come about."""
    if tape.resolved is None or tape.opening is None:
        return "no connection: no answer from DNS"
    if not tape.opening.connected_ns:
        return "no connection: no answer to TCP"
    return "no connection: TCP is there, but TLS or the proxy does not answer"


def _ns(seconds: float) -> int:
    return round(seconds * 1e9)


def _nothing() -> None:
    """Nobody is told of phases any more."""
