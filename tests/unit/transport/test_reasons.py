import errno
import socket
import ssl

import aiohttp
import pytest
from aiohttp.client_reqrep import ConnectionKey
from aiohttp.http_exceptions import BadStatusLine, HttpProcessingError, LineTooLong

from lens_gate.transport.reasons import explain

KEY = ConnectionKey("api.example.com", 443, True, True, None, None, None)


def os_error(number):
    return OSError(number, "strerror")


def with_cause(exc, cause):
    exc.__cause__ = cause
    return exc


@pytest.mark.parametrize(
    ("exc", "ended", "words"),
    [
        (
            aiohttp.ClientConnectorDNSError(KEY, socket.gaierror(-2, "Name not known")),
            "connection",
            "no address found for api.example.com: Name not known",
        ),
        (
            aiohttp.ClientConnectorError(KEY, os_error(errno.ENETUNREACH)),
            "connection",
            "no connection to api.example.com:443: strerror",
        ),
        (
            aiohttp.ClientConnectorError(KEY, ConnectionRefusedError(errno.ECONNREFUSED, "x")),
            "connection",
            "connection to api.example.com:443 refused: nothing listens there",
        ),
        (aiohttp.ClientConnectorError(KEY, os_error(errno.EMFILE)), "client", "ulimit -n"),
        (aiohttp.ClientConnectorError(KEY, os_error(errno.EADDRNOTAVAIL)), "client", "local port"),
        (
            aiohttp.ClientConnectorSSLError(KEY, ssl.SSLError(1, "[SSL: X] handshake")),
            "connection",
            "no TLS connection to api.example.com:443",
        ),
        (ConnectionResetError(errno.ECONNRESET, "x"), "connection", "server reset the connection"),
        (aiohttp.ServerDisconnectedError(), "connection", "closed the connection before"),
        (BrokenPipeError(errno.EPIPE, "Broken pipe"), "connection", "Broken pipe"),
        (ssl.SSLError(1, "[SSL: BAD] bad record"), "connection", "TLS failed"),
        (TimeoutError(), "connection", "timed out: no answer"),
        (aiohttp.ClientPayloadError("cut"), "truncated", "the body is not complete: cut"),
        (aiohttp.ClientConnectionError("odd"), "connection", "odd"),
        (aiohttp.ClientError(), "connection", "ClientError"),
        (aiohttp.InvalidURL("http://u:secret@h"), "client", "the URL is not valid"),
        (ValueError("Newline in header"), "client", "can't be sent: Newline in header"),
        (ValueError(), "client", "ValueError"),
        (HttpProcessingError(code=400, message="bad\n\n  byte"), "malformed", "HTTP: bad byte"),
        (BadStatusLine("\x16\x03", "b'\\x15\\x03\\x01'"), "malformed", "use https://"),
        (
            with_cause(
                aiohttp.ClientResponseError(None, (), message="Got more than 8190 bytes"),
                with_cause(HttpProcessingError(message="m"), LineTooLong(b"x", 8190)),
            ),
            "too_large",
            "head of the response is too large",
        ),
    ],
)  # fmt: skip
def test_each_failure_is_told_in_plain_words(exc, ended, words):
    assert explain(exc)[0] == ended
    assert words in explain(exc)[1]
    assert "secret" not in explain(exc)[1]


def test_the_cause_can_be_given_beside_the_exception():
    exc = HttpProcessingError(code=400, message="Got more than 8190 bytes")
    assert explain(exc)[0] == "malformed"
    assert explain(exc, LineTooLong(b"x", 8190))[0] == "too_large"


def test_a_reason_is_one_line_of_bounded_length():
    _, words = explain(HttpProcessingError(message="a\nb " * 1000))
    assert "\n" not in words
    assert len(words) < 300
