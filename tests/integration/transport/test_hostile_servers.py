"""Whatever a server does costs one failed exchange: never an exception, the memory, or the run."""

import gzip
import threading
import tracemalloc
import zlib

import pytest

from lens_gate.transport import Secret

OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
MIB = 1 << 20


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


def pouring(start: bytes, block: bytes, *, fill: int = 64 * 1024):
    """A server that never stops sending ``block``."""

    def script(peer):
        peer.read_request()
        peer.send(start)
        blocks = block * max(1, fill // len(block))
        while True:
            peer.sock.sendall(blocks)

    return script


@pytest.mark.parametrize(
    ("start", "block"),
    [
        (OK, b"X-Header: 1\r\n"),
        (OK + b"X-Long: ", b"a"),
        (OK, b"a"),
        (b"HTTP/1.1 200 ", b"O"),
        (CHUNKED + b"0\r\n", b"X-Trailer: 1\r\n"),
    ],
    ids=["headers", "value", "name", "reason", "trailers"],
)
def test_a_head_without_end(serve, ask, start, block):
    result = ask(serve(pouring(start, block)).url)
    assert result.ended in ("too_large", "malformed", *(() if ask.deferred else ("truncated",)))
    assert result.detail
    assert len(result.detail) < 400
    assert "\n" not in result.detail


def test_a_head_without_end_is_called_too_large(serve, ask):
    ask.deferred = True
    for start, block in [(OK, b"X-Header: 1\r\n"), (OK + b"X-Long: ", b"a")]:
        result = ask(serve(pouring(start, block)).url)
        assert (result.ended, result.head) == ("too_large", None)
        assert "head of the response is too large" in result.detail


@pytest.mark.parametrize(
    ("start", "block"),
    [
        (CHUNKED, chunk(b"data: {}\n\n")),
        (CHUNKED, chunk(b"a" * 65536)),
        (b"HTTP/1.0 200 OK\r\n\r\n", b"a"),
        (OK + b"Content-Length: 1099511627776\r\n\r\n", b"a"),
    ],
    ids=["events", "one-line", "until-close", "length"],
)
def test_a_body_without_end_is_cut(serve, ask, start, block):
    result = ask(serve(pouring(start, block)).url, max_body=MIB)
    assert result.ended == "too_large"
    assert len(result.body) == MIB
    assert result.reads[-1].end == MIB
    assert str(MIB) in result.detail


def test_framing_without_a_body_is_cut(serve, ask):
    """Chunk extensions are no body: they would be read for ever."""
    ask.deferred = True
    result = ask(serve(pouring(CHUNKED + b"1;", b"e=1;")).url, max_body=1000)
    assert result.ended in ("too_large", "malformed")
    assert result.body == b""


def test_interim_responses_without_end(serve, ask):
    ask.deferred = True
    block = b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"
    result = ask(serve(pouring(b"", block)).url, max_body=1000)
    assert (result.ended, result.head) == ("too_large", None)


@pytest.mark.parametrize(
    "data",
    [
        b"zz\r\nhello\r\n",
        b"-1\r\nhello\r\n",
        b"fffffffffffffffffffff\r\nhello\r\n",
        b"5\r\nhelloworld\r\n",
        b"\r\n\r\n",
        b"5 5\r\nhello\r\n",
    ],
)
def test_chunk_sizes_that_are_none(serve, ask, data):
    seen = threading.Event()

    def script(peer):
        peer.read_request()
        peer.send(CHUNKED + chunk(b"good"))
        seen.wait(20)
        peer.send(data)
        peer.hold()

    def watch(_data):
        seen.set()
        return False

    # aiohttp 3.14 does not tell the reader of a body that its chunks broke off: it would wait.
    limits = ask.limits() if ask.deferred else ask.limits(idle_s=0.05)
    result = ask(serve(script).url, watch=watch, timeouts=limits)
    assert result.ended in ("malformed", *(() if ask.deferred else ("truncated", "timeout")))
    assert result.head.status == 200
    assert result.body.startswith(b"good")
    assert result.detail


@pytest.mark.parametrize(
    "reply",
    [
        b"\x00\x01\x02\x03garbage\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"HTTP/1.1 abc OK\r\n\r\n",
        b"HTTP/9.9 200 OK\r\nContent-Length: x\r\n\r\n",
        OK + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
        OK + b"Content-Length: -5\r\n\r\n",
        OK + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\nhello",
        OK + b"Bad Header\r\n\r\n",
    ],
)
def test_what_is_no_http(serve, ask, reply):
    def script(peer):
        peer.read_request()
        peer.send(reply)
        peer.hold()

    result = ask(serve(script).url)
    assert result.ended == "malformed"
    assert result.detail
    assert "\n" not in result.detail
    assert result.body == b""


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_a_compression_bomb_costs_one_exchange_and_little_memory(serve, ask, encoding):
    compressor = zlib.compressobj(9, wbits=31 if encoding == "gzip" else 15)
    bomb = b"".join(compressor.compress(bytes(MIB)) for _ in range(256)) + compressor.flush()
    assert len(bomb) < MIB
    head = OK + f"Content-Encoding: {encoding}\r\nContent-Length: {len(bomb)}\r\n\r\n".encode()

    def script(peer):
        peer.read_request()
        peer.send(head + bomb)
        peer.hold()

    server = serve(script)
    tracemalloc.start()
    try:
        result = ask(server.url, max_body=MIB)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (result.ended, len(result.body)) == ("too_large", MIB)
    assert peak < 16 * MIB, "it unpacks to 256 MiB, and its first read alone to 64"


def test_a_bomb_in_an_error_body_is_cut_too(serve, ask):
    bomb = gzip.compress(bytes(64 * MIB))
    head = b"HTTP/1.1 500 No\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(bomb)

    def script(peer):
        peer.read_request()
        peer.send(head + bomb)
        peer.hold()

    result = ask(serve(script).url)
    assert (result.ended, len(result.body)) == ("stopped", 65536)


def test_compressed_data_that_decodes_to_nothing_is_cut(serve, ask):
    ask.deferred = True
    compressor = zlib.compressobj(wbits=31)
    start = compressor.compress(b"") + compressor.flush(zlib.Z_SYNC_FLUSH)
    empty = b"\x00\x00\x00\xff\xff"  # a stored block of no bytes
    head = CHUNKED[:-2] + b"Content-Encoding: gzip\r\n\r\n"
    result = ask(serve(pouring(head + chunk(start), chunk(empty * 1000))).url, max_body=1000)
    assert (result.ended, result.body) == ("too_large", b"")


def test_a_server_that_echoes_the_key_does_not_make_us_tell_it(serve, ask):
    key = Secret("sk-live-0123456789/+abcdef")

    def script(peer):
        peer.read_request()
        peer.send(OK + b"X-Bad " + key.reveal().encode() + b"\x00\r\n\r\n")
        peer.hold()

    result = ask(serve(script).url, secret=key)
    assert result.ended == "malformed"
    assert key.reveal() not in repr(result)
    assert "0123456789" not in result.detail


@pytest.mark.parametrize(
    ("limit", "words"),
    [
        ("first_byte_s", "no byte of a response within 0.05 s"),
        ("total_s", "not complete within 0.05 s"),
    ],
)
def test_silence_after_the_request_runs_into_its_limit(serve, ask, limit, words):
    def script(peer):
        peer.read_request()
        peer.hold()

    result = ask(serve(script).url, timeouts=ask.limits(**{limit: 0.05}))
    assert (result.ended, result.limit_s, result.head) == ("timeout", 0.05, None)
    assert f"{result.timed_out}_s" == limit
    assert words in result.detail
    assert result.done - result.sent >= 50_000_000, "a censored value is at least its limit"


def test_silence_within_the_stream_runs_into_the_idle_limit(serve, ask):
    def script(peer):
        peer.read_request()
        peer.send(CHUNKED + chunk(b"data: {}\n\n"))
        peer.hold()

    result = ask(serve(script).url, timeouts=ask.limits(idle_s=0.05))
    assert (result.ended, result.limit_s, result.timed_out) == ("timeout", 0.05, "idle")
    assert "silent within 0.05 s" in result.detail or "silent for 0.05 s" in result.detail
    assert result.body == b"data: {}\n\n"
    assert result.done - result.reads[-1].at_ns >= 50_000_000


def test_comments_hold_off_the_idle_limit_and_the_total_ends_a_slow_drip(serve, ask):
    """Each byte comes well within the idle limit; only the limit on everything ends it."""
    stop = threading.Event()

    def script(peer):
        peer.read_request()
        peer.send(CHUNKED)
        while not stop.wait(0.01):
            peer.send(chunk(b":\n"))

    result = ask(serve(script).url, timeouts=ask.limits(idle_s=5.0, total_s=0.2))
    stop.set()
    assert (result.ended, result.limit_s, result.timed_out) == ("timeout", 0.2, "total")
    assert len(result.reads) > 1


def test_a_dripping_head_runs_into_the_total_limit(serve, ask):
    stop = threading.Event()

    def script(peer):
        peer.read_request()
        for byte in OK * 100:
            if stop.wait(0.01):
                return
            peer.send(bytes([byte]))

    result = ask(serve(script).url, timeouts=ask.limits(total_s=0.1))
    stop.set()
    assert (result.ended, result.limit_s, result.head) == ("timeout", 0.1, None)


def test_a_tls_greeting_without_answer_runs_into_the_connect_limit(serve, ask, client_tls):
    ask.tls = client_tls
    server = serve(lambda peer: peer.hold())
    url = server.url.replace("http:", "https:")
    result = ask(url, timeouts=ask.limits(connect_s=0.05))
    assert (result.ended, result.limit_s) == ("timeout", 0.05)
    assert result.timed_out == "connect"
    assert "TLS" in result.detail
    assert (result.sent, result.connected) == (None, None)


def test_a_request_that_the_server_does_not_take_was_never_sent(serve, ask):
    """The last byte is still ours: the server can't have billed for it."""
    server = serve(lambda peer: peer.gone.wait(20))
    request = ask.post(server.url, body=b"x" * (32 * MIB))
    result = ask(server.url, request=request, timeouts=ask.limits(first_byte_s=0.1))
    assert (result.ended, result.limit_s) == ("timeout", 0.1)
    assert result.sent is None


def test_an_answer_before_the_whole_request_was_sent_is_taken(serve, ask):
    body = b'{"error": "too large"}'

    def script(peer):
        peer.sock.recv(1000)
        peer.send(b"HTTP/1.1 413 No\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        peer.gone.wait(20)

    server = serve(script)
    result = ask(server.url, request=ask.post(server.url, body=b"x" * (32 * MIB)))
    assert (result.ended, result.head.status, result.body) == ("clean", 413, body)
