"""Our place in aiohttp where bytes arrive: each read is stamped and kept before any task wakes up.

It leans on three things that are not public: the connector's protocol factory, and the protocol's
way of handing over heads (``feed_data``) and of failing (``set_exception``). ``install`` finds out
whether they are there; where not, exchanges read through the public interface alone.
"""

import asyncio
import time
from functools import partial
from typing import Any, Final

import aiohttp
from aiohttp.client_proto import ResponseHandler

from lens_gate.records.exchange import ResponseHead
from lens_gate.transport.arrivals import noting_of
from lens_gate.transport.chunks import SWALLOWED, Chunks, end_of_head
from lens_gate.transport.clock import SocketClock, StampedSocket
from lens_gate.transport.reasons import explain
from lens_gate.transport.tape import Tape

# A read brings at most 256 KiB; with this buffer aiohttp never pauses a connection that we drain
# at each read, not even for chunks of a single byte.
READ_BUFFER: Final = 2 * 1024 * 1024
_WITHOUT_BODY: Final = frozenset({101, 204, 304})


class StampingHandler(ResponseHandler):
    """aiohttp's client protocol, writing to the tape of the exchange that has the connection."""

    def __init__(self, loop: asyncio.AbstractEventLoop, *, clock: SocketClock) -> None:
        super().__init__(loop)
        self._clock = clock
        self._noting = noting_of(loop)
        self._socket: StampedSocket | None = None
        self._tape: Tape | None = None
        self._body: aiohttp.StreamReader | None = None
        self._chunks: Chunks | None = None
        self._held = self._went_on = self._served = self._plain = False
        self.made_ns = 0

    def attach(self, tape: Tape) -> None:
        """From here on, what arrives belongs to this exchange."""
        self._let_go()
        self._tape = tape
        self._served = True

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Connected, TLS included."""
        self.made_ns = time.monotonic_ns()
        super().connection_made(transport)
        self._socket = self._clock.under(transport)

    def data_received(self, data: bytes) -> None:
        """One read, stamped: the stamp belongs to exactly these bytes."""
        tape = self._tape
        if tape is None or not data:
            self._unasked(data)
            return
        self._stamp(tape, len(data))
        if tape.ended is None:
            if self._chunks is not None:
                self._take_chunks(tape, self._chunks, data)
            else:
                self._take(tape, data)
        if tape.ended is not None:
            self._let_go()
            if tape.ended != "clean":
                self._drop()

    def _unasked(self, data: bytes) -> None:
        """Bytes that belong to no exchange."""
        if not data:  # aiohttp goes on with what it had put aside
            self._went_on = True
            super().data_received(data)
        elif not self._served and self._parser is not None:
            # aiohttp asks a proxy for a tunnel before the connection is anybody's.
            super().data_received(data)
        else:
            # Nobody asked. Kept, it would pass for the answer to the next question.
            self._drop()

    def _stamp(self, tape: Tape, size: int) -> None:
        stamped, noting = self._socket, self._noting
        if stamped is None or not stamped.received_ns:
            tape.arrived(size, time.monotonic_ns(), kernel=False)
            return
        at_ns, since_ns, kernel = stamped.received_ns, stamped.since_ns, stamped.kernel
        late: int | None = None
        if noting is not None:
            looked_ns = noting.since(at_ns)
            since_ns = max(since_ns, looked_ns)
            late = at_ns - since_ns
        if kernel:
            late = stamped.read_ns - at_ns
        tape.arrived(size, at_ns, kernel=kernel, since=since_ns, late=late)

    def _take_chunks(self, tape: Tape, chunks: Chunks, data: bytes) -> None:
        piece, rest = chunks.feed(data)
        if rest is None:
            if piece:
                tape.body(piece)
            return
        self._chunks = None
        if chunks.within and self._body is not None:
            super().data_received(SWALLOWED)
            self._body.read_nowait()
        self._feed(tape, rest, piece)

    def _take(self, tape: Tape, data: bytes) -> None:
        # In a later read, what looks like the end of the head may lie in the body.
        end = end_of_head(data) if tape.wire == len(data) else 0
        if end:
            super().data_received(data[:end])
            data = data[end:]
            if tape.ended is not None:
                return
            if self._plain:
                self._chunks = Chunks()
                if data:
                    self._take_chunks(tape, self._chunks, data)
                return
        self._feed(tape, data)

    def _feed(self, tape: Tape, data: bytes, before: bytes = b"") -> None:
        """Through aiohttp's parser; ``before`` are body bytes of the same read that passed it."""
        if data:
            super().data_received(data)
        body = self._body
        if body is None:
            return
        self._went_on = True
        while self._went_on:
            self._went_on = False  # set again where reading made room for bytes put aside
            piece, before = before + body.read_nowait(), b""
            if piece:
                tape.body(piece)
        if body.is_eof() and tape.ended is None:
            tape.body_ended()

    def feed_data(self, data: Any, size: int = 0) -> None:  # noqa: ANN401  # aiohttp's message and body
        """Take a head from aiohttp; interim responses (1xx) are not the answer."""
        message, body = data
        tape = self._tape
        if tape is not None and (message.code >= 200 or message.code == 101):
            if tape.head is not None:
                tape.end("malformed", "the server sent a second response to one request")
            else:
                tape.head_arrived(head_of(message.code, message.headers))
                self._body = body
                self._plain = _plainly_chunked(message, tape.head) and not body.is_eof()
        super().feed_data(data, size)

    def set_exception(self, exc: BaseException, *args: Any) -> None:  # noqa: ANN401  # as aiohttp has it
        """Hear that aiohttp gives the connection up."""
        tape = self._tape
        broken_http = not isinstance(exc, OSError | aiohttp.ClientError)
        # The upload may break off while the server still explains why.
        if tape is not None and (tape.head is None or broken_http):
            tape.end(*explain(exc, *args))
        super().set_exception(exc, *args)

    def connection_lost(self, exc: BaseException | None) -> None:
        """The connection is gone; a body that lasts until then is complete."""
        tape, body = self._tape, self._body
        self._let_go()
        super().connection_lost(exc)
        if tape is None or tape.ended is not None:
            return
        if exc is not None:
            tape.end(*explain(exc))
        elif body is None and tape.wire:
            tape.end(
                "truncated", "the server closed the connection within the head of its response"
            )
        elif body is None:
            tape.end("connection", "the server closed the connection before it answered")
        elif body.is_eof():
            tape.body_ended()
        else:
            tape.end(
                "truncated", f"the server closed the connection after {tape.size} bytes of the body"
            )

    def pause_reading(self) -> None:
        """Hear that the buffer is full."""
        self._held = True
        super().pause_reading()

    def resume_reading(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401  # as aiohttp has it
        """Go on after a pause; aiohttp asks for it after every read, paused or not."""
        if self._held:
            self._held = False
            super().resume_reading(*args, **kwargs)

    def _let_go(self) -> None:
        self._tape = self._body = self._chunks = None
        self._plain = False

    def _drop(self) -> None:
        if self.transport is not None:
            self.transport.abort()


def _plainly_chunked(message: Any, head: ResponseHead | None) -> bool:  # noqa: ANN401  # aiohttp's
    return (
        head is not None
        and message.chunked
        and not message.upgrade
        and message.code not in _WITHOUT_BODY
        and head.headers.get("transfer-encoding", "").lower() == "chunked"
    )


def head_of(status: int, headers: Any) -> ResponseHead:  # noqa: ANN401  # aiohttp's multi-dictionary
    """The head in the house's words; bytes that are no UTF-8 are replaced."""
    joined: dict[str, str] = {}
    for name, value in headers.items():
        key = _text(name).lower()
        joined[key] = f"{joined[key]}, {_text(value)}" if key in joined else _text(value)
    return ResponseHead(status=status, headers=joined)


def _text(value: str) -> str:
    return value.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def install(connector: aiohttp.TCPConnector, clock: SocketClock) -> bool:
    """Have the connector make our handlers; false where this aiohttp has another inside."""
    factory = getattr(connector, "_factory", None)
    needed = ("feed_data", "set_exception", "resume_reading", "pause_reading")
    if not isinstance(factory, partial) or factory.func is not ResponseHandler:
        return False
    if not all(callable(getattr(ResponseHandler, name, None)) for name in needed):
        return False
    loop = asyncio.get_running_loop()
    connector._factory = partial(StampingHandler, loop, clock=clock)  # type: ignore[assignment]  # noqa: SLF001  # the hook that this module is about
    return True
