"""Every way in which HTTP/1 says where a body ends, and every way of breaking that word."""

import gzip
import threading
import zlib

import pytest

OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
EVENT = b"data: {}\n\n"


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


def replies(*pieces: bytes, then="hold"):
    """A server that answers every request with these bytes."""

    def script(peer):
        while peer.read_request():
            for piece in pieces:
                peer.send(piece)
            if then == "close":
                return
            if then == "reset":
                peer.reset()
                return

    return script


@pytest.mark.parametrize(
    ("pieces", "then"),
    [
        ([OK + b"Content-Length: 20\r\n\r\n", EVENT, EVENT], "hold"),
        ([CHUNKED, chunk(EVENT), chunk(EVENT), b"0\r\n\r\n"], "hold"),
        ([CHUNKED + chunk(EVENT) + chunk(EVENT) + b"0\r\n\r\n"], "hold"),
        ([CHUNKED, chunk(EVENT * 2), b"0\r\nTrailer: x\r\n\r\n"], "hold"),
        ([CHUNKED, b"a;ext=1\r\n", EVENT, b"\r\n0a\r\n" + EVENT + b"\r\n", b"0\r\n\r\n"], "hold"),
        ([b"HTTP/1.0 200 OK\r\n\r\n", EVENT, EVENT], "close"),
        ([OK + b"Connection: close\r\n\r\n", EVENT, EVENT], "close"),
        ([b"HTTP/1.1 100 Continue\r\n\r\n", CHUNKED + chunk(EVENT * 2) + b"0\r\n\r\n"], "hold"),
        ([bytes([b]) for b in CHUNKED + chunk(EVENT * 2) + b"0\r\n\r\n"], "hold"),
    ],
    ids=["length", "chunked", "one-send", "trailer", "split", "http-1.0", "close", "1xx", "bytes"],
)
def test_a_complete_body_is_clean(serve, ask, pieces, then):
    result = ask(serve(replies(*pieces, then=then)).url)
    assert (result.ended, result.detail) == ("clean", "")
    assert result.head.status == 200
    assert result.body == EVENT * 2
    assert result.reads[-1].end == len(result.body)
    ends = [r.end for r in result.reads]
    stamps = [r.at_ns for r in result.reads]
    assert ends == sorted(set(ends))
    assert stamps == sorted(stamps)


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (OK + b"Content-Length: 0\r\n\r\n", 200),
        (b"HTTP/1.1 204 No Content\r\n\r\n", 204),
        (CHUNKED + b"0\r\n\r\n", 200),
    ],
)
def test_an_empty_body_is_clean_and_empty(serve, ask, head, status):
    result = ask(serve(replies(head)).url)
    assert (result.ended, result.head.status) == ("clean", status)
    assert (result.body, result.reads) == (b"", ())
    assert result.done >= result.headers


@pytest.mark.parametrize(
    ("pieces", "ended", "body"),
    [
        ([CHUNKED, chunk(EVENT)], "truncated", EVENT),
        ([CHUNKED, chunk(EVENT), b"a\r\ndata"], "truncated", EVENT + b"data"),
        ([CHUNKED, chunk(EVENT), b"0\r\n"], "truncated", EVENT),
        ([OK + b"Content-Length: 99\r\n\r\n", EVENT], "truncated", EVENT),
    ],
    ids=["no-end", "within-chunk", "within-end", "length"],
)
def test_a_body_that_ends_before_its_end_is_truncated(serve, ask, pieces, ended, body):
    result = ask(serve(replies(*pieces, then="close")).url)
    assert (result.ended, result.body) == (ended, body)
    assert result.head.status == 200
    assert result.detail


def test_a_head_that_ends_before_its_end(serve, ask):
    result = ask(serve(replies(OK + b"Content-", then="close")).url)
    assert result.ended == ("truncated" if ask.deferred else "connection")
    assert result.head is None
    assert result.first_byte is not None or not ask.deferred


def test_a_server_that_hangs_up_without_a_word(serve, ask):
    result = ask(serve(replies(then="close")).url)
    assert (result.ended, result.head, result.first_byte) == ("connection", None, None)
    assert "closed the connection before it answered" in result.detail
    assert result.sent is not None, "the request left: it may be billed"


def test_a_reset_is_a_broken_connection_even_where_the_body_ends_with_it(serve, ask):
    seen = threading.Event()

    def script(peer):
        peer.read_request()
        peer.send(b"HTTP/1.0 200 OK\r\n\r\n" + EVENT)
        seen.wait(20)
        peer.reset()

    def watch(_data):
        seen.set()
        return False

    result = ask(serve(script).url, watch=watch)
    assert result.body == EVENT
    # aiohttp's public interface does not tell this reset from an end.
    assert result.ended == ("connection" if ask.deferred else "clean")
    assert ("reset" in result.detail) is ask.deferred


@pytest.mark.parametrize(
    "encoding", ["gzip", "x-gzip", "deflate", "raw", "Identity", "two members"]
)
def test_a_compressed_body_is_decoded_and_marked(serve, ask, encoding):
    plain = EVENT * 50
    compressor = {
        "deflate": zlib.compressobj(),
        "raw": zlib.compressobj(wbits=-15),
        "Identity": None,
        "two members": None,
    }.get(encoding, zlib.compressobj(wbits=31))
    if encoding == "two members":
        data, name = gzip.compress(plain[:100]) + gzip.compress(plain[100:]), "gzip"
    elif compressor is None:
        data, name = plain, encoding
    else:
        data = compressor.compress(plain) + compressor.flush()
        name = "deflate" if encoding == "raw" else encoding
    head = CHUNKED[:-2] + b"Content-Encoding: " + name.encode() + b"\r\n\r\n"
    pieces = [chunk(data[i : i + 7]) for i in range(0, len(data), 7)]
    server = serve(replies(head, *pieces, b"0\r\n\r\n"))
    result = ask(server.url)
    assert (result.ended, result.body) == ("clean", plain)
    assert result.reads[-1].end == len(plain)
    assert result.head.headers["content-encoding"] == name
    assert b"accept-encoding: identity" in server.peers[0].requests[0].lower()


def test_events_of_a_compressed_stream_keep_their_own_stamps(serve, ask):
    compressor = zlib.compressobj(wbits=31)
    turn = threading.Semaphore(0)

    def script(peer):
        peer.read_request()
        peer.send(CHUNKED[:-2] + b"Content-Encoding: gzip\r\n\r\n")
        for _ in range(3):
            peer.send(chunk(compressor.compress(EVENT) + compressor.flush(zlib.Z_SYNC_FLUSH)))
            turn.acquire()
        peer.send(chunk(compressor.flush()) + b"0\r\n\r\n")
        peer.hold()

    def watch(data):
        assert data == EVENT
        turn.release()
        return False

    server = serve(script)
    result = ask(server.url, watch=watch)
    assert [r.end for r in result.reads] == [10, 20, 30]
    befores = [before for before, _, _ in server.peers[0].sends[1:4]]
    assert all(b <= r.at_ns for b, r in zip(befores, result.reads, strict=True))


@pytest.mark.parametrize(
    ("encoding", "data", "ended", "words"),
    [
        ("gzip", gzip.compress(EVENT, mtime=0)[:-9], "truncated", "before its end"),
        ("gzip", b"not gzip at all", "malformed", "compressed body is broken"),
        ("br", b"\x0b\x02\x80data\x03", "malformed", "'br'"),
    ],
)
def test_a_body_that_is_not_what_its_encoding_says(serve, ask, encoding, data, ended, words):
    head = OK + b"Content-Encoding: %s\r\nContent-Length: %d\r\n\r\n"
    result = ask(serve(replies(head % (encoding.encode(), len(data)), data)).url)
    assert result.ended == ended
    assert words in result.detail


def test_the_head_has_names_in_lower_case_and_repeated_ones_joined(serve, ask):
    head = OK + b"X-A: 1\r\nx-a: 2\r\nX-Bad: \xff\xfe\r\nContent-Length: 0\r\n\r\n"
    result = ask(serve(replies(head)).url)
    assert result.head.headers["x-a"] == "1, 2"
    assert result.head.headers["x-bad"].isprintable()
    result.head.headers["x-bad"].encode()


def test_an_error_status_is_an_answer_and_the_watch_does_not_see_it(serve, ask):
    body = b'{"error": {"message": "data: [DONE]"}}'
    seen = []

    def watch(data):
        seen.append(data)
        return True

    head = b"HTTP/1.1 429 Too Many\r\nRetry-After: 7\r\nContent-Length: %d\r\n\r\n" % len(body)
    result = ask(serve(replies(head + body)).url, watch=watch)
    assert (result.ended, result.head.status, result.body) == ("clean", 429, body)
    assert result.head.headers["retry-after"] == "7"
    assert seen == []


def test_the_body_of_an_error_is_cut(serve, ask):
    head = b"HTTP/1.1 500 Oops\r\nContent-Length: 100000\r\n\r\n"
    result = ask(serve(replies(head, b"e" * 100_000)).url, max_body=10)
    assert (result.ended, result.body) == ("stopped", b"e" * 65536)
    assert "cut at 65536 bytes" in result.detail
    assert result.reads[-1].end == 65536


@pytest.mark.parametrize("tail", [b"0\r\n\r\n", chunk(b": bye\n\n") + b"0\r\n\r\n"])
def test_a_stop_takes_the_rest_and_ends_clean(serve, ask, tail):
    stopped = threading.Event()

    def script(peer):
        peer.read_request()
        peer.send(CHUNKED + chunk(EVENT))
        stopped.wait(20)
        peer.send(tail)
        peer.hold()

    def watch(_data):
        stopped.set()
        return True

    server = serve(script)
    result = ask(server.url, watch=watch)
    assert (result.ended, result.body) == ("clean", EVENT)
    assert result.done == result.reads[-1].at_ns, "the end is the last word, not what came after"


@pytest.mark.parametrize("flood", [False, True])
def test_a_stream_that_does_not_end_after_its_last_word_is_left(serve, ask, flood):
    def script(peer):
        peer.read_request()
        peer.send(CHUNKED + chunk(EVENT))
        if not flood:
            peer.hold()
        while True:
            peer.send(chunk(EVENT * 1000))

    result = ask(serve(script).url, watch=lambda _: True)
    assert (result.ended, result.detail, result.limit_s) == ("stopped", "", None)
    assert result.done == result.reads[-1].at_ns


def test_a_broken_end_after_the_last_word_is_no_clean_one(serve, ask):
    stopped = threading.Event()

    def script(peer):
        peer.read_request()
        peer.send(CHUNKED + chunk(b"data: [DONE]\n\n"))
        stopped.wait(20)

    def watch(_data):
        stopped.set()
        return True

    assert ask(serve(script).url, watch=watch).ended == "truncated"


def test_a_watch_that_fails_is_our_bug_and_is_raised(serve, ask):
    def watch(_data):
        raise ZeroDivisionError("bug")

    with pytest.raises(ZeroDivisionError):
        ask(serve(replies(CHUNKED + chunk(EVENT) + b"0\r\n\r\n")).url, watch=watch)
