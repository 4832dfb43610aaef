"""What measuring does beside the timed path must not hold up the next request."""

import json
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise

import pytest

EVENTS = 6000


def _event(delta, finish=None):
    chunk = {"model": "m", "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}
    return f"data: {json.dumps(chunk)}\n\n"


# So many events that taking them apart takes long, sent in one piece.
BODY = (
    _event({"content": " word"}) * EVENTS
    + _event({}, "stop")
    + f'data: {{"choices": [], "usage": {{"prompt_tokens": 9, "completion_tokens": {EVENTS}}}}}\n\n'
    + "data: [DONE]\n\n"
).encode()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *_):
        """Say nothing."""

    def do_POST(self):
        self.server.arrived.append(time.monotonic_ns())
        if self.server.patient and len(self.server.arrived) > 1:
            # The client is at rest when it answers, so that it reads the answer when it comes.
            self.server.taken_down.acquire(timeout=10)
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Content-Length", str(len(BODY)))
        self.end_headers()
        self.wfile.write(BODY)


@contextmanager
def _serving(*, patient=False):
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.daemon_threads = True
    server.arrived, server.patient, server.taken_down = [], patient, threading.Semaphore(0)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture(scope="module")
def played(bench):
    """Nine requests, one at a time: their samples, when each came in, when each was taken down."""
    recorded = []

    with _serving(patient=True) as server:

        def note(*_):
            recorded.append(time.monotonic_ns())
            server.taken_down.release()

        policy = bench.policy(
            budget={"max_usd": 100, "max_requests": 500, "max_duration": "60s"},
            scenarios__chat__max_output_tokens=EVENTS,
            scenarios__chat__load={"pattern": "closed", "concurrency": 1},
            scenarios__chat__samples={"min": 8, "max": 8, "warmup": 1},
        )
        outcome = bench.run(
            bench.plan(policy),
            {"one": f"http://127.0.0.1:{server.server_address[1]}/v1"},
            on_progress=note,
        )
    assert [s.failure for s in outcome.run.samples] == [None] * 9
    assert [s.seq for s in outcome.run.samples] == list(range(9))
    return outcome, server.arrived, recorded


def test_the_next_request_arrives_before_the_last_answer_has_been_taken_apart(played):
    outcome, arrived, recorded = played
    # The first answer is read before anything follows it: its bill may end the target. So is that
    # of the warm-up.
    assert arrived[1] > recorded[0]
    for k in range(2, 9):
        assert arrived[k] < recorded[k - 1]
    marks = [s.marks for s in outcome.measured]
    for earlier, mark in pairwise(marks):
        # The slot was free at the last byte, and that is what its delay counts from.
        assert earlier.done == mark.ready < mark.sent


def test_an_answer_that_waits_to_be_taken_apart_is_not_cut(bench):
    """A stop while answers wait for their turn: they have arrived, and count as what they are."""

    def stop(progress, interrupt):
        if progress.done == 3:
            interrupt.set()

    with _serving() as server:
        policy = bench.policy(
            budget={"max_usd": 100, "max_requests": 500, "max_duration": "60s"},
            scenarios__chat__max_output_tokens=EVENTS,
            scenarios__chat__load={"pattern": "closed", "concurrency": 4},
            scenarios__chat__samples={"min": 8, "max": 24, "warmup": 1},
        )
        outcome = bench.run(
            bench.plan(policy),
            {"one": f"http://127.0.0.1:{server.server_address[1]}/v1"},
            on_progress=stop,
        )
    samples, spend = outcome.run.samples, outcome.run.end.spend
    assert outcome.run.end.reason == "interrupted"
    assert len(samples) == spend.requests == len(server.arrived)
    whole = [s for s in samples if s.phase != "cut"]
    assert all(s.usage.output_total == EVENTS for s in whole)
    assert sum(s.settled_usd for s in samples) == spend.spent_usd
    assert all(s.settled_usd == s.cost_usd for s in whole)
