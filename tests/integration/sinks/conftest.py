"""A receiver that answers by a script, and the world that a push is given."""

import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from lens_gate.sinks import Clock, Means
from lens_gate.transport import Redactor


@dataclass
class Receiver:
    """What it was sent, and what it says to each request; to the last one, again and again."""

    url: str = ""
    answers: list = field(default_factory=lambda: [(200, {}, b"")])
    requests: list = field(default_factory=list)

    def next(self):
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


@dataclass
class Clockwork:
    """A clock that stands still but for the pauses that are slept."""

    now: float = 100.0
    slept: list = field(default_factory=list)

    def sleep(self, seconds):
        self.slept.append(seconds)
        self.now += seconds


@pytest.fixture
def clockwork():
    return Clockwork()


@pytest.fixture
def means(tmp_path, clockwork):
    """The world of a push; the variables are those that the test sets."""

    def make(**environ):
        return Means(
            environ=environ,
            folder=str(tmp_path / "out"),
            clock=Clock(
                monotonic=lambda: clockwork.now,
                wall=lambda: 1795305600.0 + clockwork.now,
                sleep=clockwork.sleep,
            ),
            redactor=Redactor,
            chance=lambda: 1.0,
        )

    return make


@pytest.fixture
def receiver():
    found = Receiver()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_):
            """Say nothing."""

        def handle_any(self):
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            found.requests.append((self.command, self.path, dict(self.headers), body))
            answer = found.next()
            if answer is None:  # nothing at all
                self.close_connection = True
                return
            status, headers, data = answer
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_POST = handle_any  # noqa: N815  # the standard library's name
        do_PUT = handle_any  # noqa: N815  # likewise

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    found.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield found
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
