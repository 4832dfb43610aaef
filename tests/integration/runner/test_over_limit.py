"""A server that goes on and on is cut off, whatever its protocol counts events in."""

import json
import socketserver
import threading
from contextlib import contextmanager

import pytest

from lens_gate.runner.attempt import _Limit

ALLOWED = 16
_CHUNKED = b"HTTP/1.1 200 OK\r\nContent-Type: %b\r\nTransfer-Encoding: chunked\r\n\r\n"


def _line() -> bytes:
    said = {"model": "m", "message": {"role": "assistant", "content": " word"}, "done": False}
    return json.dumps(said).encode() + b"\n"


def _event() -> bytes:
    said = {"model": "m", "choices": [{"index": 0, "delta": {"content": " word"}}]}
    return b"data: " + json.dumps(said).encode() + b"\n\n"


class _Endless(socketserver.StreamRequestHandler):
    """Answers each request by an event for ever."""

    def handle(self) -> None:
        size = 0
        while (line := self.rfile.readline().strip()) != b"":
            name, _, value = line.partition(b":")
            size = int(value) if name.lower() == b"content-length" else size
        self.rfile.read(size)
        event = self.server.event()
        chunk = b"%x\r\n%b\r\n" % (len(event), event)
        try:
            self.connection.sendall(_CHUNKED % self.server.media)
            while not self.server.over.is_set():
                self.connection.sendall(chunk)
        except OSError:
            pass  # the client has seen enough


@contextmanager
def endless(media: bytes, event):
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), _Endless) as server:
        server.daemon_threads = True
        server.media, server.event, server.over = media, event, threading.Event()
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield server
        finally:
            server.over.set()
            server.shutdown()
            thread.join()


@pytest.mark.parametrize(
    ("provider", "media", "event"),
    [
        ("ollama", b"application/x-ndjson", _line),
        ("openai-compatible", b"text/event-stream", _event),
    ],
)
def test_an_endless_answer_is_cut_after_a_multiple_of_what_was_allowed(
    bench, provider, media, event
):
    with endless(media, event) as server:
        url = f"http://127.0.0.1:{server.server_address[1]}"
        target = {"provider": provider, "model": "m", "base_url": url, "price": "free"}
        policy = bench.policy(
            targets__one=target,
            scenarios__chat__max_output_tokens=ALLOWED,
            scenarios__chat__samples={"min": 1, "max": 8, "warmup": 0},
        )
        outcome = bench.run(bench.plan(policy), {"one": url})
    assert {s.failure.status for s in outcome.run.samples} == {"over_limit"}
    # As many as one read may hold come on top.
    most = 512 + 2 * ALLOWED + 64 * 1024 // len(event())
    assert all(len(s.marks.output_ns) <= most for s in outcome.run.samples)


@pytest.mark.parametrize("at_once", [1, 7, 1001])
@pytest.mark.parametrize(
    ("event", "mark"),
    [
        (b"data:", b"data:"),
        (_event(), b"data:"),
        (b":event-type", b":event-type"),
        (b"\n", b"\n"),
        (_line(), b"\n"),
    ],
)
def test_the_first_event_too_many_is_the_one_that_ends_it(event, mark, at_once):
    """However small events are: counting is put off only while the bytes can't hold too many."""
    limit = _Limit(1000, mark)
    look = limit.around(lambda _data: False)
    read = event * at_once
    cut = [look(read) for _ in range(1000 // at_once)]
    assert not any(cut)
    assert (look(read), limit.exceeded) == (True, True)


def test_the_protocols_own_watch_is_asked_about_every_read():
    seen = []
    look = _Limit(1000, b"data:").around(lambda data: bool(seen.append(data)) or data == b"last")
    assert [look(data) for data in (b"data: 1", b"data: 2", b"last")] == [False, False, True]
    assert seen == [b"data: 1", b"data: 2", b"last"]
