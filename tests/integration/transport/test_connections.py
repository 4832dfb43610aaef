"""Connections: opened, reused, warmed, given up; and never sent to where they should not go."""

import asyncio
import contextlib
import socket
import ssl
import threading
from functools import partial

import aiohttp
import pytest
from aiohttp.client_proto import ResponseHandler

from lens_gate.errors import LensError
from lens_gate.transport import Redactor, Secret, exchange, open_session, origin_of, warm
from lens_gate.transport.clock import SocketClock
from lens_gate.transport.handler import StampingHandler, install

OK = b"HTTP/1.1 200 OK\r\n"
ANSWER = OK + b"Content-Length: 2\r\n\r\nok"
KEY = Secret("sk-live-0123456789abcdef")


def answering(peer):
    while peer.read_request():
        peer.send(ANSWER)


def one(session, ask, url, **changes):
    fields = {
        "secret": None,
        "timeouts": ask.limits(),
        "origin_ns": 0,
        "watch": lambda _: False,
        "max_body": 1000,
    }
    request = changes.pop("request", None) or ask.post(url)
    return exchange(session, request, **(fields | changes))


def test_the_second_exchange_uses_the_connection_of_the_first(serve, ask):
    async def run(url):
        async with open_session(url, deferred=ask.deferred) as session:
            return [await one(session, ask, url) for _ in range(3)]

    server = serve(answering)
    first, second, third = asyncio.run(run(server.url))
    assert len(server.peers) == 1
    assert [r.reused for r in (first, second, third)] == [False, True, True]
    assert first.connected is not None
    assert (second.connect_start, second.connected) == (None, None)
    assert first.done < second.sent < second.first_byte < third.sent


def test_a_stopped_stream_gives_its_connection_back(serve, ask):
    def script(peer):
        while peer.read_request():
            peer.send(OK + b"Transfer-Encoding: chunked\r\n\r\n6\r\n[DONE]\r\n0\r\n\r\n")

    async def run(url):
        async with open_session(url, deferred=ask.deferred) as session:
            return [await one(session, ask, url, watch=lambda _: True) for _ in range(2)]

    server = serve(script)
    assert [r.ended for r in asyncio.run(run(server.url))] == ["clean", "clean"]
    assert len(server.peers) == 1


@pytest.mark.parametrize("head", [OK + b"Content-Length: 99\r\n\r\n", OK + b"Content-Le", b""])
def test_a_connection_that_failed_is_not_used_again(serve, ask, head):
    def script(peer):
        peer.read_request()
        if peer.number:
            peer.send(ANSWER)
        else:
            peer.send(head)
        peer.hold()

    async def run(url):
        async with open_session(url, deferred=ask.deferred) as session:
            limits = ask.limits(first_byte_s=0.05, idle_s=0.05)
            failed = await one(session, ask, url, timeouts=limits)
            return failed, await one(session, ask, url)

    server = serve(script)
    failed, good = asyncio.run(run(server.url))
    assert (failed.ended, good.ended) == ("timeout", "clean")
    assert not good.reused


@pytest.mark.parametrize("secure", [False, True], ids=["plain", "tls"])
def test_warm_connections_are_there_before_the_first_request(
    serve, ask, server_tls, client_tls, secure
):
    tls = client_tls if secure else None

    async def run(url):
        async with open_session(url, tls=tls, deferred=ask.deferred) as session:
            opened = await warm(session, 3, timeout_s=20)
            requests_then = [len(p.requests) for p in server.peers]
            results = await asyncio.gather(*(one(session, ask, url) for _ in range(4)))
            return opened, requests_then, results

    server = serve(answering, server_tls if secure else None)
    opened, requests_then, results = asyncio.run(run(server.url))
    assert opened == 3
    assert not any(requests_then)
    assert sorted(r.reused for r in results) == [False, True, True, True]
    assert [r.ended for r in results] == ["clean"] * 4
    assert len(server.peers) == 4


def test_warm_gives_what_it_could_open(serve, ask):
    gone = socket.create_server(("127.0.0.1", 0))
    url = f"http://127.0.0.1:{gone.getsockname()[1]}"
    gone.close()

    async def run(url, n, timeout_s):
        async with open_session(url) as session:
            return await warm(session, n, timeout_s=timeout_s)

    assert asyncio.run(run(url, 3, 20)) == 0
    assert asyncio.run(run(url, 0, 20)) == 0


def test_warm_does_not_wait_for_ever(serve, client_tls):
    async def run(url):
        async with open_session(url, tls=client_tls) as session:
            return await warm(session, 2, timeout_s=0.05)

    # A server that takes the connection and never answers the TLS greeting.
    server = serve(lambda peer: peer.hold())
    assert asyncio.run(run(server.url.replace("http:", "https:"))) == 0


def test_nothing_is_sent_twice_on_our_behalf(serve, ask):
    """aiohttp would send a GET again when a reused connection closes; the first try would hide."""

    def script(peer):
        peer.read_request()
        peer.send(ANSWER)
        peer.read_request()  # and hang up

    async def run(url):
        request = ask.post(url, method="GET", body=b"")
        async with open_session(url, deferred=ask.deferred) as session:
            return [await one(session, ask, url, request=request) for _ in range(2)]

    server = serve(script)
    first, second = asyncio.run(run(server.url))
    assert (first.ended, second.ended, second.reused) == ("clean", "connection", True)
    assert sum(len(p.requests) for p in server.peers) == 2


def test_bytes_that_nobody_asked_for_are_not_the_next_answer(serve, ask):
    """Taken for it, they would make an answer before the question: a negative latency."""
    sent = threading.Event()
    early = OK + b"Content-Length: 5\r\n\r\nearly"

    def script(peer):
        while peer.read_request():
            peer.send(ANSWER)
            if not sent.is_set():
                peer.send(early)
                sent.set()

    async def run(url):
        async with open_session(url) as session:
            first = await one(session, ask, url)
            sent.wait(20)
            return first, await one(session, ask, url), await one(session, ask, url)

    results = asyncio.run(run(serve(script).url))
    assert all(b"early" not in r.body for r in results)
    assert results[2].ended == "clean"
    for result in results:
        assert result.ended != "clean" or result.first_byte > result.sent


def test_a_connection_that_talks_unasked_is_given_up_at_once(serve, ask):
    read, given_up = threading.Event(), threading.Event()

    def script(peer):
        while peer.read_request():
            peer.send(ANSWER)
            if peer.number == 0:
                read.wait(20)
                peer.send(OK + b"Content-Length: 5\r\n\r\nearly")
                peer.sock.settimeout(5)
                try:
                    closed = peer.sock.recv(1) == b""
                except TimeoutError:
                    return
                except ConnectionError:
                    closed = True
                if closed:
                    given_up.set()
                return

    async def run(url):
        async with open_session(url) as session:
            await one(session, ask, url)
            read.set()
            assert await asyncio.to_thread(given_up.wait, 10)
            return await one(session, ask, url)

    result = asyncio.run(run(serve(script).url))
    assert (result.ended, result.body, result.reused) == ("clean", b"ok", False)


def test_two_answers_in_one_read_are_no_answer(serve, ask):
    def script(peer):
        peer.read_request()
        peer.send(ANSWER + OK + b"Content-Length: 5\r\n\r\nextra")
        peer.hold()

    ask.deferred = True
    result = ask(serve(script).url)
    assert result.ended == "malformed"
    assert "second response" in result.detail


def test_the_key_never_follows_a_redirect(serve, ask):
    elsewhere = serve(answering)

    def script(peer):
        peer.read_request()
        location = f"{elsewhere.url}/steal?key={KEY.reveal()}".encode()
        peer.send(b"HTTP/1.1 307 Go\r\nLocation: %s\r\nContent-Length: 0\r\n\r\n" % location)
        peer.hold()

    server = serve(script)
    result = ask(server.url, secret=KEY)
    assert (result.ended, result.head.status) == ("clean", 307)
    assert result.detail == f"a redirect to {elsewhere.url} was not followed"
    assert b"Authorization: Bearer sk-live-0123456789abcdef" in server.peers[0].requests[0]
    assert elsewhere.peers == []
    assert KEY.reveal() not in repr(result)


def test_another_origin_is_not_spoken_to(serve, ask):
    server, other = serve(answering), serve(answering)
    result = ask(server.url, secret=KEY, request=ask.post(other.url))
    assert result.ended == "client"
    assert "another origin" in result.detail
    assert (server.peers, other.peers) == ([], [])


@pytest.mark.parametrize(
    "change",
    [
        {"url": "http://user:pw@127.0.0.1:{port}/"},
        {"url": "{url}/a b"},
        {"url": "{url}/\r\nX: y"},
        {"headers": {"X": "a\r\nY: b"}},
        {"method": "PO ST\r\n"},
    ],
)
def test_a_request_that_would_say_something_else_is_not_sent(serve, ask, change):
    server = serve(answering)
    filled = {
        k: v.format(url=server.url, port=server.port) if isinstance(v, str) else v
        for k, v in change.items()
    }
    result = ask(server.url, request=ask.post(server.url, **filled))
    assert (result.ended, result.head, result.sent) == ("client", None, None)
    assert "pw" not in result.detail
    assert all(p.requests == [] for p in server.peers)


def test_a_key_that_no_header_can_carry_is_not_sent(serve, ask):
    server = serve(answering)
    result = ask(server.url, secret=Secret("abcd\r\nX: y"))
    assert result.ended == "client"
    assert "header" in result.detail
    assert server.peers == []


def test_an_aiohttp_with_another_inside_is_read_through_its_public_interface(serve, ask):
    """The hook finds nothing to hang on; or it hangs on, and no head ever comes by."""

    async def run(url, spoil):
        async with open_session(url) as session:
            spoil(session.connector)
            return await one(session, ask, url)

    def other_factory(connector):
        connector._factory = partial(ResponseHandler, loop=asyncio.get_running_loop())

    class Headless(StampingHandler):
        def feed_data(self, data, size=0):
            ResponseHandler.feed_data(self, data, size)

    def no_heads(connector):
        keywords = connector._factory.keywords
        connector._factory = partial(Headless, asyncio.get_running_loop(), **keywords)

    server = serve(answering)
    for spoil in (other_factory, no_heads):
        result = asyncio.run(run(server.url, spoil))
        assert (result.ended, result.body, result.clock) == ("clean", b"ok", "transport")

    async def refused():
        connector = aiohttp.TCPConnector()
        connector._factory = lambda: ResponseHandler(asyncio.get_running_loop())
        installed = install(connector, SocketClock())
        await connector.close()
        return installed

    assert asyncio.run(refused()) is False


def test_a_body_is_whole_where_aiohttp_pauses_and_goes_on(serve, ask, monkeypatch):
    monkeypatch.setattr("lens_gate.transport.session.READ_BUFFER", 64)
    text = b"".join(b"%06d\n" % i for i in range(20_000))

    def script(peer):
        peer.read_request()
        pieces = [b"%x\r\n%s\r\n" % (7, text[i : i + 7]) for i in range(0, len(text), 7)]
        head = OK + b"Transfer-Encoding: chunked\r\n\r\n"
        peer.send(head + b"".join(pieces) + b"0\r\n\r\n")
        peer.hold()

    result = ask(serve(script).url)
    assert (result.ended, result.body) == ("clean", text)
    assert result.reads[-1].end == len(text)


def test_a_switch_of_protocols_is_an_answer_like_any_other(serve, ask):
    def script(peer):
        peer.read_request()
        peer.send(b"HTTP/1.1 101 Switching\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\nxx")
        peer.hold()

    result = ask(serve(script).url, timeouts=ask.limits(idle_s=0.2))
    assert (result.head.status, result.body) == (101, b"")


def test_cookies_are_ignored(serve, ask):
    def script(peer):
        while peer.read_request():
            peer.send(OK + b"Set-Cookie: a=b; Path=/\r\nContent-Length: 0\r\n\r\n")

    async def run(url):
        async with open_session(url, deferred=ask.deferred) as session:
            for _ in range(2):
                await one(session, ask, url)

    server = serve(script)
    asyncio.run(run(server.url))
    assert len(server.peers[0].requests) == 2
    assert b"cookie" not in server.peers[0].requests[1].lower()


def test_an_escaped_path_is_sent_as_it_is(serve, ask):
    server = serve(answering)
    ask(server.url, request=ask.post(server.url, url=server.url + "/model/a%3A0/x?q=%7e"))
    assert server.peers[0].requests[0].startswith(b"POST /model/a%3A0/x?q=%7e HTTP/1.1\r\n")


def test_proxies_of_the_environment_are_ignored(serve, ask, monkeypatch):
    trap, server = serve(answering), serve(answering)
    monkeypatch.setenv("HTTP_PROXY", trap.url)
    monkeypatch.setenv("http_proxy", trap.url)
    assert ask(server.url).ended == "clean"
    assert trap.peers == []


def test_nobody_listens(ask):
    gone = socket.create_server(("127.0.0.1", 0))
    port = gone.getsockname()[1]
    gone.close()
    result = ask(f"http://127.0.0.1:{port}")
    assert (result.ended, result.sent, result.connected) == ("connection", None, None)
    assert result.detail == f"connection to 127.0.0.1:{port} refused: nothing listens there"
    assert result.clock == "transport"


def test_a_name_without_an_address(ask):
    # RFC 2606: a label of over 63 characters is refused before any name server is asked.
    result = ask(f"http://{'a' * 64}.invalid:80")
    assert result.ended in ("connection", "client")
    assert result.detail
    assert result.head is None


def test_a_cancelled_exchange_closes_its_connection(serve, ask):
    reached = threading.Event()
    closed = threading.Event()

    def script(peer):
        peer.read_request()
        peer.send(OK + b"Content-Length: 99\r\n\r\nx")
        reached.set()
        with contextlib.suppress(ConnectionError):
            peer.sock.settimeout(20)
            peer.sock.recv(1)
        closed.set()

    async def run(url):
        async with open_session(url, deferred=ask.deferred) as session:
            task = asyncio.create_task(one(session, ask, url))
            await asyncio.to_thread(reached.wait, 20)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            return await asyncio.to_thread(closed.wait, 20)

    assert asyncio.run(run(serve(script).url)) is True


def test_tls_is_verified(serve, ask, server_tls, client_tls):
    ask.tls = client_tls
    good = ask(serve(answering, server_tls).url)
    assert (good.ended, good.body) == ("clean", b"ok")

    ask.tls = None
    bad = serve(answering, server_tls)
    result = ask(bad.url, secret=KEY)
    assert (result.ended, result.sent) == ("connection", None)
    assert f"the certificate of 127.0.0.1:{bad.port} is not trusted" in result.detail
    assert bad.peers[0].requests == []


def test_a_certificate_for_another_name_is_refused(serve, ask, authority, client_tls):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("example.org").configure_cert(context)
    ask.tls = client_tls
    result = ask(serve(answering, context).url)
    assert result.ended == "connection"
    assert "127.0.0.1" in result.detail
    assert "is not trusted" in result.detail


def test_tls_asked_of_a_plain_server_and_the_other_way_round(serve, ask, server_tls, client_tls):
    def plain(peer):
        peer.sock.recv(65536)
        peer.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    ask.tls = client_tls
    result = ask(serve(plain).url.replace("http:", "https:"))
    assert result.ended == "connection"
    assert "plain http://" in result.detail

    def alert(peer):
        peer.read_request()
        peer.send(b"\x15\x03\x01\x00\x02\x02\x50")

    result = ask(serve(alert).url)
    assert result.ended == "malformed"
    assert "use https://" in result.detail


def test_a_stuck_tls_server_does_not_hold_up_the_end(serve, ask, server_tls, client_tls):
    """Closing TLS politely would wait for a farewell that never comes."""

    def script(peer):
        peer.read_request()
        peer.send(OK + b"Content-Length: 99\r\n\r\nx")
        peer.gone.wait(20)

    ask.tls = client_tls
    result = ask(serve(script, server_tls).url, timeouts=ask.limits(idle_s=0.05))
    assert (result.ended, result.body) == ("timeout", b"x")


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://API.Example.com/v1", "https://api.example.com:443"),
        ("http://[::1]:8080/v1", "http://[::1]:8080"),
        ("http://h/", "http://h:80"),
    ],
)
def test_an_origin_always_has_its_port(url, origin):
    assert origin_of(url) == origin


@pytest.mark.parametrize("url", ["", "/v1", "ftp://h/", "http://", "http://h:99999/", "h:80", "\0"])
def test_what_is_no_url_is_refused_with_the_remedy(url):
    with pytest.raises(LensError) as caught:
        origin_of(url)
    assert "base_url" in caught.value.hint
    assert caught.value.exit_code == 2


def test_the_sessions_redactor_is_used_besides_the_exchanges_own_key(serve, ask):
    other = "second-secret-9876"

    def script(peer):
        peer.read_request()
        body = f'{{"error": "{other} and {KEY.reveal()}"}}'.encode()
        head = b"HTTP/1.1 401 No\r\nX-Echo: %s\r\nContent-Length: %d\r\n\r\n"
        peer.send(head % (other.encode(), len(body)) + body)
        peer.hold()

    async def run(url):
        async with open_session(url, redact=Redactor([other])) as session:
            return await one(session, ask, url, secret=KEY)

    result = asyncio.run(run(serve(script).url))
    assert other not in repr(result)
    assert KEY.reveal() not in repr(result)
    assert result.reads[-1].end == len(result.body), "offsets stay what they were"
    assert b"*" * len(other) in result.body
