"""Through a real proxy: plain and CONNECT, with TLS inside, and stamps that still hold."""

import asyncio
import base64
import contextlib
import socket
import ssl
import sys
import threading
import time

import pytest

from lens_gate.records.policy import Tls
from lens_gate.transport import (
    Proxy,
    exchange,
    measuring_loop,
    open_session,
    proxy_for,
    trust_of,
    warm,
)

HEAD = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
EVENT = b"9\r\ndata: {}\n\r\n"
linux = sys.platform == "linux"


class SmallProxy:
    """Tunnels what CONNECT asks for, and passes plain requests on; each in threads of its own."""

    def __init__(self, *, password=None, status=b"200 Connection established", silent=False):
        self.password, self.status, self.silent = password, status, silent
        self.heads: list[bytes] = []
        self.passed: list[list[int]] = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.place = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        self.gone = threading.Event()
        self.sockets: list[socket.socket] = []
        self.threads = [threading.Thread(target=self._accept, daemon=True)]
        self.threads[0].start()

    def close(self):
        self.gone.set()
        with contextlib.suppress(OSError), socket.create_connection(self.listener.getsockname()):
            pass
        for sock in [*self.sockets, self.listener]:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
            sock.close()
        for thread in self.threads:
            thread.join(20)
            assert not thread.is_alive()
        for sock in self.sockets:
            sock.close()

    def _start(self, work, *args):
        thread = threading.Thread(target=work, args=args, daemon=True)
        self.threads.append(thread)
        thread.start()

    def _accept(self):
        with contextlib.suppress(OSError):
            while not self.gone.is_set():
                sock, _ = self.listener.accept()
                self.sockets.append(sock)
                self._start(self._serve, sock)

    def _serve(self, near):
        with contextlib.suppress(OSError):
            data = b""
            while b"\r\n\r\n" not in data:
                more = near.recv(65536)
                if not more:
                    return
                data += more
            self.heads.append(data)
            method, where, _ = data.split(b"\r\n")[0].split(b" ")
            if self.silent:
                return
            wanted = base64.b64encode(f"me:{self.password}".encode())
            if self.password and wanted not in data:
                near.sendall(b"HTTP/1.1 407 Who Are You\r\nContent-Length: 0\r\n\r\n")
                return
            if method == b"CONNECT":
                near.sendall(b"HTTP/1.1 " + self.status + b"\r\n\r\n")
                if not self.status.startswith(b"200"):
                    return
                host, _, port = where.decode().rpartition(":")
            else:
                host, _, port = where.decode().split("/")[2].rpartition(":")
            far = socket.create_connection((host.strip("[]"), int(port)))
            far.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            near.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.sockets.append(far)
            if method != b"CONNECT":
                far.sendall(data)
            self._start(self._pass, far, near)
            self._pass(near, far)

    def _pass(self, source, sink):
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                self.passed.append([time.monotonic_ns(), 0])
                sink.sendall(data)
                self.passed[-1][1] = time.monotonic_ns()
        with contextlib.suppress(OSError):
            sink.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def small_proxy():
    with contextlib.ExitStack() as stack:

        def start(**how):
            made = SmallProxy(**how)
            stack.callback(made.close)
            return made

        yield start


async def asked(url, proxy, ask, *, tls=None, n=1, fresh=False, warmed=0, limits=None, watch=None):
    async with open_session(url, tls=tls, proxy=proxy) as session:
        if warmed:
            assert await warm(session, warmed, timeout_s=20) == warmed
        return [
            await exchange(
                session, ask.post(url), secret="key-of-the-target", origin_ns=0, max_body=999,
                timeouts=limits or ask.limits(), watch=watch or (lambda _: False), fresh=fresh,
            )
            for _ in range(n)
        ]  # fmt: skip


def streams(peer):
    while peer.read_request():
        peer.send(HEAD)
        peer.send(EVENT)
        peer.send(b"0\r\n\r\n")


@pytest.mark.parametrize("secure", [False, True], ids=["plain", "tls"])
def test_a_request_goes_through_the_proxy_and_comes_back(
    serve, ask, small_proxy, server_tls, client_tls, secure
):
    server = serve(streams, server_tls if secure else None)
    proxy = small_proxy(password="s3cr3t-of-proxy")
    way = Proxy(place=proxy.place, user="me", password="s3cr3t-of-proxy")
    tls = client_tls if secure else None
    first, second = asyncio.run(asked(server.url, way, ask, tls=tls, n=2))
    assert (first.ended, first.body) == ("clean", b"data: {}\n"), first.detail
    assert (first.reused, second.reused) == (False, True)
    moments = [
        first.connect_start, first.resolved, first.tcp_connected, first.connected, first.sent,
        first.first_byte,
    ]  # fmt: skip
    assert moments == sorted(moments)
    assert (first.tcp_connected < first.connected) is secure
    if linux:
        assert (first.clock, second.clock) == ("kernel", "kernel")
    assert len(proxy.heads) == 1
    if secure:
        assert proxy.heads[0].startswith(b"CONNECT 127.0.0.1:")
        assert b"key-of-the-target" not in proxy.heads[0]
    else:
        assert proxy.heads[0].startswith(b"POST http://127.0.0.1:")
    # What the proxy is told of us does not go on to the server in a tunnel.
    if secure:
        assert b"proxy-auth" not in server.peers[0].requests[0].lower()


@pytest.mark.skipif(not linux, reason="only Linux stamps received data")
def test_stamps_hold_within_a_tunnel(serve, ask, small_proxy, server_tls, client_tls):
    """The loop is kept busy when the event comes: its time is the arrival, not the reading."""
    busy_ns = 50_000_000
    loops, seen_ns = [], []
    blocked, sent, done = threading.Event(), threading.Event(), threading.Event()

    def busy():
        blocked.set()
        sent.wait(20)
        until = server.peers[0].sends[-1][1] + busy_ns
        while time.monotonic_ns() < until:
            pass

    def script(peer):
        peer.read_request()
        peer.send(HEAD)
        loops[0].call_soon_threadsafe(busy)
        blocked.wait(20)
        peer.send(EVENT)
        sent.set()
        done.wait(20)
        peer.send(b"0\r\n\r\n")

    def watch(_data):
        seen_ns.extend([time.monotonic_ns(), *proxy.passed[-1]])
        done.set()
        return False

    async def run():
        loops.append(asyncio.get_running_loop())
        way = Proxy(place=proxy.place)
        return await asked(server.url, way, ask, tls=client_tls, warmed=1, watch=watch)

    server, proxy = serve(script, server_tls), small_proxy()
    with asyncio.Runner(loop_factory=measuring_loop) as runner:
        (result,) = runner.run(run())
    assert (result.ended, result.clock, result.reused) == ("clean", "kernel", True)
    # It arrived when the proxy passed it on; threads take turns here, so that may be late.
    looked, before, after = seen_ns
    at_ns = result.reads[0].at_ns
    assert server.peers[0].sends[1][0] <= before <= at_ns
    assert (at_ns - after) * 4 < looked - after
    assert result.reads[0].since_ns <= at_ns
    # The client knows by itself how late it was.
    assert result.lag * 4 > (looked - after) * 3


def test_warm_and_fresh_connections_go_through_the_proxy_too(
    serve, ask, small_proxy, server_tls, client_tls
):
    server, proxy = serve(streams, server_tls), small_proxy()
    way = Proxy(place=proxy.place)
    asyncio.run(asked(server.url, way, ask, tls=client_tls, warmed=3))
    assert len(proxy.heads) == 3
    results = asyncio.run(asked(server.url, way, ask, tls=client_tls, n=2, fresh=True))
    assert [r.reused for r in results] == [False, False]
    assert [r.ended for r in results] == ["clean", "clean"]
    assert len(proxy.heads) == 5


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ({"password": "right-password"}, "the proxy refused the tunnel: 407 Who Are You"),
        ({"status": b"403 Not There"}, "the proxy refused the tunnel: 403 Not There"),
        ({"status": b"502 Bad"}, "the proxy refused the tunnel: 502 Bad"),
    ],
)
def test_a_proxy_that_refuses_is_a_failed_connection_and_no_secret_is_told(
    serve, ask, small_proxy, server_tls, client_tls, how, words
):
    proxy = small_proxy(**how)
    way = Proxy(place=proxy.place, user="me", password="wrong-password")
    (result,) = asyncio.run(asked(serve(streams, server_tls).url, way, ask, tls=client_tls))
    assert (result.ended, result.sent) == ("connection", None)
    assert result.detail == words
    assert "wrong-password" not in repr(result)


def test_a_proxy_that_is_not_there(serve, ask, server_tls, client_tls):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        place = f"http://127.0.0.1:{listener.getsockname()[1]}"
    url = serve(streams, server_tls).url
    (result,) = asyncio.run(asked(url, Proxy(place=place), ask, tls=client_tls))
    assert result.ended == "connection"
    assert f"the proxy {place[7:]} refused" in result.detail


def test_a_proxy_that_says_nothing_runs_into_the_connect_limit(
    serve, ask, small_proxy, server_tls, client_tls
):
    proxy = small_proxy()
    proxy.silent = True
    proxy._serve = lambda near: proxy.gone.wait(20)
    url = serve(streams, server_tls).url
    limits = ask.limits(connect_s=0.2)
    (result,) = asyncio.run(
        asked(url, Proxy(place=proxy.place), ask, tls=client_tls, limits=limits)
    )
    assert (result.ended, result.timed_out) == ("timeout", "connect")
    assert "the proxy does not answer" in result.detail


def test_a_client_certificate_is_shown_to_a_server_that_asks(serve, ask, authority, tmp_path):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.configure_trust(context)
    context.verify_mode = ssl.CERT_REQUIRED
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    client = authority.issue_cert("gate@example.com")
    client.private_key_and_cert_chain_pem.write_to_path(tmp_path / "client.pem")
    server = serve(streams, context)

    def one(tls):
        trust = trust_of(tls, environ={}, folder=tmp_path)
        return asyncio.run(asked(server.url, None, ask, tls=trust.context))[0]

    known = one(Tls(ca_file="ca.pem", cert_file="client.pem"))
    assert (known.ended, known.clock == "kernel") == ("clean", linux)
    unknown = one(Tls(ca_file="ca.pem"))
    assert unknown.ended == "connection"
    untrusting = one(Tls(cert_file="client.pem"))
    assert "not trusted" in untrusting.detail


def test_this_machine_is_reached_without_the_proxy_of_the_environment(serve, small_proxy):
    proxy = small_proxy()
    assert proxy_for(serve(streams).url, {"http_proxy": proxy.place}) is None
