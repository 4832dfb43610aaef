"""A pool of connections to one origin, with the clock at each socket."""

import asyncio
import base64
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

import aiohttp
from yarl import URL

from lens_gate import __version__
from lens_gate.errors import LensError
from lens_gate.records.sample import Clock
from lens_gate.transport.clock import SocketClock
from lens_gate.transport.handler import READ_BUFFER, StampingHandler, install
from lens_gate.transport.proxy import Proxy
from lens_gate.transport.redact import Redactor
from lens_gate.transport.tape import TAPE

USER_AGENT: Final = f"lens-gate/{__version__}"

# Idle connections are kept this long: between two requests of a slow scenario no new one is needed.
_KEEP_ALIVE_S: Final = 60.0
# All limits of time are ours: aiohttp's would end long streams, and be rounded up.
_NO_TIMEOUT: Final = aiohttp.ClientTimeout(
    total=None, connect=None, sock_connect=None, sock_read=None
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """Connections to one origin. ``origin`` is ``scheme://host:port`` and holds no secret.

    ``deferred``: reads are kept where they arrive and no task wakes up for them; otherwise this
    aiohttp allows only its public interface, and times are taken when the task wakes up. ``clock``
    is the best clock that its exchanges can have. ``fresh`` makes a connection for each request and
    closes it after.
    """

    origin: str
    http: aiohttp.ClientSession
    fresh: aiohttp.ClientSession
    connector: aiohttp.TCPConnector
    proxy: Proxy | None
    redact: Redactor
    deferred: bool
    clock: Clock


@asynccontextmanager
async def open_session(
    base_url: str,
    *,
    redact: Redactor | None = None,
    tls: ssl.SSLContext | None = None,
    proxy: Proxy | None = None,
    deferred: bool = True,
) -> AsyncIterator[Session]:
    """Open a pool for the origin of ``base_url``; nothing is sent before the first exchange.

    There is no limit on connections (a wait for one would pass for latency); cookies, redirects and
    the environment are ignored; only HTTP/1.1 is spoken.

    Args:
        base_url: Any URL of the origin.
        redact: Takes secrets out of everything that an exchange says about failures. The key of an
            exchange is taken out in any case.
        tls: Instead of the system's verified default.
        proxy: Through which every connection goes; ``https`` targets through a tunnel in it.
        deferred: False reads through aiohttp's public interface alone.

    Raises:
        LensError: ``base_url`` is no absolute http or https URL.
    """
    origin = origin_of(base_url)
    clock = SocketClock()
    pooled, single = _Connector(clock, tls, reuse=True), _Connector(clock, tls, reuse=False)
    http, fresh = _client(pooled), _client(single)
    try:
        hooked = deferred and all([install(pooled, clock), install(single, clock)])
        # Without the hook a stamp can't be told to belong to the bytes at hand.
        kernel = hooked and await clock.ask_kernel()
        yield Session(
            origin=origin,
            http=http,
            fresh=fresh,
            connector=pooled,
            proxy=proxy,
            redact=redact if redact is not None else Redactor(()),
            deferred=hooked,
            clock="kernel" if kernel else "transport",
        )
    finally:
        await http.close()
        await fresh.close()
        # Aborted transports report their end in the loop's next rounds.
        for _ in range(3):
            await asyncio.sleep(0)
        clock.close()


def _client(connector: aiohttp.TCPConnector) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=_NO_TIMEOUT,
        trust_env=False,
        auto_decompress=False,
        raise_for_status=False,
        read_bufsize=READ_BUFFER,
    )


def through(proxy: Proxy | None, *, secure: bool) -> dict[str, Any]:
    """The proxy in the words of aiohttp's request.

    For a tunnel (``secure``) it is told who we are by headers of its own; ``shown_to`` gives what a
    request has to say that passes it in the open.
    """
    if proxy is None:
        return {}
    if not secure:
        return {"proxy": URL(proxy.place)}
    return {
        "proxy": URL(proxy.place),
        "proxy_headers": {"User-Agent": USER_AGENT, **shown_to(proxy)},
    }


def shown_to(proxy: Proxy | None) -> dict[str, str]:
    """The header by which a proxy knows us; none where it does not ask."""
    if proxy is None or proxy.user is None:
        return {}
    pair = base64.b64encode(f"{proxy.user}:{proxy.password}".encode()).decode("ascii")
    return {"Proxy-Authorization": f"Basic {pair}"}


async def warm(session: Session, n: int, *, timeout_s: float) -> int:
    """Have ``n`` connections open and idle, TLS included, without sending a request.

    Gives how many there are: fewer where some could not be opened within ``timeout_s`` seconds. The
    reason is not told here; an exchange meets it again and tells it.
    """
    loop = asyncio.get_running_loop()
    tasks = [loop.create_task(_open_one(session, loop)) for _ in range(n)]
    if not tasks:
        return 0
    try:
        await asyncio.wait(tasks, timeout=timeout_s)
    finally:
        for task in tasks:
            task.cancel()
        opened = await asyncio.gather(*tasks, return_exceptions=True)
        # Given back only now: given back earlier, one would be taken again instead of a second one.
        connections = [c for c in opened if not isinstance(c, BaseException)]
        for connection in connections:
            connection.release()
    return len(connections)


def origin_of(url: str) -> str:
    """``scheme://host:port`` of a URL, port always written.

    Raises:
        LensError: no absolute http or https URL.
    """
    try:
        parsed = URL(url, encoded=True)
        port = parsed.port
    except ValueError:
        parsed, port = URL(), None
    host = parsed.raw_host
    if parsed.scheme not in ("http", "https") or not host or port is None:
        raise LensError(
            "a target's URL is not an absolute http:// or https:// URL",
            "write it as in `base_url: https://api.example.com/v1`",
        )
    bracketed = f"[{host}]" if ":" in host else host
    return f"{parsed.scheme}://{bracketed.lower()}:{port}"


class _Connector(aiohttp.TCPConnector):
    """Tells the tape of the exchange at hand which connection it got, and when."""

    def __init__(self, clock: SocketClock, tls: ssl.SSLContext | None, *, reuse: bool) -> None:
        how: dict[str, Any] = {"keepalive_timeout": _KEEP_ALIVE_S}
        if not reuse:
            # A new connection asks DNS anew too.
            how = {"force_close": True, "use_dns_cache": False}
        super().__init__(
            limit=0,
            socket_factory=clock.socket_factory,
            ssl=tls if tls is not None else True,
            **how,
        )
        self._clock = clock

    async def connect(self, req: Any, traces: Any, timeout: Any) -> Any:  # noqa: ANN401, ASYNC109  # as aiohttp has it
        tape = TAPE.get()
        if tape is None:
            return await super().connect(req, traces, timeout)
        if tape.bound is not None:
            # aiohttp would send an idempotent request once more, and hide the first try.
            raise aiohttp.ClientConnectionError("the server closed the connection; not sent again")
        asked_ns = time.monotonic_ns()
        tape.asked(asked_ns)
        connection = await super().connect(req, traces, timeout)
        handler = connection.protocol
        stamped = self._clock.under(connection.transport)
        is_new = stamped is None or stamped.opened_ns >= asked_ns
        connected_ns = time.monotonic_ns()
        if isinstance(handler, StampingHandler):
            is_new, connected_ns = handler.made_ns >= asked_ns, handler.made_ns
            handler.attach(tape)
        if stamped is not None and stamped.connected_ns and not _is_encrypted(connection.transport):
            # It is there when TCP is; what follows is the client's own work.
            connected_ns = stamped.connected_ns
        tape.bind(
            stamped,
            lambda: connection.transport,
            connected=connected_ns if is_new else None,
        )
        return connection


def _is_encrypted(transport: asyncio.BaseTransport | None) -> bool:
    return transport is not None and transport.get_extra_info("ssl_object") is not None


async def _open_one(
    session: Session, loop: asyncio.AbstractEventLoop
) -> aiohttp.connector.Connection:
    way = through(session.proxy, secure=session.origin.startswith("https:"))
    request = aiohttp.ClientRequest(
        "GET", URL(session.origin), loop=loop, session=session.http, **way
    )
    return await session.connector.connect(request, [], _NO_TIMEOUT)
