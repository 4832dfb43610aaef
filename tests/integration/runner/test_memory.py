"""Memory: a run keeps nothing of a request that is over, and reading one back keeps little."""

import gc
import json
import subprocess
import sys
import threading
import tracemalloc
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from lens_gate.records.exchange import HttpRequest
from lens_gate.runner.journal import read_run

EARLY, LATE = 200, 800
RAW_SERVER = Path(__file__).parents[3] / "bench" / "raw_server.py"


def _event(delta, finish=None):
    chunk = {"model": "m", "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}
    return f"data: {json.dumps(chunk)}\n\n"


BODY = (
    _event({"content": " word"}) * 5
    + _event({}, "stop")
    + 'data: {"choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": 5}}\n\n'
    + "data: [DONE]\n\n"
).encode()


class _Handler(BaseHTTPRequestHandler):
    """Keeps nothing, so that whatever grows in this process is ours."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *_):
        """Say nothing."""

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.server.over.wait(self.server.pause_s)
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Content-Length", str(len(BODY)))
        self.end_headers()
        self.wfile.write(BODY)


@contextmanager
def _serving(pause_s=0):
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.daemon_threads = True
    server.pause_s, server.over = pause_s, threading.Event()
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/v1"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


LOADS = {
    "closed": {"pattern": "closed", "concurrency": 2},
    "open": {"pattern": "constant", "rate": 400, "max_in_flight": 2},
}


def _run(bench, load, look, url):
    policy = bench.policy(
        budget={"max_usd": 100, "max_requests": 5000, "max_duration": "60m"},
        scenarios__chat__load=load,
        scenarios__chat__samples={"min": 8, "max": LATE + 20, "warmup": 0},
    )
    outcome = bench.run(bench.plan(policy), {"one": url}, on_progress=look)
    assert not any(s.failure for s in outcome.run.samples)


@pytest.mark.parametrize("load", LOADS)
def test_what_lives_does_not_grow_with_the_requests(bench, load):
    objects, blocks = {}, {}

    def look(progress, _):
        if progress.done in (EARLY, LATE):
            gc.collect()
            objects[progress.done] = len(gc.get_objects())
            blocks[progress.done] = sys.getallocatedblocks()

    with _serving(0.002) as url:
        _run(bench, LOADS[load], look, url)
    # A sample is three objects and some twenty blocks: itself, marks, usage, numbers, texts. Half
    # of that may be the answers that just wait to be taken apart, on a busy machine.
    assert (objects[LATE] - objects[EARLY]) / (LATE - EARLY) < 1.5
    assert (blocks[LATE] - blocks[EARLY]) / (LATE - EARLY) < 10


@contextmanager
def _apart():
    """A server in a process of its own, plain sockets: it answers faster than we take apart."""
    command = [sys.executable, RAW_SERVER, "--no-realtime", "--tokens", "5", "--rate", "2000"]
    with subprocess.Popen(
        [*command, "--ttft-ms", "1"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield f"http://127.0.0.1:{process.stdout.readline().strip().rpartition(':')[2]}/v1"
        finally:
            process.stdin.close()
            process.stdout.read()


@pytest.mark.skipif(sys.platform != "linux", reason="the bench server needs epoll")
def test_answers_that_come_faster_than_they_are_read_do_not_pile_up(bench):
    waiting = []

    def look(progress, _):
        if progress.done % 50 == 0:
            waiting.append(sum(type(x) is HttpRequest for x in gc.get_objects()))

    with _apart() as url:
        _run(bench, {"pattern": "closed", "concurrency": 30}, look, url)
    # In flight, in line to be taken apart, and what came in while they were.
    assert max(waiting) <= 30 + 16 + 30


@pytest.fixture(scope="module")
def journal(bench, tmp_path_factory):
    """A run of three samples, its samples repeated as those of a longer one would be."""
    policy = bench.policy(scenarios__chat__samples={"min": 8, "max": 8, "warmup": 0})
    with _serving() as url:
        outcome = bench.run(bench.plan(policy), {"one": url})
    start, *samples, end = outcome.raw.splitlines(keepends=True)
    path = tmp_path_factory.mktemp("long") / "run.jsonl"
    path.write_bytes(start + b"".join(samples) * 100 + end)
    return path


def test_reading_back_needs_no_more_than_what_it_gives(journal):
    read_run(journal)  # what the first reading of any journal keeps for itself
    tracemalloc.start()
    try:
        run = read_run(journal)
        kept, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(run.samples) == 800
    assert peak < 1.1 * kept
    assert kept < 2 * journal.stat().st_size


def test_what_samples_have_in_common_is_kept_once(journal):
    first, *others = read_run(journal).samples
    for name in ("scenario", "target", "phase", "arm", "model", "finish_reason", "settled_usd"):
        assert all(getattr(s, name) is getattr(first, name) for s in others), name
    assert all(s.marks.clock is first.marks.clock for s in others)
