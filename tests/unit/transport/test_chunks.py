"""Our frames against aiohttp's parser: whatever comes, in whatever pieces, both say the same."""

import asyncio

import aiohttp
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from lens_gate.transport.chunks import SWALLOWED, Chunks, end_of_head
from lens_gate.transport.clock import SocketClock
from lens_gate.transport.handler import READ_BUFFER, StampingHandler
from lens_gate.transport.tape import Tape

HEAD = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
LOOP = asyncio.new_event_loop()


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


class Wire(asyncio.Transport):
    """A transport that only notes what becomes of it."""

    def __init__(self):
        super().__init__()
        self.closed = False

    def abort(self):
        self.closed = True

    close = abort

    def is_closing(self):
        return self.closed

    def get_write_buffer_size(self):
        return 0

    def pause_reading(self):
        pass

    resume_reading = pause_reading


def told(reads, *, lost, watch=lambda _: False):
    """What the tape and the connection say after these reads."""
    handler = StampingHandler(LOOP, clock=SocketClock())
    wire = Wire()
    handler.connection_made(wire)
    tape = Tape(loop=LOOP, watch=watch, max_body=2000, max_error_body=2000)
    handler.attach(tape)
    tape.asked(1)
    tape.bind(None, lambda: wire, connected=None)
    handler.set_response_params(
        read_bufsize=READ_BUFFER, auto_decompress=False, read_until_eof=True
    )
    for data in reads:
        if data and not wire.closed:
            handler.data_received(data)
    handler._buffer.clear()  # what the response would have taken
    reusable = not handler.should_close and not wire.closed
    if lost and not wire.closed:
        handler.connection_lost(None)
    tape.stamps.clear()
    detail = "" if tape.ended == "malformed" else tape.detail
    if handler._exception is not None and not handler._exception.__cause__:
        handler._exception = None
    return (
        b"".join(tape.chunks), tape.ends, tape.ended, detail, tape.head, tape.wire, reusable,
    )  # fmt: skip


def told_by_aiohttp(reads, *, lost, watch=lambda _: False):
    """The same with every frame through aiohttp's own parser: ours leaves it everything."""
    ours = Chunks.feed
    Chunks.feed = lambda _self, data: (b"", data)
    try:
        return told(reads, lost=lost, watch=watch)
    finally:
        Chunks.feed = ours


def cut(data, places):
    at = sorted({min(p, len(data)) for p in places})
    return [data[a:b] for a, b in zip([0, *at], [*at, len(data)], strict=True)]


plain = st.binary(min_size=1, max_size=40).map(chunk)
odd = st.sampled_from(
    [
        b"0\r\n\r\n", b"0\r\nTrailer: x\r\n\r\n", b"5;name=value\r\nhello\r\n", b"5\nhello\n",
        b"05\r\nhello\r\n", b"000000005\r\nhello\r\n", b"5 \r\nhello\r\n", b"-5\r\nhello\r\n",
        b"0x5\r\nhello\r\n", b"1_0\r\n", b"\r\n", b"\n", b"\r", b"5\r\nhelloX\r\n",
        b"5\r\nhello\rX",
        b"5\r\nhello\n", b"ffffffffffffffffff\r\n", b"fffffff\r\nabc", b"g\r\n",
        b"A\r\n0123456789\r\n",
        b"a\r\n0123456789\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", b"\x00", b"\xff",
    ]
)  # fmt: skip
heads = st.sampled_from(
    [
        HEAD,
        HEAD.replace(b"chunked", b"Chunked"),
        HEAD.replace(b"\r\n", b"\n"),
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\n",
        b"HTTP/1.1 100 Continue\r\n\r\n" + HEAD,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
        b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\n",
        b"HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"HTTP/1.1 500 Oops\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\nTransfer-Encoding: chunked\r\n\r\n",
    ]
)


@settings(max_examples=600, suppress_health_check=[HealthCheck.too_slow])
@given(
    head=heads,
    frames=st.lists(plain | odd, max_size=8),
    places=st.lists(st.integers(0, 400), max_size=12),
    lost=st.booleans(),
)
@example(
    head=HEAD,
    frames=[chunk(b"abc"), b"3\r\nabcX"],
    places=[len(HEAD), len(HEAD) + 8 + 6],
    lost=False,
)
@example(
    head=HEAD, frames=[b"3\r\nabc", b"\n0\r\n\r\n"], places=[len(HEAD), len(HEAD) + 6], lost=False
)
@example(head=HEAD, frames=[b"\r"], places=[], lost=False)
@example(head=HEAD, frames=[chunk(b"abc"), b"\r"], places=[], lost=True)
@example(head=HEAD, frames=[b"5\r\nhelloXY"], places=[len(HEAD)], lost=False)
@example(head=HEAD, frames=[chunk(b"x" * 3000)], places=[], lost=True)
def test_any_frames_in_any_pieces_are_what_aiohttp_makes_of_them(head, frames, places, lost):
    reads = cut(head + b"".join(frames), places)
    assert told(reads, lost=lost) == told_by_aiohttp(reads, lost=lost)


@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.binary(max_size=60), places=st.lists(st.integers(0, 110), max_size=6))
def test_hostile_bytes_after_a_head_are_what_aiohttp_makes_of_them(data, places):
    reads = cut(HEAD + data, places)
    assert told(reads, lost=True) == told_by_aiohttp(reads, lost=True)


@settings(max_examples=100, suppress_health_check=[HealthCheck.too_slow])
@given(
    bodies=st.lists(st.binary(min_size=1, max_size=30), min_size=1, max_size=6),
    places=st.lists(st.integers(0, 250), max_size=8),
)
@example(bodies=[b"hello"], places=[len(HEAD) - 2])
@example(bodies=[b"x\r\n\r\n3\r\nabc\r\n"], places=[len(HEAD) - 1])
def test_a_plain_body_comes_out_whole_and_its_connection_serves_again(bodies, places):
    reads = cut(HEAD + b"".join(map(chunk, bodies)) + b"0\r\n\r\n", places)
    body, _, ended, _, _, _, reusable = told(reads, lost=False)
    assert (body, ended, reusable) == (b"".join(bodies), "clean", True)


def test_every_byte_on_its_own():
    data = HEAD + chunk(b"hello") + chunk(b"world" * 20) + b"0\r\n\r\n"
    reads = [data[i : i + 1] for i in range(len(data))]
    assert told(reads, lost=False) == told_by_aiohttp(reads, lost=False)
    # With the head in one piece, so that the frames are ours.
    reads = [HEAD, *reads[len(HEAD) :]]
    assert told(reads, lost=False)[:3] == (
        b"hello" + b"world" * 20, list(range(1, 106)), "clean",
    )  # fmt: skip


def test_the_plain_way_is_taken_at_all(monkeypatch):
    """Else all of the above would compare aiohttp with itself."""
    fed: list[bytes] = []
    real = aiohttp.client_proto.ResponseHandler.data_received
    monkeypatch.setattr(
        aiohttp.client_proto.ResponseHandler,
        "data_received",
        lambda self, data: (fed.append(data), real(self, data))[1],
    )
    told([HEAD + chunk(b"one"), chunk(b"two"), chunk(b"three") + b"0\r\n\r\n"], lost=False)
    assert fed == [HEAD, b"0\r\n\r\n"]


def test_a_stop_drains_the_rest_through_the_frames():
    reads = [HEAD, chunk(b"one"), chunk(b"stop"), chunk(b"rest"), b"0\r\n\r\n"]
    watch = lambda data: data == b"stop"  # noqa: E731
    assert told(reads, lost=False, watch=watch) == told_by_aiohttp(reads, lost=False, watch=watch)
    assert told(reads, lost=False, watch=watch)[:3] == (b"onestop", [3, 7], "clean")


@pytest.mark.parametrize(
    ("data", "body", "left", "within"),
    [
        (chunk(b"abc"), b"abc", None, False),
        (chunk(b"abc") + b"1", b"abc", None, False),
        (b"3\r\nab", b"ab", None, False),
        (b"3\r\nabc", b"abc", None, True),
        (b"3\r\nabcX", b"abc", b"X", True),
        (b"0\r\n\r\n", b"", b"0\r\n\r\n", False),
        (chunk(b"abc") + b"3;x\r\nabc\r\n", b"abc", b"3;x\r\nabc\r\n", False),
    ],
)
def test_frames_are_taken_off_and_the_unusual_is_left(data, body, left, within):
    chunks = Chunks()
    assert chunks.feed(data) == (body, left)
    assert chunks.within is within
    assert SWALLOWED.startswith(b"1\r\n")


@pytest.mark.parametrize(
    ("data", "end"),
    [
        (HEAD, len(HEAD)),
        (HEAD + chunk(b"a\r\n\r\n"), len(HEAD)),
        (HEAD[:-1], 0),
        (HEAD.replace(b"\r\n", b"\n") + b"\r\n\r\n", 0),
        (b"HTTP/1.1 200 OK\r\nA: b\n\r\n\r\n\r\n", 0),
        (b"", 0),
    ],
)
def test_the_end_of_a_head_is_found_where_it_is_plain(data, end):
    assert end_of_head(data) == end
