"""The client on wires that break: each is one message, none is a traceback, and none has a key."""

import socket
import ssl
import threading
from contextlib import contextmanager, suppress

import pytest
import trustme

from lens_gate.errors import WorldError
from lens_gate.hosts import http
from lens_gate.hosts.github_api import connect
from lens_gate.hosts.http import Clock, RefusedError, UnclearError, origin, usable_token
from lens_gate.hosts.spoken import repeats, spoken
from tests.contract.hosts.github_forge import GitHub, Trouble, serving
from tests.contract.hosts.test_github_publish import TOKEN, Ticking

OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n"


@contextmanager
def raw(*answers, tls=None):
    """A server that answers each connection with the next of these bytes, and hangs up.

    ``None`` hangs up at once; ``Ellipsis`` never answers.
    """
    asked = []
    ending = threading.Event()
    listener = socket.create_server(("127.0.0.1", 0))

    def talk():
        for answer in answers:
            try:
                connection, _ = listener.accept()
                with connection if tls is None else tls.wrap_socket(connection, True) as wire:
                    if answer is not None:
                        asked.append(wire.recv(65536))
                    if answer is ...:
                        ending.wait(10)
                    elif answer is not None:
                        wire.sendall(answer)
                        wire.shutdown(socket.SHUT_WR)
                        wire.recv(65536)
            except OSError:
                continue

    thread = threading.Thread(target=talk, daemon=True)
    thread.start()
    scheme = "http" if tls is None else "https"
    try:
        yield f"{scheme}://127.0.0.1:{listener.getsockname()[1]}", asked
    finally:
        ending.set()
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)  # wakes who waits for one more
        listener.close()
        thread.join(10)


@contextmanager
def client(url, clock=None):
    asking = connect(url, TOKEN, (clock or Ticking()).clock)
    try:
        yield asking
    finally:
        asking.close()


def failure(url, method="GET", clock=None, **more):
    with client(url, clock) as asking, pytest.raises(WorldError) as caught:
        asking.get("/x") if method == "GET" else asking.send(method, "/x", {}, **more)
    said = f"{caught.value.message} {caught.value.hint}"
    assert said.isprintable()
    assert not repeats(said, TOKEN)
    return caught.value


BROKEN = [
    None,
    b"",
    b"\x15\x03\x01",
    b"HTTP/9.9 !\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nX: " + b"a" * 70_000 + b"\r\n\r\n",
    OK + b"Content-Length: 100\r\n\r\n{}",
    OK + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n{}",
    OK + b"Content-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}",
]


@pytest.mark.parametrize("broken", BROKEN)
def test_a_connection_that_breaks_is_tried_again(broken):
    good = OK + b'Content-Length: 10\r\n\r\n{"id": 12}'
    with raw(broken, good) as (url, _), client(url) as asking:
        assert asking.get("/x").data == {"id": 12}


@pytest.mark.parametrize("broken", BROKEN)
def test_a_change_whose_answer_is_lost_is_unclear_and_not_asked_for_twice(broken):
    with raw(broken, broken) as (url, asked):
        error = failure(url, "POST", again=False)
        assert isinstance(error, UnclearError)
        assert len(asked) <= 1


def test_connections_that_always_break_are_one_message():
    with raw(*[None] * http.ATTEMPTS) as (url, _):
        assert "broke before the answer was complete" in failure(url).message


def test_a_server_that_never_answers_is_not_waited_for(monkeypatch):
    monkeypatch.setattr(http, "READ_S", 0.05)
    with raw(...) as (url, _):
        error = failure(url, "POST", again=False)
    assert "did not answer within" in error.message


def test_an_answer_that_takes_all_the_time_is_cut_off():
    # Each look at the clock finds it a minute later.
    times = iter(range(0, 10_000, 60))
    clock = Ticking()
    endless = OK + b"Transfer-Encoding: chunked\r\n\r\n" + b"1\r\n \r\n" * 1000
    with raw(endless) as (url, _):
        asking = connect(url, TOKEN, Clock(monotonic=lambda: next(times), sleep=clock.sleep))
        with pytest.raises(WorldError, match="without end"):
            asking.get("/x")
        with pytest.raises(WorldError, match="longer than the 150 s"):
            asking.get("/x")
        asking.close()


def test_a_redirects_body_is_bounded_as_well(monkeypatch):
    # The library itself would read all of it before it shows the redirect.
    monkeypatch.setattr(http, "MAX_ANSWER_BYTES", 100_000)
    piece, sent = b" " * 2**20, []
    listener = socket.create_server(("127.0.0.1", 0))

    def flood():
        wire, _ = listener.accept()
        with wire, suppress(OSError):
            wire.sendall(b"HTTP/1.1 302 Found\r\nLocation: /y\r\nConnection: close\r\n\r\n")
            while len(sent) < 64:
                wire.sendall(piece)
                sent.append(piece)

    thread = threading.Thread(target=flood, daemon=True)
    thread.start()
    error = failure(f"http://127.0.0.1:{listener.getsockname()[1]}")
    thread.join(10)
    listener.close()
    assert "an answer of more than" in error.message
    assert len(sent) < 64


def test_a_certificate_of_nobody_is_said_so_and_not_tried_again():
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(tls)
    clock = Ticking()
    with raw(None, None, tls=tls) as (url, _):
        error = failure(url, clock=clock)
    assert "certificate" in error.message
    assert "REQUESTS_CA_BUNDLE" in error.hint
    assert clock.waits == []


def test_a_proxy_that_is_not_there_is_said_so_without_its_password(monkeypatch):
    with raw() as (gone, _):
        pass
    monkeypatch.setenv("http_proxy", gone.replace("//", "//user:hunter2secret@"))
    monkeypatch.setenv("NO_PROXY", "")
    monkeypatch.setenv("no_proxy", "")
    error = failure("http://127.0.0.1:9")
    assert "proxy" in error.message
    assert "hunter2" not in error.message + error.hint


def test_an_address_that_a_server_names_is_in_no_message():
    with serving(GitHub()) as forge:
        link = {"Link": f'<{forge.url}/\x1b{TOKEN}>; rel="next"'}
        forge.troubles = [Trouble("GET", "x", 200, link, [])]
        with client(forge.url) as asking, pytest.raises(RefusedError) as caught:
            list(asking.items("/x", {}))
    assert caught.value.message == "GitHub answered 401 'Bad credentials' to GET /x."


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("https://a.example/x", "https://A.example:443/y", True),
        ("http://a.example", "http://a.example:80", True),
        ("http://a.example", "https://a.example", False),
        ("http://a.example", "http://a.example:8080", False),
        ("http://a.example", "http://b.example", False),
        ("http://a.example", "http://a.example@b.example", False),
        ("http://a.example", "http://a.example:99999999", False),
        ("http://a.example", "http://[", False),
    ],
)
def test_one_origin_is_one_however_it_is_written(one, other, same):
    assert (origin(one) == origin(other)) is same


def test_a_token_is_taken_without_its_line_end():
    assert usable_token(f" {TOKEN}\r\n", "X") == TOKEN


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({"message": "no"}, "'no'"),
        ({"message": {"base": ["too long"]}}, '\'{"base": ["too long"]}\''),
        ({"error": "insufficient_scope"}, "'insufficient_scope'"),
        ({"message": "no", "errors": ["a", {"message": "b"}, {"code": 3}, None]}, "'no a b'"),
        ({"message": "é\u202e\n x"}, "'\\xe9\\u202e x'"),
        ({"message": None}, ""),
        ([], ""),
        (None, ""),
        ({"message": "x" * 9000}, f"'{'x' * 235}...'"),
    ],
)
def test_what_a_server_says_is_told_in_quotes(data, said):
    assert spoken(data, TOKEN) == said


@pytest.mark.parametrize(
    ("text", "token", "held"),
    [
        ("GitHub says no", "ghs_0123456789", False),
        ("0123456789", "ghs_0123456789", True),
        ("01-23-45-67", "ghs_0123456789", True),
        ("abc", "abc", True),
        ("anything", "", False),
        ("anything", "--", False),
    ],
)
def test_a_piece_of_the_token_is_known_again(text, token, held):
    assert repeats(text, token) is held
