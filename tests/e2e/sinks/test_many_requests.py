"""20,000 requests through each sink that takes them: in parts that receivers take, and in time."""

import gzip
import json
import threading
from dataclasses import replace
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from lens_gate.flows.outputs import RUN_FILE, load_report
from lens_gate.flows.outside import Outside
from lens_gate.flows.sinking import Pushing, push_report
from lens_gate.records.codec import to_json
from lens_gate.records.destination import Destination
from lens_gate.runner.journal import read_run

MANY = 20_000
MOST = 4 * 1024**2


@pytest.fixture
def receiver():
    """What it was sent, unpacked, by path; more than it takes at once it refuses."""
    bodies = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_):
            """Say nothing."""

        def do_POST(self):
            body = gzip.decompress(self.rfile.read(int(self.headers["Content-Length"])))
            is_small = len(body) <= MOST + 64 * 1024
            if is_small:
                bodies.append((self.path, body))
            self.send_response(200 if is_small else 413)
            self.send_header("Content-Length", "0")
            self.end_headers()

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", bodies
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_many_requests_go_through_every_sink(pushed, receiver, tmp_path):
    url, bodies = receiver
    report, run = load_report(pushed.out / "report.json"), read_run(pushed.out / RUN_FILE)
    header = (pushed.out / RUN_FILE).read_text("utf-8").splitlines()[0]
    with (tmp_path / RUN_FILE).open("w") as journal:
        journal.write(header + "\n")
        for seq in range(MANY):
            body = to_json(replace(run.samples[seq % len(run.samples)], seq=seq))
            journal.write(json.dumps({"type": "sample", **body}) + "\n")
    said = []
    world = Outside(
        environ={},
        cwd=tmp_path,
        now=lambda: datetime.now(UTC),
        entropy=lambda: 1,
        observe=lambda _progress: None,
        tell=said.append,
    )
    sinks = (
        Destination(to="otlp", format="otlp-traces", url=url),
        Destination(to="otlp", format="otlp-metrics", url=url),
        Destination(to="influxdb", format="influx", url=url, database="d"),
        Destination(to="file", format="jsonl", path="all.jsonl"),
    )
    push_report(report, Pushing(sinks=sinks, labels={"event": "push"}), tmp_path, world)
    assert [line.split()[0] for line in said] == ["pushed"] * 4, said
    spans = [
        span
        for path, body in bodies
        if path == "/v1/traces"
        for resource in json.loads(body)["resourceSpans"]
        for scope in resource["scopeSpans"]
        for span in scope["spans"]
    ]
    assert len({span["traceId"] for span in spans}) == MANY
    assert len({(span["traceId"], span["spanId"]) for span in spans}) == len(spans)
    points = [
        line
        for path, body in bodies
        if path.startswith("/write")
        for line in body.splitlines()
        if line.startswith(b"lens_gate_request,")
    ]
    assert len(points) == MANY
    assert len((tmp_path / "all.jsonl").read_bytes().splitlines()) == MANY
