"""What a foreign exception means, in plain words."""

import errno
import re
import ssl
from typing import Final

import aiohttp
from aiohttp.http_exceptions import HttpProcessingError, LineTooLong

from lens_gate.transport.tape import Ended

_LONGEST: Final = 240
# A parser quotes the bytes that it fails on: a key among them may be cut by the quote, or lie in
# two of them, and would then be known to nobody who takes keys out.
_QUOTED: Final = re.compile(r"[\s:(]*\bb?['\"].*|[\s:(]+['\"].*", re.DOTALL)
_OURS: Final = {
    errno.EMFILE: "too many open files: raise the limit (`ulimit -n`) or lower the concurrency",
    errno.ENFILE: "too many open files on this machine",
    errno.EADDRNOTAVAIL: "no free local port for this address",
    errno.ENOBUFS: "the machine has no buffers left for another connection",
}
_TLS_RECORDS: Final = ("\\x15\\x03", "\\x16\\x03")


def explain(exc: BaseException, cause: object = None) -> tuple[Ended, str]:
    """How an exchange ended that met this exception, and why.

    Args:
        exc: What was raised or reported.
        cause: What it came from, where it does not say so itself.
    """
    if isinstance(exc, aiohttp.ClientConnectorError | aiohttp.ClientConnectorCertificateError):
        return _no_connection(exc)
    if isinstance(exc, aiohttp.ClientHttpProxyError):
        return "connection", f"the proxy refused the tunnel: {exc.status} {_line(exc.message)}"
    return _while_it_lasted(exc, cause)


def _while_it_lasted(exc: BaseException, cause: object) -> tuple[Ended, str]:
    """What went wrong on a connection that had come about."""
    if isinstance(exc, aiohttp.ClientResponseError | HttpProcessingError):
        return _bad_http(exc, cause if isinstance(cause, BaseException) else exc.__cause__)
    if isinstance(exc, aiohttp.ServerDisconnectedError):
        return "connection", "the server closed the connection before it answered"
    if isinstance(exc, aiohttp.ClientPayloadError):
        return "truncated", f"the body is not complete: {_unquoted(str(exc))}"
    if isinstance(exc, aiohttp.InvalidURL):
        return "client", "the URL is not valid"
    if isinstance(exc, ssl.SSLError):
        return "connection", f"TLS failed: {_tls_words(exc)}"
    if isinstance(exc, TimeoutError):
        return "connection", f"the connection timed out: {_line(str(exc)) or 'no answer'}"
    if isinstance(exc, OSError):
        return _os_words(exc, "")
    if isinstance(exc, aiohttp.ClientError):
        return "connection", _line(str(exc)) or type(exc).__name__
    return "client", f"the request can't be sent: {_line(str(exc)) or type(exc).__name__}"


def _no_connection(
    exc: aiohttp.ClientConnectorError | aiohttp.ClientConnectorCertificateError,
) -> tuple[Ended, str]:
    place = f"{exc.host}:{exc.port}"
    if isinstance(exc, aiohttp.ClientProxyConnectionError):
        place = f"the proxy {place}"
    if isinstance(exc, aiohttp.ClientConnectorCertificateError):
        return "connection", f"the certificate of {place} is not trusted: {_certificate_words(exc)}"
    if isinstance(exc, aiohttp.ClientConnectorDNSError):
        reason = exc.os_error.strerror or str(exc.os_error)
        return "connection", f"no address found for {exc.host}: {_line(reason)}"
    if isinstance(exc.os_error, ssl.SSLError):
        return "connection", f"no TLS connection to {place}: {_tls_words(exc.os_error)}"
    return _os_words(exc.os_error, place)


def _certificate_words(exc: aiohttp.ClientConnectorCertificateError) -> str:
    error = exc.certificate_error
    return _line(getattr(error, "verify_message", "") or str(error))


def _tls_words(error: ssl.SSLError) -> str:
    reason = (getattr(error, "reason", None) or str(error)).replace("_", " ").lower()
    if reason in ("wrong version number", "record layer failure", "http request"):
        return f"{reason} (does this server speak plain http:// there?)"
    return _line(reason)


def _os_words(error: OSError, place: str) -> tuple[Ended, str]:
    to = f" to {place}" if place else ""
    if error.errno in _OURS:
        return "client", f"no connection{to}: {_OURS[error.errno]}"
    if isinstance(error, ConnectionRefusedError):
        return "connection", f"connection{to} refused: nothing listens there"
    if isinstance(error, ConnectionResetError) and not place:
        return "connection", "the server reset the connection"
    reason = error.strerror or str(error) or type(error).__name__
    return "connection", f"no connection{to}: {_line(reason)}" if place else _line(reason)


def _bad_http(
    exc: aiohttp.ClientResponseError | HttpProcessingError, cause: BaseException | None
) -> tuple[Ended, str]:
    while isinstance(cause, HttpProcessingError) and isinstance(
        cause.__cause__, HttpProcessingError
    ):
        cause = cause.__cause__
    words = _unquoted(exc.message) or "no valid HTTP"
    if isinstance(cause, LineTooLong) or "Too many headers" in exc.message:
        return "too_large", f"the head of the response is too large: {words}"
    if any(record in exc.message for record in _TLS_RECORDS):
        return "malformed", "the server speaks TLS there: use https://"
    return "malformed", f"the response is not valid HTTP: {words}"


def _unquoted(text: str) -> str:
    """What a parser says, without the bytes that it says it of."""
    return _line(_QUOTED.sub("", text))


def _line(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST else line[: _LONGEST - 1] + "…"
