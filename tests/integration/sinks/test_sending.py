"""Pushing over real sockets: what is tried again, what secrets meet, what ends in one line."""

import base64
import gzip
import socket
import threading
from dataclasses import replace

import pytest

from lens_gate.records.destination import Destination
from lens_gate.sinks import Payload, push
from lens_gate.sinks.http import MAX_ANSWER_BYTES
from lens_gate.sinks.upload import MAX_BYTES, Secrets

TOKEN = "token-never-to-be-seen"
OK = (200, {}, b"")


def payload(name="csv", data=b"a,b\n", **more):
    return Payload(format=name, media_type="text/csv", data=data, **more)


@pytest.fixture
def hook(receiver):
    return Destination(to="http", format="csv", url=f"{receiver.url}/hook?a=b", timeout_s=10.0)


@pytest.fixture
def influx(receiver):
    return Destination(
        to="influxdb", format="influx", url=receiver.url, database="d", timeout_s=10.0
    )


@pytest.fixture
def collector(receiver):
    return Destination(to="otlp", format="otlp-metrics", url=receiver.url, timeout_s=10.0)


def test_a_post_arrives_whole(receiver, hook, means):
    result = push(payload(data=b"x" * 100_000), replace(hook, headers={"X-A": "b"}), means())
    assert result.problem == ""
    ((method, path, headers, body),) = receiver.requests
    assert (method, path, body) == ("POST", "/hook?a=b", b"x" * 100_000)
    assert headers["Content-Type"] == "text/csv"
    assert headers["X-A"] == "b"
    assert headers["User-Agent"].startswith("lens-gate/")
    assert "Authorization" not in headers


@pytest.mark.parametrize(
    ("sink", "shown"), [("hook", f"Bearer {TOKEN}"), ("influx", f"Token {TOKEN}")]
)
def test_a_token_goes_as_the_service_wants_it(sink, shown, receiver, means, request):
    name = "influx" if sink == "influx" else "csv"
    where = replace(request.getfixturevalue(sink), token_env="T")
    assert push(payload(name, b"m x=1 1\n"), where, means(T=f" {TOKEN}\n")).problem == ""
    assert receiver.requests[0][2]["Authorization"] == shown


def test_a_name_with_a_password_and_secret_headers(receiver, hook, means):
    where = replace(
        hook, username_env="U", password_env="P", header_env={"X-Scope": "S"}, headers={"X-A": "b"}
    )
    assert push(payload(), where, means(U="me", P="word", S="scope")).problem == ""
    headers = receiver.requests[0][2]
    assert base64.b64decode(headers["Authorization"].removeprefix("Basic ")) == b"me:word"
    assert (headers["X-Scope"], headers["X-A"]) == ("scope", "b")


@pytest.mark.parametrize(
    ("environ", "said"),
    [
        ({}, "the variable T is not set"),
        ({"T": " \n"}, "the variable T is not set"),
        ({"T": "a\nb"}, "the variable T holds characters that no header takes"),
        ({"T": "ключ"}, "the variable T holds characters that no header takes"),
    ],
)
def test_without_its_secret_nothing_is_sent(environ, said, receiver, hook, means):
    result = push(payload(), replace(hook, token_env="T"), means(**environ))
    assert said in result.problem
    assert receiver.requests == []


def test_netrc_is_not_asked(receiver, hook, means, tmp_path, monkeypatch):
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login me password secret\n")
    (tmp_path / "netrc").chmod(0o600)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    push(payload(), hook, means())
    assert "Authorization" not in receiver.requests[0][2]


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_a_passing_refusal_is_tried_again_after_growing_pauses(
    status, receiver, collector, means, clockwork
):
    receiver.answers = [(status, {}, b""), (status, {}, b""), (status, {}, b""), OK]
    assert push(payload("otlp-metrics", b"{}"), collector, means()).problem == ""
    assert len(receiver.requests) == 4
    assert clockwork.slept == [0.5, 1.0, 2.0]


@pytest.mark.parametrize("status", [400, 401, 403, 404, 408, 413, 500, 501])
def test_other_refusals_are_final_to_a_collector(status, receiver, collector, means, clockwork):
    receiver.answers = [(status, {}, b'{"code": 3, "message": "no such thing"}')]
    result = push(payload("otlp-metrics", b"{}"), collector, means())
    assert result.problem == f"it answered {status} 'no such thing'"
    assert len(receiver.requests) == 1
    assert clockwork.slept == []


def test_retry_after_is_obeyed_in_either_form(receiver, collector, means, clockwork):
    date = "Sun, 22 Nov 2026 00:01:45 GMT"
    receiver.answers = [(503, {"Retry-After": "3"}, b""), (429, {"Retry-After": date}, b""), OK]
    assert push(payload("otlp-metrics", b"{}"), collector, means()).problem == ""
    assert clockwork.slept == [3.0, 2.0]


@pytest.mark.parametrize("asked", ["0", "Sat, 21 Nov 2026 00:00:00 GMT"])
def test_a_server_that_asks_for_no_pause_is_sent_no_storm(
    asked, receiver, collector, means, clockwork
):
    receiver.answers = [(429, {"Retry-After": asked}, b"")] * 20 + [OK]
    assert push(payload("otlp-metrics", b"{}"), collector, means()).problem == "it answered 429"
    assert clockwork.slept == [0.5, 1.0, 2.0, 4.0]


def test_a_pause_beyond_the_timeout_ends_it_at_once(receiver, collector, means, clockwork):
    receiver.answers = [(429, {"Retry-After": "11"}, b"slow down")]
    result = push(payload("otlp-metrics", b"{}"), collector, means())
    assert result.problem == "it answered 429 'slow down'"
    assert clockwork.slept == []


def test_tries_end_with_the_timeout(receiver, collector, means, clockwork):
    receiver.answers = [(503, {}, b"")]
    assert "503" in push(payload("otlp-metrics", b"{}"), collector, means()).problem
    assert sum(clockwork.slept) < 10
    assert len(receiver.requests) == 5


def test_an_answer_that_never_came_is_asked_again_where_that_does_no_harm(
    receiver, influx, hook, means, clockwork
):
    receiver.answers = [None, (204, {}, b"")]
    assert push(payload("influx", b"m x=1 1\n"), influx, means()).problem == ""
    assert len(receiver.requests) == 2
    receiver.answers = [None, OK]
    result = push(payload(), hook, means())
    assert result.problem == (
        "the connection broke before there was an answer; it may have been taken"
    )
    assert len(receiver.requests) == 3


@pytest.mark.parametrize(("status", "tries"), [(502, 1), (504, 1), (503, 2), (429, 2)])
def test_a_gateway_that_gave_up_may_have_passed_a_post_on(status, tries, receiver, hook, means):
    receiver.answers = [(status, {}, b""), OK]
    result = push(payload(), hook, means())
    assert bool(result.problem) == (tries == 1)
    assert len(receiver.requests) == tries


def test_an_influxdb_that_fails_inside_is_asked_again(receiver, influx, means):
    receiver.answers = [(500, {}, b'{"error": "timeout"}'), (204, {}, b"")]
    assert push(payload("influx", b"m x=1 1\n"), influx, means()).problem == ""


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308, 304])
def test_no_redirect_is_followed(status, receiver, hook, means):
    receiver.answers = [(status, {"Location": f"{receiver.url}/elsewhere"}, b"")]
    result = push(payload(), replace(hook, token_env="T"), means(T=TOKEN))
    assert result.problem == (f"it redirects ({status}); name the address that it leads to")
    assert len(receiver.requests) == 1


def test_what_a_server_says_never_repeats_a_secret(receiver, hook, means):
    shown = base64.b64encode(TOKEN.encode()).decode()
    spoken = f"Bad Authorization: Bearer {TOKEN} ({shown})\n\x1b[31m{TOKEN[::-1]}".encode()
    receiver.answers = [(401, {}, spoken)]
    result = push(payload(), replace(hook, token_env="T"), means(T=TOKEN))
    assert result.problem.startswith("it answered 401 'Bad Authorization: Bearer [redacted]")
    assert TOKEN not in result.problem
    assert shown not in result.problem
    assert "\x1b" not in result.problem
    assert "\n" not in result.problem


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", ""),
        (b"plain words", " 'plain words'"),
        (b'{"error": "text"}', " 'text'"),
        (b'{"error": {"code": 1}}', ' \'{"error": {"code": 1}}\''),
        (b"[1, 2]", " '[1, 2]'"),
        (b"\xff\xfe", r" '\ufffd\ufffd'"),
        (b"[" * 100_000, None),
        (b"x" * 1_000_000, None),
    ],
)
def test_what_a_server_says_is_shown_in_part(body, said, receiver, hook, means):
    receiver.answers = [(400, {}, body)]
    problem = push(payload(), hook, means()).problem
    assert problem.startswith("it answered 400")
    assert len(problem) < 300
    if said is not None:
        assert problem == f"it answered 400{said}"


def test_what_an_address_says_in_its_query_is_not_repeated(receiver, hook, means):
    url = f"{receiver.url}/write?db=metrics&u=gate&p=hunter2%20hunter2&api_key=abcdefgh"
    echo = f"no access for {url}, hunter2 hunter2".encode()
    receiver.answers = [(401, {}, echo)]
    problem = push(payload(), replace(hook, url=url), means()).problem
    assert "hunter2" not in problem
    assert "abcdefgh" not in problem
    assert "db=metrics" in problem


def test_of_an_answer_that_is_cut_nothing_is_shown(receiver, hook, means):
    """It may end inside a secret, of which then a part would stand there."""
    body = b" " * (MAX_ANSWER_BYTES - 10) + TOKEN.encode() + b"x" * 1000
    receiver.answers = [(401, {}, body)]
    result = push(payload(), replace(hook, token_env="T"), means(T=TOKEN))
    assert result.problem == "it answered 401"


def test_an_answer_that_unpacks_to_gigabytes_is_left_alone(receiver, hook, means):
    bomb = gzip.compress(b"x" * 50_000_000)
    receiver.answers = [(400, {"Content-Encoding": "gzip"}, bomb)]
    assert push(payload(), hook, means()).problem == "it answered 400"


def test_what_was_taken_is_taken_also_if_the_answer_breaks_off(hook, means):
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()

        def serve():
            taken, _ = listening.accept()
            with taken:
                taken.recv(65536)
                taken.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc")

        thread = threading.Thread(target=serve)
        thread.start()
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        assert push(payload(), replace(hook, url=url), means()).problem == ""
        thread.join()


def test_certificates_that_are_not_there_are_told(means, monkeypatch, tmp_path):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "none.pem"))
    sink = Destination(to="http", format="csv", url="https://127.0.0.1:9", timeout_s=1.0)
    problem = push(payload(), sink, means()).problem
    assert problem == "the certificates that REQUESTS_CA_BUNDLE names can't be read"


def test_success_that_is_partial_is_told_and_not_sent_again(receiver, collector, means):
    body = b'{"partialSuccess": {"rejectedDataPoints": "4", "errorMessage": "too old"}}'
    receiver.answers = [(200, {}, body)]
    result = push(payload("otlp-metrics", b"{}"), collector, means())
    assert result.problem == "it did not take 4 of them: 'too old'"
    assert len(receiver.requests) == 1


def test_one_batch_that_is_refused_ends_the_push(receiver, influx, means):
    receiver.answers = [(204, {}, b""), (400, {}, b'{"error": "partial write"}')]
    lines = b"".join(b"m x=1 %d\n" % n for n in range(15_000))
    assert "partial write" in push(payload("influx", lines), influx, means()).problem
    assert len(receiver.requests) == 2


def test_too_much_is_not_sent(receiver, hook, means):
    result = push(payload(data=b"x" * (MAX_BYTES + 1)), hook, means())
    assert result.problem == "64 MiB are more than the 64 that are sent"
    assert receiver.requests == []


def test_nobody_there(means, clockwork):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        sink = Destination(to="http", format="csv", url=url, timeout_s=4.0)
        assert push(payload(), sink, means()).problem == "there was no connection"
    assert clockwork.slept == [0.5, 1.0, 2.0]


def test_a_name_that_nobody_has(means):
    sink = Destination(to="http", format="csv", url="http://none.invalid", timeout_s=0.4)
    assert push(payload(), sink, means()).problem == "there was no connection"


def test_a_server_that_says_nothing_is_given_up(means):
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        sink = Destination(to="http", format="csv", url=url, timeout_s=0.1)
        problem = push(payload(), sink, means()).problem
    assert problem == "it did not answer in time; it may have been taken"


def test_no_tls_where_tls_is_asked(receiver, means):
    url = receiver.url.replace("http://", "https://")
    sink = Destination(to="otlp", format="otlp-metrics", url=url, timeout_s=0.4)
    problem = push(payload("otlp-metrics", b"{}"), sink, means()).problem
    assert problem == "the connection broke before there was an answer"


def test_a_certificate_of_nobodys_is_told_as_one(means, tmp_path):
    import ssl
    import threading

    import trustme

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    with socket.socket() as plain:
        plain.bind(("127.0.0.1", 0))
        plain.listen()

        def serve():
            connection, _ = plain.accept()
            with connection:
                try:
                    context.wrap_socket(connection, server_side=True).close()
                except OSError:
                    return

        thread = threading.Thread(target=serve)
        thread.start()
        url = f"https://127.0.0.1:{plain.getsockname()[1]}"
        sink = Destination(to="otlp", format="otlp-metrics", url=url, timeout_s=5.0)
        problem = push(payload("otlp-metrics", b"{}"), sink, means()).problem
        thread.join()
    assert problem.startswith("its certificate is not trusted")
    assert "REQUESTS_CA_BUNDLE" in problem


def test_a_proxy_that_gives_no_connection(means, monkeypatch):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{taken.getsockname()[1]}")
        monkeypatch.delenv("NO_PROXY", raising=False)
        monkeypatch.delenv("no_proxy", raising=False)
        sink = Destination(to="http", format="csv", url="https://x.invalid", timeout_s=0.4)
        problem = push(payload(), sink, means()).problem
    assert problem == "the proxy gave no connection"


def test_secrets_are_not_in_a_repr():
    assert TOKEN not in repr(Secrets(headers={"A": TOKEN}, password=TOKEN, hidden=(TOKEN,)))


def test_a_file_is_replaced_whole(means, tmp_path):
    sink = Destination(to="file", format="csv", path="sub/a.csv")
    for data in (b"first", b"second"):
        assert push(payload(data=data), sink, means()).problem == ""
    folder = tmp_path / "out" / "sub"
    assert [(p.name, p.read_bytes()) for p in folder.iterdir()] == [("a.csv", b"second")]
    assert push(payload(data=b" third", append=True), sink, means()).problem == ""
    assert (folder / "a.csv").read_bytes() == b"second third"


def test_a_file_elsewhere_is_named_in_full(means, tmp_path):
    path = tmp_path / "collector" / "lens-gate.prom"
    sink = Destination(to="file", format="prometheus", path=str(path))
    assert push(payload(data=b"a 1\n"), sink, means()).problem == ""
    assert path.read_bytes() == b"a 1\n"


def test_no_link_in_the_output_folder_is_followed(means, tmp_path):
    out, elsewhere = tmp_path / "out", tmp_path / "elsewhere"
    out.mkdir()
    elsewhere.mkdir()
    (out / "sub").symlink_to(elsewhere)
    (out / "a.csv").symlink_to(elsewhere / "b.csv")
    for path in ("sub/a.csv", "a.csv"):
        sink = Destination(to="file", format="csv", path=path)
        assert "is a link, which is not followed" in push(payload(), sink, means()).problem
    assert list(elsewhere.iterdir()) == []


def test_a_disk_that_does_not_take_it(means, tmp_path):
    (tmp_path / "out").write_text("a file where a folder should be")
    sink = Destination(to="file", format="csv", path="a.csv")
    assert push(payload(), sink, means()).problem.startswith("it can't be written: ")
