"""One request and its response, timed at the socket; whatever goes wrong there is a result."""

import asyncio
import io
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final

import aiohttp
from yarl import URL

from lens_gate.errors import LensError
from lens_gate.records.exchange import HttpRequest, Read, ResponseHead
from lens_gate.records.policy import Timeouts
from lens_gate.records.sample import Clock
from lens_gate.transport.credentials import Credential, Secret, authorise, hidden_values
from lens_gate.transport.deadline import Deadline
from lens_gate.transport.handler import head_of
from lens_gate.transport.reasons import explain
from lens_gate.transport.redact import Redactor
from lens_gate.transport.session import USER_AGENT, Session, origin_of, shown_to, through
from lens_gate.transport.tape import TAPE, Ended, Limit, Tape

MAX_ERROR_BODY: Final = 64 * 1024

_LARGE_BODY: Final = 1 << 20

# What a request line can carry; anything else is encoded before it comes here.
_URL: Final = re.compile(r"[\x21-\x7e]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """What came back, and when: integer nanoseconds since ``origin_ns``, ``None`` if it never did.

    ``sent`` is the moment before the send call of the request's last byte; it is ``None`` where
    that byte never left. ``done`` is the arrival of the body's last bytes where the exchange ended
    ``clean`` or ``stopped``, else the moment at which it was given up. ``connect_start``,
    ``resolved`` (DNS), ``tcp_connected`` and ``connected`` (TLS too; the same moment where nothing
    is encrypted) belong to a new connection, also to one that did not come about as far as it came;
    through a proxy the first two are those of the way to it. ``clock`` is ``kernel`` only if every
    arrival has the kernel's stamp. ``first_byte_since`` is the earliest moment at which the first
    byte can have come. ``lag``: the most by which data were read after they had come, in
    nanoseconds; without the kernel's stamps an upper bound of it.

    ``ended``: ``clean`` the body is complete; ``stopped`` the watch ended it and no clean end
    followed, or the body of an error was cut; ``timeout`` with ``limit_s``, the limit that ran out,
    and its name in ``timed_out``;
    ``connection`` none came about, or it broke; ``truncated`` the server closed it too early;
    ``too_large``; ``malformed`` no HTTP, or not what its header says; ``client`` the fault is on
    our side. An answer with an error status ends ``clean``.

    ``detail`` says why in words, without secrets. Secrets that the server echoes in ``body`` are
    overwritten by asterisks.
    """

    head: ResponseHead | None
    body: bytes
    reads: tuple[Read, ...]
    connect_start: int | None
    resolved: int | None
    tcp_connected: int | None
    connected: int | None
    sent: int | None
    first_byte: int | None
    first_byte_since: int | None
    headers: int | None
    done: int | None
    reused: bool
    clock: Clock
    ended: Ended
    detail: str
    limit_s: float | None
    timed_out: Limit | None
    lag: int | None


async def exchange(  # noqa: PLR0913  # one request has that many sides
    session: Session,
    request: HttpRequest,
    *,
    secret: Credential,
    timeouts: Timeouts,
    origin_ns: int,
    watch: Callable[[bytes], bool],
    max_body: int,
    max_error_body: int = MAX_ERROR_BODY,
    fresh: bool = False,
) -> Exchange:
    """Send one request, once, and read its response as far as it is wanted.

    No redirect is followed and nothing is sent twice. ``watch`` sees the decoded body of a
    successful response, read by read; when it says true, the rest is read for a moment so that the
    connection can serve again, and thrown away.

    Args:
        session: Connections to the request's origin; no other origin is spoken to.
        request: What to send.
        secret: The key that ``request.auth`` asks for, or what signs it; ``None``: nothing does.
        timeouts: ``connect_s`` for DNS, TCP and TLS; ``first_byte_s`` and ``total_s`` from the
            moment of sending; ``idle_s`` between two reads of anything.
        origin_ns: The monotonic moment that all times count from.
        watch: Whether the stream has said its last.
        max_body: Bytes of decoded body that a successful response may have.
        max_error_body: Bytes at which the body of any other response is cut.
        fresh: Over a new connection, which is closed afterwards.

    Raises:
        asyncio.CancelledError: cancelled; the connection is closed.
    """
    loop = asyncio.get_running_loop()
    tape = Tape(loop=loop, watch=watch, max_body=max_body, max_error_body=max_error_body)
    try:
        url = _checked_url(session, request.url)
        headers = _introduced(session, authorise(_plain(request), secret))
    except LensError as problem:
        tape.end("client", problem.message)
    else:
        await _send(session, request, url, headers, tape, timeouts, fresh=fresh)
    return _frozen(tape, origin_ns, (session.redact, _redactor_of(hidden_values(secret))))


async def _send(
    session: Session,
    request: HttpRequest,
    url: URL,
    headers: dict[str, str],
    tape: Tape,
    timeouts: Timeouts,
    *,
    fresh: bool,
) -> None:
    loop = asyncio.get_running_loop()
    http = session.fresh if fresh else session.http
    response: aiohttp.ClientResponse | None = None
    deadline: Deadline | None = None
    token = TAPE.set(tape)
    try:
        async with asyncio.timeout(None) as scope:
            # Ends the wait for a connection or a head; a wait for the body ends with the tape.
            deadline = Deadline(
                tape, timeouts, loop=loop, expired=lambda: scope.reschedule(loop.time())
            )
            response = await http.request(
                request.method,
                url,
                headers=headers,
                data=_upload(request.body),
                allow_redirects=False,
                **through(session.proxy, secure=url.scheme == "https"),
            )
            if tape.head is not None:
                await tape.finished
            else:
                await _pump(response, tape)
    except (aiohttp.ClientError, OSError, ValueError) as error:
        # Raised on top of an end that the tape knows already, or the first to tell of it.
        tape.end(*explain(error))
    finally:
        TAPE.reset(token)
        if deadline is not None:
            deadline.close()
        _leave(tape, response, keep=not fresh)
    if tape.crash is not None:
        raise tape.crash


def _upload(body: bytes) -> bytes | io.BytesIO | None:
    # A body in one piece leaves in one send call, head included; a large one in pieces, so that
    # writing it does not hold up the reads of other exchanges.
    return io.BytesIO(body) if len(body) > _LARGE_BODY else body or None


async def _pump(response: aiohttp.ClientResponse, tape: Tape) -> None:
    """Read through aiohttp's public interface; a read is timed when this task sees it."""
    tape.arrived(1, time.monotonic_ns(), kernel=False)
    tape.head_arrived(head_of(response.status, response.headers))
    async for data in response.content.iter_any():
        if tape.ended is not None:
            return
        tape.arrived(len(data), time.monotonic_ns(), kernel=False)
        tape.body(data)
    if tape.ended is None:
        tape.arrived(0, time.monotonic_ns(), kernel=False)
        tape.body_ended()


def _leave(tape: Tape, response: aiohttp.ClientResponse | None, *, keep: bool) -> None:
    """Give the connection back after a clean end if it is to be kept, else close it at once."""
    transport = tape.link()
    if keep and tape.ended == "clean" and response is not None and not tape.unsent():
        response.release()
        return
    if response is not None:
        response.close()
    if transport is None and tape.transport is not None and tape.transport.is_closing():
        # aiohttp closed it; over TLS that would wait half a minute for the server's farewell.
        transport = tape.transport
    if transport is not None:
        transport.abort()


def _checked_url(session: Session, url: str) -> URL:
    if _URL.fullmatch(url) is None:
        raise LensError("the URL has characters that a request line can't carry")
    parsed = URL(url, encoded=True)
    if origin_of(url) != session.origin:
        raise LensError(f"the request goes to another origin than {session.origin}")
    if parsed.raw_user is not None or parsed.raw_password is not None:
        raise LensError("the URL holds a user name or a password")
    return parsed


def _introduced(session: Session, headers: dict[str, str]) -> dict[str, str]:
    """With what servers, and proxies on the way in the open, are told of us."""
    if not any(name.lower() == "user-agent" for name in headers):
        headers = {**headers, "User-Agent": USER_AGENT}
    if session.origin.startswith("https:"):
        return headers
    return {**headers, **shown_to(session.proxy)}


def _plain(request: HttpRequest) -> HttpRequest:
    """Compressed streams wait for full blocks: ask for none unless the request says otherwise."""
    if any(name.lower() == "accept-encoding" for name in request.headers):
        return request
    return replace(request, headers={**request.headers, "Accept-Encoding": "identity"})


@lru_cache(maxsize=64)
def _redactor_of(secrets: tuple[Secret | str, ...]) -> Redactor:
    return Redactor(secrets)


def _frozen(tape: Tape, origin_ns: int, redactors: tuple[Redactor, Redactor]) -> Exchange:
    def since(at_ns: int | None) -> int | None:
        return None if at_ns is None else at_ns - origin_ns

    body, head, detail = b"".join(tape.chunks), tape.head, tape.detail
    if head is not None and 300 <= head.status < 400 and not detail:
        detail = _redirect_words(head)
    for redact in redactors:
        body, detail = redact.mask(body), redact(detail)
        if head is not None:
            clean = {name: redact(value) for name, value in head.headers.items()}
            head = ResponseHead(status=head.status, headers=clean)
    return Exchange(
        head=head,
        body=body,
        reads=tuple(
            Read(end=end, at_ns=at_ns - origin_ns, since_ns=since(_within(earliest, at_ns)))
            for end, at_ns, earliest in zip(tape.ends, tape.stamps, tape.sinces, strict=True)
        ),
        connect_start=since(tape.connect_start),
        resolved=since(tape.resolved),
        tcp_connected=since(tape.tcp_connected),
        connected=since(tape.connected),
        sent=since(tape.sent),
        first_byte=since(tape.first_byte),
        first_byte_since=since(_within(tape.since_first_byte, tape.first_byte)),
        headers=since(tape.headers),
        done=since(tape.done),
        reused=tape.reused,
        clock="kernel" if tape.kernel and tape.first_byte is not None else "transport",
        ended=tape.ended or "client",
        detail=detail,
        limit_s=tape.limit_s,
        timed_out=tape.timed_out,
        lag=tape.late,
    )


def _within(earliest_ns: int | None, at_ns: int | None) -> int | None:
    """Clocks are read with some noise: nothing came later than its stamp."""
    return None if earliest_ns is None or at_ns is None else min(earliest_ns, at_ns)


def _redirect_words(head: ResponseHead) -> str:
    try:
        where = origin_of(head.headers.get("location", ""))
    except LensError:
        where = "another place"
    return f"a redirect to {where} was not followed"
