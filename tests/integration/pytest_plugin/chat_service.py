"""A server of OpenAI's chat protocol that is not ours: of the standard library, and it counts."""

import json
import threading
import time
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

INPUT_TOKENS, OUTPUT_TOKENS = 10, 5
EACH = Decimal("0.00003")
"""What a request costs, in US dollars: $1 and $4 for a million tokens in and out."""


class Service(ThreadingHTTPServer):
    """Answers OpenAI's chat protocol; ``served`` counts, ``delay_s`` is before the first token."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.served = 0
        self.delay_s = 0.0
        self.lock = threading.Lock()

    @property
    def target(self) -> str:
        """A model of which each request costs $0.00003: 10 tokens in, 5 out."""
        return (
            f"openai-compatible:m@http://127.0.0.1:{self.server_address[1]}/v1,"
            "price.input=1,price.output=4"
        )


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Service

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        with self.server.lock:
            self.server.served += 1
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        time.sleep(self.server.delay_s)
        for number in range(OUTPUT_TOKENS):
            self._event({"choices": [{"index": 0, "delta": {"content": f"w{number} "}}]})
        self._event({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
        usage = {
            "prompt_tokens": INPUT_TOKENS,
            "completion_tokens": OUTPUT_TOKENS,
            "total_tokens": INPUT_TOKENS + OUTPUT_TOKENS,
        }
        self._event({"choices": [], "usage": usage})
        self._chunk(b"data: [DONE]\n\n")
        self._chunk(b"")

    def _event(self, body: dict[str, object]) -> None:
        body = {"id": "x", "object": "chat.completion.chunk", "model": "m-1", **body}
        self._chunk(b"data: " + json.dumps(body).encode() + b"\n\n")

    def _chunk(self, data: bytes) -> None:
        self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
        self.wfile.flush()

    def log_message(self, *_: object) -> None: ...
