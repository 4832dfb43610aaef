"""A raw HTTP server in threads that says exactly which bytes go when, and notes it."""

import asyncio
import contextlib
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Self

import pytest
import trustme

from lens_gate.records.exchange import HttpRequest
from lens_gate.records.policy import Timeouts
from lens_gate.transport import Exchange, Secret, exchange, open_session

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
CHUNKED_HEAD = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


def never(_data: bytes) -> bool:
    return False


@dataclass
class Peer:
    """One accepted connection. ``sends`` holds (before ns, after ns, bytes) of every send."""

    sock: socket.socket
    number: int
    gone: threading.Event
    requests: list[bytes] = field(default_factory=list)
    sends: list[tuple[int, int, bytes]] = field(default_factory=list)

    def read_request(self) -> bytes:
        """The next request, whole; empty at the end of the connection."""
        data = b""
        while b"\r\n\r\n" not in data:
            more = self.sock.recv(65536)
            if not more:
                return b""
            data += more
        head, _, body = data.partition(b"\r\n\r\n")
        length = 0
        for line in head.lower().split(b"\r\n"):
            if line.startswith(b"content-length:"):
                length = int(line.split(b":")[1])
        while len(body) < length:
            body += self.sock.recv(65536)
        self.requests.append(head + b"\r\n\r\n" + body)
        return self.requests[-1]

    def send(self, data: bytes) -> None:
        before = time.monotonic_ns()
        # Noted first: the client may be done before this thread goes on.
        self.sends.append((before, before, data))
        place = len(self.sends) - 1
        self.sock.sendall(data)
        self.sends[place] = (before, time.monotonic_ns(), data)

    def reset(self) -> None:
        """Close with RST instead of FIN."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def hold(self) -> None:
        """Keep the connection open, silent, until the client closes it or the test ends."""
        while not self.gone.is_set():
            with contextlib.suppress(TimeoutError):
                self.sock.settimeout(0.02)
                if not self.sock.recv(65536):
                    return


Script = Callable[[Peer], None]


class RawServer:
    """Runs ``script`` for each connection, in a thread of its own."""

    def __init__(self, script: Script, tls: ssl.SSLContext | None = None) -> None:
        self.script = script
        self.tls = tls
        self.peers: list[Peer] = []
        self.errors: list[BaseException] = []
        self.gone = threading.Event()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.threads = [threading.Thread(target=self._accept)]

    @property
    def url(self) -> str:
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        self.threads[0].start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.gone.set()
        # A closed listener does not wake its accept() up; a last connection does.
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port)):
            pass
        for thread in self.threads:
            thread.join(20)
            assert not thread.is_alive()
        self.listener.close()
        if self.errors:
            raise self.errors[0]

    def _accept(self) -> None:
        while True:
            sock, _ = self.listener.accept()
            if self.gone.is_set():
                sock.close()
                return
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            thread = threading.Thread(target=self._serve, args=(sock, len(self.peers)))
            self.peers.append(Peer(sock, len(self.peers), self.gone))
            self.threads.append(thread)
            thread.start()

    def _serve(self, sock: socket.socket, number: int) -> None:
        peer = self.peers[number]
        try:
            if self.tls is not None:
                sock.settimeout(20)
                peer.sock = self.tls.wrap_socket(sock, server_side=True)
            self.script(peer)
        except (ConnectionError, ssl.SSLError, OSError):
            pass  # the client hung up: the tests look at what the client says
        except BaseException as error:  # noqa: BLE001  # shown when the test ends
            self.errors.append(error)
        finally:
            with contextlib.suppress(OSError):
                peer.sock.close()
            sock.close()


@pytest.fixture
def serve() -> Iterator[Callable[..., RawServer]]:
    with contextlib.ExitStack() as stack:

        def start(script: Script, tls: ssl.SSLContext | None = None) -> RawServer:
            return stack.enter_context(RawServer(script, tls))

        yield start


def post(base: str, **changes: object) -> HttpRequest:
    fields = {
        "method": "POST",
        "url": base + "/v1/chat",
        "headers": {"Content-Type": "application/json"},
        "body": b'{"stream":true}',
        "auth": "bearer",
    }
    return HttpRequest(**(fields | changes))  # type: ignore[arg-type]


def limits(**changes: float) -> Timeouts:
    fields = {"connect_s": 20.0, "first_byte_s": 20.0, "idle_s": 20.0, "total_s": 20.0}
    return Timeouts(**(fields | changes))


@dataclass
class Ask:
    """One request in a session of its own."""

    tls: ssl.SSLContext | None = None
    deferred: bool = True

    post = staticmethod(post)
    limits = staticmethod(limits)

    def __call__(self, url: str, *, secret: Secret | None = None, **changes: object) -> Exchange:
        async def run() -> Exchange:
            async with open_session(url, tls=self.tls, deferred=self.deferred) as session:
                assert session.deferred is self.deferred
                fields = {
                    "timeouts": limits(),
                    "origin_ns": 0,
                    "watch": never,
                    "max_body": 1 << 20,
                }
                request = changes.pop("request", None) or post(url)
                return await exchange(session, request, secret=secret, **(fields | changes))  # type: ignore[arg-type]

        return asyncio.run(run())


@pytest.fixture(params=[True, False], ids=["deferred", "iter_any"])
def ask(request: pytest.FixtureRequest) -> Ask:
    """Both ways of reading: by the hook, and through aiohttp's public interface."""
    return Ask(deferred=request.param)


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="session")
def server_tls(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1", "localhost").configure_cert(context)
    return context


@pytest.fixture(scope="session")
def client_tls(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context
