"""What one exchange leaves behind while it runs: bytes, stamps, and how it ended.

The one mutable thing of this room. It is written synchronously where bytes arrive, so that no task
has to wake up for a read, and knows neither aiohttp nor a socket.
"""

import asyncio
import time
from collections.abc import Callable
from contextvars import ContextVar
from typing import Final, Literal, Protocol

from lens_gate.records.exchange import ResponseHead
from lens_gate.transport.inflate import Inflate, InflateError, inflate_for

Ended = Literal[
    "clean", "stopped", "timeout", "connection", "truncated", "too_large", "malformed", "client"
]
Phase = Literal["connect", "first_byte", "idle", "drain"]
Limit = Literal["connect", "first_byte", "idle", "total"]

# After the watch said stop: how much may still come before the connection is given up.
_DRAIN_BYTES: Final = 64 * 1024
# Bytes on the wire for each byte of body that is allowed: chunks of one byte take six.
_WIRE_PER_BYTE: Final = 8
_WIRE_AT_LEAST: Final = 1 << 20
# Interim responses included. aiohttp's own limits on a head are tighter, where it has them.
_HEAD_BYTES: Final = 1 << 20


class Stamps(Protocol):
    """The part of a stamped socket that a tape reads."""

    first_sent_ns: int
    sent_ns: int
    opened_ns: int
    connected_ns: int

    def begin(self) -> None:
        """Forget earlier sends."""
        ...


class Tape:
    """All times are monotonic nanoseconds, ``None`` where the moment never came.

    ``ends[i]`` and ``stamps[i]`` belong to the i-th read that brought body bytes. ``link`` gives
    the transport while it is the exchange's own, ``transport`` is the one that it was given.
    ``sinces[i]`` is the earliest moment at which the first bytes of that read can have come, and
    ``since`` that of the read at hand. ``late`` is the most by which data were read after they had
    come, ``None`` where that is not known. ``timed_out`` names the limit that ran out.
    ``crash`` is an error of the watch, which is called where bytes arrive: it must reach the task,
    not the event loop.
    """

    __slots__ = (
        "_inflate",
        "_limit",
        "_max_body",
        "_max_error_body",
        "_max_wire",
        "_on_phase",
        "_socket",
        "_success",
        "_watch",
        "_wire_limit",
        "bound",
        "chunks",
        "connect_start",
        "connected",
        "crash",
        "detail",
        "done",
        "drained",
        "ended",
        "ends",
        "finished",
        "first_byte",
        "head",
        "headers",
        "kernel",
        "last",
        "late",
        "limit_s",
        "link",
        "opening",
        "phase",
        "resolved",
        "reused",
        "sent",
        "since",
        "since_first_byte",
        "sinces",
        "size",
        "stamps",
        "tcp_connected",
        "timed_out",
        "transport",
        "wire",
    )

    def __init__(
        self,
        *,
        loop: asyncio.AbstractEventLoop,
        watch: Callable[[bytes], bool],
        max_body: int,
        max_error_body: int,
    ) -> None:
        self._watch = watch
        self._max_body = max_body
        self._max_error_body = max_error_body
        self._max_wire = _WIRE_AT_LEAST + _WIRE_PER_BYTE * max(max_body, max_error_body)
        self._wire_limit = _HEAD_BYTES
        self._limit = max_error_body
        self._success = False
        self._inflate: Inflate | None = None
        self._socket: Stamps | None = None
        self._on_phase: Callable[[], None] = _nothing
        self.link: Callable[[], asyncio.Transport | None] = _nothing
        self.transport: asyncio.Transport | None = None
        self.finished: asyncio.Future[None] = loop.create_future()
        self.phase: Phase = "connect"
        self.ended: Ended | None = None
        self.detail = ""
        self.limit_s: float | None = None
        self.timed_out: Limit | None = None
        self.crash: Exception | None = None
        self.head: ResponseHead | None = None
        self.chunks: list[bytes] = []
        self.ends: list[int] = []
        self.stamps: list[int] = []
        self.sinces: list[int | None] = []
        self.size = self.wire = self.drained = 0
        self.connect_start: int | None = None
        self.opening: Stamps | None = None
        self.resolved: int | None = None
        self.tcp_connected: int | None = None
        self.connected: int | None = None
        self.bound: int | None = None
        self.sent: int | None = None
        self.first_byte: int | None = None
        self.since: int | None = None
        self.since_first_byte: int | None = None
        self.late: int | None = None
        self.last: int | None = None
        self.headers: int | None = None
        self.done: int | None = None
        self.reused = False
        self.kernel = True

    def on_phase(self, tell: Callable[[], None]) -> None:
        """Call ``tell`` whenever ``phase`` changes."""
        self._on_phase = tell

    def asked(self, at_ns: int) -> None:
        """A connection was asked for; a new one is made where none is idle."""
        self.connect_start = at_ns

    def socket_made(self, socket: Stamps) -> None:
        """The name is resolved; a try to connect begins. Of several, the last one counts."""
        if self.resolved is None:
            self.resolved = socket.opened_ns
        self.opening = socket

    def bind(
        self,
        socket: Stamps | None,
        link: Callable[[], asyncio.Transport | None],
        *,
        connected: int | None,
    ) -> None:
        """There is a connection; ``connected`` is ``None`` for one that was open already."""
        self._socket = socket
        self.link = link
        self.transport = link()
        if socket is not None:
            socket.begin()
        self.bound = time.monotonic_ns()
        self.reused = connected is None
        self.connected = connected
        if connected is None:
            self.connect_start = self.resolved = None
        elif socket is not None:
            self.tcp_connected = socket.connected_ns or None
        self._enter("first_byte")

    def last_sent(self) -> int | None:
        """The last send call of this request so far; ``None`` before the first.

        Without a stamped socket it is the moment at which the request got its connection.
        """
        if self._socket is None:
            return self.bound
        return self._socket.sent_ns or None

    def unsent(self) -> bool:
        """Whether a part of the request is still on our side."""
        transport = self.link()
        return transport is not None and transport.get_write_buffer_size() > 0

    def arrived(
        self,
        size: int,
        at_ns: int,
        *,
        kernel: bool,
        since: int | None = None,
        late: int | None = None,
    ) -> None:
        """A read brought ``size`` bytes of anything: head, framing, body.

        ``since`` and ``late`` as in ``sinces`` and ``late`` of the class, of this read.
        """
        self.wire += size
        self.last = at_ns
        self.since = since
        if late is not None and (self.late is None or late > self.late):
            self.late = late
        if not kernel:
            self.kernel = False
        if self.first_byte is None:
            self._first_arrived(at_ns)
        elif self.wire > self._wire_limit:
            self._too_much()

    def _first_arrived(self, at_ns: int) -> None:
        self.first_byte = at_ns
        self.since_first_byte = self.since
        self.sent = self.last_sent()
        if self._socket is not None and at_ns < (self._socket.first_sent_ns or at_ns + 1):
            self.end("malformed", "the server sent bytes before the request was sent")
            return
        if self.ended is None:
            self._enter("idle")
        if self.wire > self._wire_limit:
            self._too_much()

    def _too_much(self) -> None:
        if self.head is None:
            self.end(
                "too_large", f"the head of the response is too large: over {_HEAD_BYTES} bytes"
            )
        else:
            self.end("too_large", f"the response took more than {self._max_wire} bytes to send")

    def head_arrived(self, head: ResponseHead) -> None:
        """The last read completed status line and headers."""
        self.head = head
        self.headers = self.last
        self._wire_limit = self._max_wire
        self._success = 200 <= head.status < 300
        self._limit = self._max_body if self._success else self._max_error_body
        try:
            self._inflate = inflate_for(head.headers.get("content-encoding", ""))
        except InflateError as error:
            self.end("malformed", str(error))

    def body(self, data: bytes) -> None:
        """The last read brought these bytes of the body, as sent."""
        if self.ended is not None:
            return
        if self.phase == "drain":
            self.drained += len(data)
            if self.drained > _DRAIN_BYTES:
                self.end("stopped")
            return
        if self._inflate is not None:
            try:
                data = self._inflate.feed(data, self._limit - self.size + 1)
            except InflateError as error:
                self.end("malformed", str(error))
                return
            if not data:
                return
        self._keep(data)

    def _keep(self, data: bytes) -> None:
        over = self.size + len(data) - self._limit
        if over > 0:
            data = data[:-over]
        if data:
            self.size += len(data)
            self.chunks.append(data)
            self.ends.append(self.size)
            self.stamps.append(self.last or 0)
            self.sinces.append(self.since)
        if over > 0 and self._success:
            self.end("too_large", f"the body has more than {self._limit} bytes")
        elif over > 0:
            self.end("stopped", f"the body of the error was cut at {self._limit} bytes")
        elif self._success and self._says_stop(data):
            self.done = self.last
            self._enter("drain")

    def _says_stop(self, data: bytes) -> bool:
        try:
            return self._watch(data)
        except Exception as error:  # noqa: BLE001  # raised again in the task, see `crash`
            self.crash = error
            self.end("client", "the watch failed")
            return False

    def body_ended(self) -> None:
        """The body is complete by the rules of HTTP."""
        if self.phase != "drain" and self._inflate is not None and not self._inflate.complete:
            self.end("truncated", "the compressed body ends before its end")
            return
        if self.done is None:
            self.done = self.last
        self.end("clean")

    def time_out(self, limit: Limit, limit_s: float, detail: str) -> None:
        """A limit has run out; after the last word of a stream that is no failure any more."""
        if self.phase == "drain":
            self.end("stopped")
        elif self.ended is None:
            self.timed_out, self.limit_s = limit, limit_s
            self.end("timeout", detail)

    def end(self, how: Ended, detail: str = "") -> None:
        """It is over. The first word counts."""
        if self.ended is not None:
            return
        self.ended, self.detail = how, detail
        if self.sent is None and not self.unsent():
            self.sent = self.last_sent()
        if self.bound is None and self.opening is not None:
            # It broke off on the way: how far it came.
            self.tcp_connected = self.opening.connected_ns or None
        if self.done is None:
            self.done = self.last if how == "stopped" else time.monotonic_ns()
        if not self.finished.done():
            self.finished.set_result(None)

    def _enter(self, phase: Phase) -> None:
        self.phase = phase
        self._on_phase()


def _nothing() -> None:
    """Until somebody wants to know of phases."""


# The tape of the exchange that a task is in: connector and sockets find it by this.
TAPE: Final[ContextVar[Tape | None]] = ContextVar("lens_gate_tape", default=None)
