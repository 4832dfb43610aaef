"""New connections: their phases told apart, and none of it charged to the request."""

import asyncio
import socket
import ssl

import pytest

from lens_gate.transport import exchange, measuring_loop, open_session, warm

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def answers(peer):
    while peer.read_request():
        peer.send(OK)


async def several(url, ask, fresh, *, tls=None, warmed=0):
    async with open_session(url, tls=tls) as session:
        if warmed:
            assert await warm(session, warmed, timeout_s=20) == warmed
        results = [
            await exchange(
                session, ask.post(url), secret="k" * 20, timeouts=ask.limits(), origin_ns=0,
                watch=lambda _: False, max_body=99, fresh=one,
            )
            for one in fresh
        ]  # fmt: skip
        return results, dict(session.connector._conns)


@pytest.mark.parametrize("secure", [False, True], ids=["plain", "tls"])
def test_the_phases_of_a_new_connection_are_told_apart(serve, ask, server_tls, client_tls, secure):
    server = serve(answers, server_tls if secure else None)
    url = server.url.replace("127.0.0.1", "localhost")
    tls = client_tls if secure else None
    (first, second), _ = asyncio.run(several(url, ask, [False, False], tls=tls))
    moments = (
        first.connect_start, first.resolved, first.tcp_connected, first.connected, first.sent,
        first.first_byte,
    )  # fmt: skip
    assert first.ended == "clean", first.detail
    assert list(moments) == sorted(moments)
    assert (first.reused, second.reused) == (False, True)
    assert (second.connect_start, second.resolved, second.tcp_connected) == (None, None, None)
    if secure:
        assert first.tcp_connected < first.connected, "the handshake has its own time"
    else:
        assert first.tcp_connected == first.connected, "what follows is the client's own work"


def test_a_handshake_that_the_server_holds_back_is_the_phase_of_tls(serve, ask, authority):
    """The server answers to TLS only when TCP is long there: tcp ends before, tls after."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    held_ns: list[int] = []

    def script(peer):
        import time

        peer.sock.recv(1, socket.MSG_PEEK)  # the greeting is there, so TCP is
        held_ns.append(time.monotonic_ns())
        peer.sock = context.wrap_socket(peer.sock, server_side=True)
        answers(peer)

    server = serve(script)
    url = server.url.replace("http:", "https:")
    (result,), _ = asyncio.run(several(url, ask, [False], tls=trusting))
    assert result.tcp_connected < held_ns[0] < result.connected


def test_a_handshake_that_never_ends_tells_when_tcp_was_there(serve, ask):
    server = serve(lambda peer: peer.hold())
    url = server.url.replace("http:", "https:")
    result = ask(url, timeouts=ask.limits(connect_s=0.2))
    assert (result.ended, result.timed_out, result.connected) == ("timeout", "connect", None)
    assert result.connect_start <= result.resolved <= result.tcp_connected < result.done


def test_a_fresh_exchange_has_a_connection_of_its_own_and_leaves_none(serve, ask):
    server = serve(answers)
    results, kept = asyncio.run(
        several(server.url, ask, [True, True, False, True, False], warmed=2)
    )
    assert [r.ended for r in results] == ["clean"] * 5
    assert [r.reused for r in results] == [False, False, True, False, True]
    assert [r.connected is None for r in results] == [False, False, True, False, True]
    assert len(server.peers) == 2 + 3
    assert [len(p.requests) for p in server.peers[2:]] == [1, 1, 1]
    assert sum(map(len, kept.values())) == 2, "the pool holds the warm ones, and no fresh one"


def test_connections_that_were_warmed_cost_the_request_nothing(serve, ask):
    (result,), _ = asyncio.run(several(serve(answers).url, ask, [False], warmed=3))
    assert (result.reused, result.connect_start, result.connected) == (True, None, None)


def test_each_fresh_connection_asks_dns_anew(serve, ask, monkeypatch):
    asked: list[str] = []
    real = socket.getaddrinfo

    def noting(host, *args, **kwargs):
        asked.append(host)
        return real(host, *args, **kwargs)

    url = serve(answers).url.replace("127.0.0.1", "localhost")

    async def run():
        loop = asyncio.get_running_loop()
        monkeypatch.setattr(socket, "getaddrinfo", noting)
        loop.set_debug(False)
        return await several(url, ask, [True, True, True])

    results, _ = asyncio.run(run())
    assert [r.ended for r in results] == ["clean"] * 3
    assert asked.count("localhost") == 3


@pytest.mark.parametrize("own_loop", [True, False])
def test_a_read_knows_since_when_it_can_have_come(serve, ask, own_loop):
    """Ours never claims that data came later than the server sent it; the bound is close."""
    sends = 5

    def script(peer):
        peer.read_request()
        peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in range(sends):
            go.acquire()
            peer.send(b"3\r\nabc\r\n")
        go.acquire()
        peer.send(b"0\r\n\r\n")
        peer.hold()

    import threading

    go = threading.Semaphore(1)

    def watch(_data):
        go.release()
        return False

    async def run(url):
        async with open_session(url) as session:
            return await exchange(
                session, ask.post(url), secret="k" * 20, timeouts=ask.limits(), origin_ns=0,
                watch=watch, max_body=99,
            )  # fmt: skip

    server = serve(script)
    factory = measuring_loop if own_loop else asyncio.new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        result = runner.run(run(server.url))
    assert result.ended == "clean"
    events = server.peers[0].sends[1 : 1 + sends]
    for read, (before, after, _) in zip(result.reads, events, strict=True):
        assert read.since_ns <= read.at_ns
        assert read.since_ns <= after, "a bound that the truth breaks is none"
        assert before <= read.at_ns
    assert result.first_byte_since <= result.first_byte
    assert result.lag is not None
    assert result.lag >= 0
