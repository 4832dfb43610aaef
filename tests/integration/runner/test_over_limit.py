"""A server that goes on and on is cut off, whatever its protocol counts events in."""

import json
import socketserver
import threading
from contextlib import contextmanager

import pytest

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
