"""Where a server reports no usage: an estimate, marked, that no cost rests on."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from lens_gate.metrics.arms import head_arm
from lens_gate.metrics.summary import remarks, statistics

NO_USAGE = [{"kind": "no_usage", "every": 1}]


def test_missing_usage_is_estimated_and_marked(bench) -> None:
    outcome = bench.run(bench.plan(bench.policy()), bench.behave(faults=NO_USAGE))
    assert outcome.measured
    for sample in outcome.measured:
        assert sample.failure is None
        assert sample.usage.source == "estimated"
        # The simulator writes five tokens, one in each event.
        assert sample.usage.output_total >= 5
        assert sample.usage.input_total > 0
        assert sample.cost_usd is None
        assert sample.settled_usd == sample.reserved_usd
    assert "are estimated" in " ".join(remarks(outcome.measured))


def test_an_estimate_decides_nothing(bench) -> None:
    outcome = bench.run(bench.plan(bench.policy()), bench.behave(faults=NO_USAGE))
    for metric in ("cost_usd", "output_tokens", "input_tokens", "itl"):
        assert list(head_arm(outcome.measured, metric, {}).values) == []
    shown = statistics(outcome.measured)
    assert "ttft" in shown
    assert not {"cost_usd", "output_tokens", "itl"} & set(shown)


def test_failed_requests_are_not_estimated(bench) -> None:
    faults = [{"kind": "cut", "every": 1, "after_chunks": 2}]
    outcome = bench.run(bench.plan(bench.policy()), bench.behave(faults=faults))
    assert all(s.failure is not None and s.usage is None for s in outcome.measured)


class _Early(BaseHTTPRequestHandler):
    """Counts one token with the first event, and never again."""

    protocol_version = "HTTP/1.1"

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        deltas = [{"role": "assistant"}, *({"content": "word "} for _ in range(6))]
        events = [{"choices": [{"index": 0, "delta": delta}]} for delta in deltas]
        events[0]["usage"] = {"prompt_tokens": 9, "completion_tokens": 1}
        events.append({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
        body = "".join(f"data: {json.dumps(event)}\n\n" for event in events) + "data: [DONE]\n\n"
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_said):
        """Say nothing."""


def test_counts_from_before_the_output_are_no_counts_of_it(bench) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Early) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        outcome = bench.run(
            bench.plan(bench.policy()), {"one": f"http://127.0.0.1:{server.server_port}/v1"}
        )
        server.shutdown()
    assert outcome.measured
    for sample in outcome.measured:
        assert sample.failure is None
        assert (sample.usage.source, sample.usage.output_total) == ("estimated", 8)
        assert sample.cost_usd is None
        assert sample.settled_usd == sample.reserved_usd
