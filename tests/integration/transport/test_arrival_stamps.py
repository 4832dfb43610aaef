"""The ruler, measured by the server's own: stamps lie where the bytes really came and went."""

import asyncio
import socket
import sys
import threading
import time

import pytest

from lens_gate.records.exchange import HttpRequest
from lens_gate.transport import exchange, open_session

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
EVENT = b"data: {}\n\n"
BUSY_NS = 50_000_000
linux = sys.platform == "linux"


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


def request_to(url: str) -> HttpRequest:
    return HttpRequest(method="POST", url=url + "/", headers={}, body=b"{}", auth="none")


class Turns:
    """Server and client take turns: an event is sent only when the one before it was read."""

    def __init__(self) -> None:
        self.read = threading.Semaphore(0)
        self.seen_ns: list[int] = []

    def watch(self, data: bytes) -> bool:
        self.seen_ns.append(time.monotonic_ns())
        self.read.release()
        return False


@pytest.mark.parametrize("secure", [False, True], ids=["plain", "tls"])
def test_a_stamp_lies_between_the_servers_send_and_the_users_look(
    serve, ask, server_tls, client_tls, secure
):
    turns = Turns()

    def script(peer):
        peer.read_request()
        peer.send(CHUNKED)
        for _ in range(20):
            peer.send(chunk(EVENT))
            turns.read.acquire()
        peer.send(b"0\r\n\r\n")
        peer.hold()

    ask.tls = client_tls if secure else None
    server = serve(script, server_tls if secure else None)
    result = ask(server.url, watch=turns.watch)
    peer = server.peers[0]

    assert result.ended == "clean"
    assert result.body == EVENT * 20
    assert [r.end for r in result.reads] == [len(EVENT) * (i + 1) for i in range(20)]
    events = peer.sends[1:-1]
    for read, (before, _, _), seen in zip(result.reads, events, turns.seen_ns, strict=True):
        assert before <= read.at_ns <= seen
    assert result.first_byte >= peer.sends[0][0]
    assert result.headers == result.first_byte
    assert result.sent <= peer.sends[0][0], "sent before the server answered"
    assert result.connect_start <= result.connected <= result.sent
    assert result.done >= peer.sends[-1][0]
    assert result.clock == ("kernel" if linux and ask.deferred else "transport")


@pytest.mark.skipif(not linux, reason="only Linux stamps received data")
@pytest.mark.parametrize("secure", [False, True], ids=["plain", "tls"])
def test_a_blocked_event_loop_does_not_move_the_kernels_stamp(
    serve, ask, server_tls, client_tls, secure
):
    """The plausible wrong way, the time at which user code sees the bytes, is run beside ours."""
    blocked, sent, done = threading.Event(), threading.Event(), threading.Event()
    loops: list[asyncio.AbstractEventLoop] = []
    seen_ns: list[int] = []

    def busy():
        blocked.set()
        sent.wait(20)
        until = server.peers[0].sends[-1][1] + BUSY_NS
        while time.monotonic_ns() < until:
            pass

    def script(peer):
        peer.read_request()
        peer.send(CHUNKED)
        loops[0].call_soon_threadsafe(busy)
        blocked.wait(20)
        peer.send(chunk(EVENT))
        sent.set()
        done.wait(20)
        peer.send(b"0\r\n\r\n")

    def watch(_data):
        seen_ns.append(time.monotonic_ns())
        done.set()
        return False

    async def run(url):
        loops.append(asyncio.get_running_loop())
        async with open_session(url, tls=client_tls if secure else None) as session:
            return await exchange(
                session, request_to(url), secret=None, timeouts=ask.limits(),
                origin_ns=0, watch=watch, max_body=1000,
            )  # fmt: skip

    server = serve(script, server_tls if secure else None)
    result = asyncio.run(run(server.url))
    assert (result.ended, result.clock, len(result.reads)) == ("clean", "kernel", 1)
    before, after, _ = server.peers[0].sends[1]
    at_ns = result.reads[0].at_ns
    # Between the two moments around the server's send call, or the way of a packet later.
    assert before <= at_ns
    assert (at_ns - after) * 10 < seen_ns[0] - after
    assert seen_ns[0] - after >= BUSY_NS, "the wrong way is visibly late, or this shows nothing"


@pytest.mark.skipif(not linux, reason="only Linux stamps received data")
def test_a_busy_client_does_not_move_the_send_stamp(serve, ask):
    """The request waits behind a busy task: `sent` tells when it left, not when it was asked."""
    received_ns: list[int] = []

    def script(peer):
        peer.read_request()
        received_ns.append(time.monotonic_ns())
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        peer.hold()

    async def run(url):
        async with open_session(url) as session:
            loop = asyncio.get_running_loop()

            def busy():
                until = time.monotonic_ns() + BUSY_NS
                while time.monotonic_ns() < until:
                    pass

            asked_ns = time.monotonic_ns()
            loop.call_soon(busy)
            result = await exchange(
                session, request_to(url), secret=None, timeouts=ask.limits(),
                origin_ns=0, watch=lambda _: False, max_body=1000,
            )  # fmt: skip
            return asked_ns, result

    asked_ns, result = asyncio.run(run(serve(script).url))
    assert result.sent - asked_ns >= BUSY_NS
    assert result.sent <= received_ns[0]


def test_events_that_came_in_one_read_share_its_stamp(serve, ask):
    go = threading.Event()

    def script(peer):
        peer.read_request()
        peer.send(CHUNKED + chunk(EVENT))
        go.wait(20)
        peer.send(chunk(EVENT) + chunk(EVENT) + chunk(EVENT) + b"0\r\n\r\n")
        peer.hold()

    def watch(_data):
        go.set()
        return False

    server = serve(script)
    result = ask(server.url, watch=watch)
    assert [r.end for r in result.reads] == [len(EVENT), 4 * len(EVENT)]
    assert result.reads[0].at_ns < result.reads[1].at_ns
    assert result.done >= result.reads[1].at_ns


def test_a_large_request_is_sent_when_its_last_byte_goes(serve, ask):
    """The body does not fit into the socket's buffers: the first send call is not the last."""
    body = b"x" * (32 << 20)
    some_ns: list[int] = []

    def script(peer):
        data = b""
        while len(data) < 4 << 20:
            data += peer.sock.recv(1 << 20)
        some_ns.append(time.monotonic_ns())
        left = len(body) - (len(data) - data.index(b"\r\n\r\n") - 4)
        while left:
            left -= len(peer.sock.recv(min(left, 1 << 20)))
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        peer.hold()

    server = serve(script)
    server.listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)
    result = ask(server.url, request=ask.post(server.url, body=body))
    assert (result.ended, result.body) == ("clean", b"ok")
    assert some_ns[0] < result.sent < server.peers[0].sends[0][0]


def test_times_count_from_the_origin(serve, ask):
    def script(peer):
        peer.read_request()
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        peer.hold()

    before = time.monotonic_ns()
    result = ask(serve(script).url, origin_ns=before)
    spent = time.monotonic_ns() - before
    moments = [
        result.connect_start, result.connected, result.sent,
        result.first_byte, result.headers, result.reads[0].at_ns, result.done,
    ]  # fmt: skip
    assert moments == sorted(moments)
    assert moments[0] >= 0
    assert moments[-1] <= spent
