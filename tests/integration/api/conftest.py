"""A server that answers by the model it is asked for; the library in this process beside it."""

import json
import os
import threading
import time
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

_FOREIGN = ("GIT_", "GITHUB_", "GITLAB_", "CI", "LENS_GATE_")
PIECES = ("One ", "two ", "three ", "four")


class House(ThreadingHTTPServer):
    """Its models: fast, slow (5 ms before each piece), dear (counts twice the tokens), fail, odd
    (each second one fails), gone (there is no such model), drift (counts more with every request),
    hold (waits until it is free).
    """

    daemon_threads = True
    request_queue_size = 64

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.asked: list[dict] = []
        self.lock = threading.Lock()
        self.held = threading.Semaphore(0)  # released for each request that is held
        self.free = threading.Event()

    def target(self, model: str = "fast", **more: object) -> dict[str, object]:
        return {
            "provider": "openai-compatible",
            "base_url": f"http://127.0.0.1:{self.server_address[1]}/v1",
            "model": model,
            "price": {"input": 2, "output": 8},
            **more,
        }

    def of(self, model: str) -> list[dict]:
        return [body for body in self.asked if body["model"] == model]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: House

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with self.server.lock:
            self.server.asked.append(body)
            number = len(self.server.of(body["model"]))
            all_of_them = len(self.server.asked)
        model = body["model"].partition("-")[0]
        if model == "hold":
            self.server.held.release()
            self.server.free.wait(20)
        if model == "fail" or (model == "odd" and number % 2 == 0):
            self._refuse(503, "the house is full")
        elif model == "gone":
            self._refuse(404, "no such model")
        else:
            with suppress(ConnectionError):
                counted = {"dear": 8, "drift": 10 + all_of_them}.get(model, 4)
                self._stream(body["model"], 0.005 if model == "slow" else 0.0, counted)

    def _refuse(self, status: int, message: str) -> None:
        data = json.dumps({"error": {"message": message, "type": "x"}}).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _stream(self, model: str, wait_s: float, counted: int) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for index, piece in enumerate(PIECES):
            time.sleep(wait_s)
            finish = "stop" if index == len(PIECES) - 1 else None
            choice = {"index": 0, "delta": {"content": piece}, "finish_reason": finish}
            self._event({"id": "x", "model": model, "choices": [choice]})
        usage = {"prompt_tokens": 10, "completion_tokens": counted, "total_tokens": 10 + counted}
        self._event({"id": "x", "model": model, "choices": [], "usage": usage})
        self._chunk("data: [DONE]\n\n")
        self.wfile.write(b"0\r\n\r\n")

    def _event(self, event: dict) -> None:
        self._chunk(f"data: {json.dumps(event)}\n\n")

    def _chunk(self, text: str) -> None:
        data = text.encode()
        self.wfile.write(b"%x\r\n%b\r\n" % (len(data), data))


@pytest.fixture(scope="session")
def _house():
    server = House()
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield server
    server.free.set()
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def house(_house, tmp_path, monkeypatch):
    """The server, with nothing asked of it yet; the current folder is an empty one."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith(_FOREIGN)]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    monkeypatch.setattr("tempfile.tempdir", None)
    (tmp_path / "tmp").mkdir()
    _house.asked.clear()
    _house.held = threading.Semaphore(0)
    _house.free = threading.Event()
    yield _house
    _house.free.set()
