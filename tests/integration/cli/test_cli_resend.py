"""Servers that promise to keep connections open and close them: no request is lost to that.

The server below, of the standard library alone, answers the first request of each connection and
closes it as the second one comes, without a byte: what llama.cpp's server does in the wild.
"""

import json
import socketserver
import threading
from contextlib import contextmanager
from decimal import Decimal

import pytest

pytestmark = pytest.mark.xdist_group("resend")

CHUNK = {"id": "c", "model": "m", "choices": [{"index": 0, "delta": {"content": "hi"}}]}
LAST = {
    "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 10, "completion_tokens": 2},
}


class Fickle(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        for number in range(self.server.kept):
            if not self.read_request():
                return
            self.server.answered += 1
            self.answer(keep=number + 1 < self.server.kept or self.server.promises)
        if self.read_request():
            self.server.dropped += 1

    def read_request(self) -> bool:
        length = 0
        line = self.rfile.readline()
        if not line:
            return False
        while line.strip():
            name, _, value = line.decode().partition(":")
            length = int(value) if name.lower() == "content-length" else length
            line = self.rfile.readline()
        self.rfile.read(length)
        return True

    def answer(self, *, keep: bool) -> None:
        body = "".join(f"data: {json.dumps(event)}\n\n" for event in (CHUNK, LAST)).encode()
        head = (
            "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
            f"Content-Length: {len(body)}\r\n"
            f"Connection: {'keep-alive' if keep else 'close'}\r\n\r\n"
        )
        self.wfile.write(head.encode() + body)


@contextmanager
def fickle(*, kept: int = 1, promises: bool = True):
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Fickle) as server:
        server.daemon_threads = True
        server.answered = server.dropped = 0
        server.kept, server.promises = kept, promises
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def samples(root) -> list[dict]:
    lines = (root / "lens-gate-out/adhoc/run.jsonl").read_text().splitlines()
    return [s for s in map(json.loads, lines) if s["type"] == "sample"]


def benchmark(lens, root, server, *more: str):
    target = (
        f"openai-compatible:m@http://127.0.0.1:{server.server_address[1]}/v1,"
        "price.input=1,price.output=4"
    )
    return lens(root, "benchmark", "--target", target, "--warmup", "0", *more)


def test_a_request_that_meets_a_closed_connection_goes_over_a_new_one(lens, tmp_path) -> None:
    with fickle() as server:
        done = benchmark(lens, tmp_path, server, "-n", "6", "-c", "1")
    assert done.code == 0, done.said
    found = samples(tmp_path)
    assert [s["failure"] for s in found] == [None] * 6
    assert {s["attempts"] for s in found} == {1}
    resent = [s for s in found if s["resent"]]
    assert server.answered == 6
    # Without sending again each of these would have been a failed request.
    assert len(resent) == server.dropped > 0
    bill = Decimal(18) / 10**6
    for sample in found:
        lost = Decimal(sample["reserved_usd"]) if sample["resent"] else 0
        assert Decimal(sample["cost_usd"]) == bill
        assert Decimal(sample["settled_usd"]) == bill + lost
        assert not (sample["resent"] and sample["marks"]["reused"])
    assert f"{len(resent)} requests met an idle connection" in done.out


def test_it_is_sent_again_once_and_only_over_a_kept_connection(lens, tmp_path) -> None:
    with fickle(kept=0) as server:
        done = benchmark(lens, tmp_path, server, "-n", "2", "-c", "1")
    assert done.code == 5, done.said
    found = samples(tmp_path)
    # The connections were opened in advance, so the first try of each may count as kept.
    assert all(s["failure"]["status"] == "connection" for s in found)
    assert server.dropped <= 2 * len(found)


def test_the_cap_on_money_counts_every_sending(lens, tmp_path) -> None:
    with fickle() as server:
        done = benchmark(lens, tmp_path, server, "-n", "6", "-c", "1", "--max-usd", "0.0021")
    spent = sum(Decimal(s["settled_usd"]) for s in samples(tmp_path))
    assert spent <= Decimal("0.0021")
    assert done.code in (0, 4), done.said
