"""The ruler of the benchmarks: it keeps its schedule, never early, and its log is what it did."""

import importlib.util
import json
import math
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the bench server needs epoll")

FILE = Path(__file__).parents[3] / "bench" / "raw_server.py"


@pytest.fixture(scope="module")
def raw_server():
    spec = importlib.util.spec_from_file_location("raw_server", FILE)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@contextmanager
def serving(*options):
    command = [sys.executable, FILE, "--no-realtime", *map(str, options)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield int(process.stdout.readline().rpartition(":")[2]), process
        finally:
            process.stdin.close()
            assert process.wait(20) == 0


class Client:
    def __init__(self, port):
        self.sock = socket.create_connection(("127.0.0.1", port), timeout=20)
        self.file = self.sock.makefile("rb")

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.file.close()
        self.sock.close()

    def ask(self, headers=None, *, body=b"{}", pieces=1, between=lambda: None):
        lines = [f"{k}: {v}" for k, v in {"Host": "x", **(headers or {})}.items()]
        head = "\r\n".join(["POST /v1/chat/completions HTTP/1.1", *lines])
        data = f"{head}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body
        before = 0
        step = math.ceil(len(data) / pieces)
        for start in range(0, len(data), step):
            if start:
                between()
            before = time.monotonic_ns()
            self.sock.sendall(data[start : start + step])
        return before, time.monotonic_ns()

    def head(self):
        return list(iter(self.file.readline, b"\r\n"))

    def events(self):
        """The chunks of one chunked body, each as the JSON of its event."""
        while size := int(self.file.readline(), 16):
            chunk = self.file.read(size)
            assert self.file.read(2) == b"\r\n"
            assert chunk.startswith(b"data: ")
            assert chunk.endswith(b"\n\n")
            yield chunk[6:-2]
        assert self.file.readline() == b"\r\n"

    def answer(self):
        assert self.head()[0] == b"HTTP/1.1 200 OK\r\n"
        *said, end = self.events()
        assert end == b"[DONE]"
        return [json.loads(text) for text in said]

    def get(self, path):
        self.sock.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        self.head()
        return json.loads(self.sock_body())

    def sock_body(self):
        text, depth = b"", 0
        while not text or depth:
            byte = self.file.read(1)
            text += byte
            depth += (byte in b"{[") - (byte in b"}]")
        return text


def texts(chunks):
    return [
        choice["delta"]["content"]
        for chunk in chunks
        for choice in chunk["choices"]
        if choice["delta"].get("content")
    ]


@pytest.mark.parametrize("tokens", [1, 2, 7])
@pytest.mark.parametrize("head", ["early", "first"])
def test_an_answer_has_its_tokens_a_finish_and_usage(tokens, head):
    with (
        serving("--tokens", tokens, "--rate", 1000, "--ttft-ms", 1, "--head", head) as (port, _),
        Client(port) as client,
    ):
        for _ in range(2):  # the connection serves again
            client.ask()
            chunks = client.answer()
            assert len(texts(chunks)) == tokens
            assert chunks[0]["choices"][0]["delta"]["role"] == "assistant"
            assert chunks[-2]["choices"][0]["finish_reason"] == "stop"
            assert chunks[-1]["usage"]["completion_tokens"] == tokens


def test_the_log_tells_when_the_request_came_and_never_a_send_before_it_was_due():
    with (
        serving("--tokens", 4, "--rate", 200, "--ttft-ms", 15) as (port, _),
        Client(port) as one,
        Client(port) as two,
    ):
        spans = {"a": one.ask({"x-bench-id": "a"}), "b": two.ask({"x-bench-id": "b"}, pieces=9)}
        got = {"a": one.answer(), "b": two.answer()}
        end = time.monotonic_ns()
        told = one.get("/stamps")
    assert sorted(entry["id"] for entry in told["log"]) == ["a", "b"]
    for entry in told["log"]:
        before, after = spans[entry["id"]]
        # The kernel took the request in while our send call of its last bytes was under way; the
        # two clocks that tell so are mapped to each other to a few microseconds.
        assert before - 20_000 <= entry["arrived"] <= after + 20_000
        assert len(entry["before"]) == len(entry["after"]) == len(texts(got[entry["id"]])) == 4
        for place in range(4):
            due = entry["arrived"] + 15_000_000 + place * 5_000_000
            # Not the moment after: the bytes may be here before the server's call returns.
            assert due <= entry["before"][place] <= min(end, entry["after"][place])
    assert told["sends"] == told["lateness"]["n"] == 8
    assert told["streams"] == 2
    assert told["stalled"] == 0


def test_a_request_may_ask_for_another_schedule():
    with (
        serving("--tokens", 50, "--rate", 1, "--ttft-ms", 60_000) as (port, _),
        Client(port) as client,
    ):
        wish = {"x-bench-tokens": 3, "x-bench-rate": 100, "x-bench-ttft-ms": 2.5}
        client.ask({**wish, "x-bench-head": "first"})
        assert len(texts(client.answer())) == 3
        entry = client.get("/stamps")["log"][0]
        assert client.get("/stamps")["log"] == [], "it is told once"
    first, second, third = entry["before"]
    assert first >= entry["arrived"] + 2_500_000
    assert second >= entry["arrived"] + 12_500_000
    assert third >= entry["arrived"] + 22_500_000


def test_a_request_that_comes_in_pieces_is_one_that_came_with_its_last():
    with serving("--tokens", 2, "--ttft-ms", 1) as (port, _), Client(port) as client:
        with Client(port) as other:
            # The server takes in what came first: once it answers the other, the piece is read.
            before, _ = client.ask(
                {"x-bench-id": "p"}, body=b"x" * 50, pieces=9, between=lambda: other.get("/stamps")
            )
        assert len(texts(client.answer())) == 2
        told = client.get("/stamps")
    assert [entry["id"] for entry in told["log"]] == ["p"]
    assert told["log"][0]["arrived"] >= before - 20_000


def test_a_client_that_leaves_ends_its_stream_alone():
    with serving("--tokens", 5, "--rate", 200, "--ttft-ms", 5) as (port, _), Client(port) as stays:
        with Client(port) as leaves:
            leaves.ask({"x-bench-id": "leaves", "x-bench-tokens": 100_000})
            leaves.head()
            next(leaves.events())
        stays.ask({"x-bench-id": "stays"})
        assert len(texts(stays.answer())) == 5
        told = stays.get("/stamps")
    sends = {entry["id"]: len(entry["before"]) for entry in told["log"]}
    assert sends["stays"] == 5
    assert sends["leaves"] < 100
    assert told["stalled"] == 1


def test_the_last_line_tells_the_lateness_of_the_whole_life():
    with serving("--tokens", 2, "--rate", 1000, "--ttft-ms", 1) as (port, process):
        with Client(port) as client:
            client.ask()
            client.answer()
            client.get("/lateness")
            client.ask()
            client.answer()
        process.stdin.close()
        last = process.stdout.read().splitlines()[-1]
    told = json.loads(last[last.index("{") :])
    assert told["n"] == 4
    assert last.startswith("VOID") == told["void"]


@pytest.mark.parametrize(
    ("late", "void"),
    [
        ([99_000] * 1000, False),
        ([101_000] * 1000, True),
        ([0] * 995 + [5_000_000] * 5, False),
        ([0] * 985 + [5_000_000] * 15, True),
        ([], True),
    ],
)
def test_late_by_more_than_a_tenth_of_a_millisecond_is_void(raw_server, late, void):
    assert raw_server.summary(late)["void"] is void


def test_lateness_counts_from_the_schedule_not_from_the_send_before(raw_server):
    """The plausible wrong way, gaps between sends, would hide that every send is late."""
    schedule = raw_server.Schedule(tokens=3, first_ns=100, gap_ns=10, early_head=True)
    stream = raw_server.Stream("x", 1000, schedule, None)
    stream.before = [1107, 1117, 1127]
    assert raw_server.lateness([stream]) == [7, 7, 7]
