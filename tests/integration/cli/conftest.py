"""The front door: `lens-gate` as its users start it, on real HTTP and in real git repositories.

The server below is written for these tests with the standard library alone. It shares no code with
the package, so that what the package counts and times can be held against what it served.
"""

import http.client
import json
import os
import select
import signal
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import trustme

from tests.integration.cli.publishing_job import forge, house_of_lengths, job  # noqa: F401  # fixtures

LENS_GATE = Path(sys.executable).with_name("lens-gate")
_FOREIGN = ("GIT_", "GITHUB_", "GITLAB_", "CI", "LENS_GATE_", "OPENAI_", "ANTHROPIC_", "FORCE_COL")


def _environment(home: Path) -> dict[str, str]:
    """Nothing of the machine that runs the tests: no CI, no git settings, no keys, no colour.

    Bytecode is kept outside the tree, in the place that all tests share or one of the session's
    own, as it is where users run the program: compiling everything would be most of each start.
    """
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_FOREIGN)}
    kept.pop("PYTHONDONTWRITEBYTECODE", None)
    return kept | {
        "HOME": str(home),
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_AUTHOR_NAME": "A",
        "GIT_AUTHOR_EMAIL": "a@example.com",
        "GIT_COMMITTER_NAME": "A",
        "GIT_COMMITTER_EMAIL": "a@example.com",
        "PYTHONPYCACHEPREFIX": sys.pycache_prefix or str(home / "bytecode"),
    }


@pytest.fixture(scope="session")
def environ(tmp_path_factory) -> dict[str, str]:
    return _environment(tmp_path_factory.mktemp("home"))


@dataclass(frozen=True)
class Done:
    """A finished `lens-gate`: exit code and what it said."""

    code: int
    out: str
    err: str

    @property
    def said(self) -> str:
        return self.out + self.err


class Prefork:
    """Starts `lens-gate` as forks of one process (see ``prefork.py``)."""

    def __init__(self, environ: dict[str, str], scratch: Path) -> None:
        self._out, self._err = scratch / "out", scratch / "err"
        self._environ = environ
        self._process = subprocess.Popen(
            [sys.executable, Path(__file__).with_name("prefork.py")],
            env=environ,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )

    def run(self, cwd: Path, *arguments: str | Path, **variables: str) -> Done:
        order = {
            "arguments": list(map(str, arguments)),
            "cwd": str(cwd),
            "env": self._environ | variables,
            "out": str(self._out),
            "err": str(self._err),
        }
        self._process.stdin.write(json.dumps(order).encode() + b"\n")
        self._process.stdin.flush()
        ready, _, _ = select.select([self._process.stdout], [], [], 120)
        assert ready, f"lens-gate {order['arguments']} did not end"
        code = int(self._process.stdout.readline())
        done = Done(code, self._out.read_bytes().decode(), self._err.read_bytes().decode())
        print(f"lens-gate {' '.join(order['arguments'])}: exit {code}\n{done.said}")  # noqa: T201  # shown where a test fails
        return done

    def close(self) -> None:
        self._process.kill()
        self._process.communicate()


@pytest.fixture(scope="session")
def lens(environ, tmp_path_factory):
    """Runs `lens-gate` in a folder; keyword arguments are environment variables."""
    prefork = Prefork(environ, tmp_path_factory.mktemp("prefork"))
    yield prefork.run
    prefork.close()


@pytest.fixture(scope="session")
def start(environ):
    """Starts `lens-gate` without waiting for it; whatever is left is killed at the end."""
    left = []

    def popen(cwd: Path, *arguments: str | Path, **variables: str) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            [LENS_GATE, *map(str, arguments)],
            cwd=cwd,
            env=environ | variables,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        left.append(process)
        return process

    yield popen
    for process in left:
        with suppress(ProcessLookupError):
            process.kill()
        process.communicate()


@pytest.fixture(scope="session")
def until():
    """Polls until a question has a truthy answer, and gives it; fails after a bound."""

    def wait(ask: Callable[[], object], what: str, bound_s: float = 60.0) -> object:
        end = time.monotonic() + bound_s
        while not (answer := ask()):
            assert time.monotonic() < end, f"{what}: not within {bound_s:g} s"
            select.select((), (), (), 0.01)
        return answer

    return wait


@dataclass(frozen=True)
class Workspace:
    """A folder that tests change with git itself, not with the code under test."""

    root: Path
    environ: dict[str, str]

    def git(self, *arguments: str) -> str:
        done = subprocess.run(
            ["git", *arguments], cwd=self.root, env=self.environ, capture_output=True, check=False
        )
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout.decode().strip()

    def write(self, files: dict[str, object]) -> None:
        for name, content in files.items():
            place = self.root / name
            place.parent.mkdir(parents=True, exist_ok=True)
            # JSON is YAML, so a policy can be a plain value of Python.
            text = content if isinstance(content, str) else json.dumps(content, indent=1)
            place.write_text(text, encoding="utf-8")

    def commit(self, files: dict[str, object], message: str = "c") -> str:
        self.write(files)
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", message)
        return self.git("rev-parse", "HEAD")


@pytest.fixture(scope="session")
def new_repo(environ):
    """Makes a repository with the branch `main` in a folder, with these files committed."""

    def make(root: Path, files: dict[str, object] | None = None) -> Workspace:
        root.mkdir(parents=True, exist_ok=True)
        made = Workspace(root, environ)
        made.git("init", "-q", "-b", "main")
        if files is not None:
            made.commit(files)
        return made

    return make


@pytest.fixture(scope="session")
def pull_request_event():
    """What GitHub tells a job of a pull request: writes the event, gives the variables."""

    def variables(folder: Path, tip: str, base: str, *, branch: str, fork: bool) -> dict[str, str]:
        event = {
            "pull_request": {
                "base": {"ref": branch, "sha": base, "repo": {"id": 1}},
                "head": {"ref": "feature", "sha": tip, "repo": {"id": 2 if fork else 1}},
            }
        }
        (folder / "event.json").write_text(json.dumps(event))
        return {
            "CI": "true",
            "GITHUB_ACTIONS": "true",
            "GITHUB_EVENT_NAME": "pull_request",
            "GITHUB_EVENT_PATH": str(folder / "event.json"),
            "GITHUB_REPOSITORY": "org/project",
            "GITHUB_SHA": tip,
        }

    return variables


def _policy(
    gates: list[dict[str, object]] | None = None,
    *,
    target: dict[str, object] | None = None,
    scenario: dict[str, object] | None = None,
    **top: object,
) -> dict[str, object]:
    simulated = {
        "provider": "simulated",
        "price": {"input": 2, "output": 8},
        "simulate": {"time_scale": 0.02, "output_tokens": {"fixed": 6}},
    }
    return {
        "version": 1,
        "name": "front",
        "budget": {"max_usd": 1, "max_requests": 100, "max_duration": "2m"},
        "baseline": {"compare": "none"},
        "targets": {"quick": target or simulated},
        "scenarios": {
            "chat": {
                "targets": ["quick"],
                "prompts": ["One?", "Two, please?", "Three or four?"],
                "max_output_tokens": 32,
                "load": {"pattern": "closed", "concurrency": 2},
                "samples": {"min": 8, "max": 8, "warmup": 1},
                "gates": gates or [{"metric": "ttft.typ", "max": "30s"}],
                **(scenario or {}),
            }
        },
        **top,
    }


@pytest.fixture(scope="session")
def policy():
    """A small policy as a plain value: its rules, and what of it should be different."""
    return _policy


@dataclass(frozen=True)
class Measured:
    """What a gate left in its folder, read with nothing but json."""

    folder: Path

    @property
    def report(self):
        return json.loads((self.folder / "report.json").read_text(), parse_float=Decimal)

    @property
    def summary(self) -> str:
        return (self.folder / "summary.md").read_text(encoding="utf-8")

    @property
    def lines(self) -> list[dict]:
        text = (self.folder / "run.jsonl").read_text(encoding="utf-8")
        return [json.loads(line) for line in text.splitlines()]

    @property
    def samples(self) -> list[dict]:
        return [line for line in self.lines if line["type"] == "sample"]

    @property
    def sent(self) -> bool:
        return (self.folder / "run.jsonl").exists()

    def text(self) -> str:
        files = (p for p in sorted(self.folder.iterdir()) if p.is_file())
        return "\n".join(p.read_text(encoding="utf-8") for p in files)


@pytest.fixture(scope="session")
def measured():
    return Measured


# --- a server that this project did not write --------------------------------------------------


@dataclass(frozen=True)
class Reply:
    """One answer: ``error`` as the whole body, or a stream of pieces of text, after pauses."""

    status: int = 200
    error: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    pieces: tuple[str, ...] = ("Hello", " there", ".")
    first_s: float = 0.0
    gap_s: float = 0.0
    usage: dict[str, object] | None = field(
        default_factory=lambda: {"prompt_tokens": 11, "completion_tokens": 3, "total_tokens": 14}
    )
    model: str = "house-model"
    finish: str = "stop"
    event: str = ""


@dataclass
class Served:
    """One request as the server saw it."""

    number: int
    body: dict
    headers: dict[str, str]
    reply: Reply
    waited_first_s: float = 0.0
    waited_all_s: float = 0.0
    complete: bool = False


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, script: Callable[[int, dict], Reply]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.script = script
        self.served: list[Served] = []
        self.lock = threading.Lock()
        self.pause = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"

    def handle_error(self, request, client_address) -> None:
        """A client that hangs up in the middle is what some tests are about."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # each piece leaves when it is written
    server: Server

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        began = time.monotonic()
        with self.server.lock:
            number = len(self.server.served) + 1
            reply = self.server.script(number, body)
            headers = {name.lower(): value for name, value in self.headers.items()}
            served = Served(number, body, headers, reply)
            self.server.served.append(served)
        if reply.status != 200 or reply.error:
            self._in_one_piece(reply)
        else:
            self._stream(reply, served, began)

    def _in_one_piece(self, reply: Reply) -> None:
        body = reply.error.encode("utf-8", "surrogatepass")
        self.send_response(reply.status)
        for name, value in (("Content-Type", "application/json"), *reply.headers):
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _stream(self, reply: Reply, served: Served, began: float) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream; charset=utf-8")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self._event(reply, {"role": "assistant", "content": ""})
        for index, piece in enumerate(reply.pieces):
            self.server.pause.wait(reply.gap_s if index else reply.first_s)
            served.waited_all_s = time.monotonic() - began
            if index == 0:
                served.waited_first_s = served.waited_all_s
            self._event(reply, {"content": piece})
        if reply.event:
            self._chunk(f"data: {reply.event}\n\n")
        self._event(reply, {}, finish=reply.finish)
        if reply.usage is not None:
            self._event(reply, None, usage=reply.usage)
        self._chunk("data: [DONE]\n\n")
        # Before the last byte goes: who waits for the answer's end finds it counted.
        served.complete = True
        self.wfile.write(b"0\r\n\r\n")

    def _event(
        self,
        reply: Reply,
        delta: dict[str, object] | None,
        *,
        finish: str | None = None,
        usage: dict[str, object] | None = None,
    ) -> None:
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        event = {
            "id": "x",
            "object": "chat.completion.chunk",
            "model": reply.model,
            "choices": [] if delta is None else [choice],
        }
        if usage is not None:
            event["usage"] = usage
        self._chunk(f"data: {json.dumps(event)}\n\n")

    def _chunk(self, text: str) -> None:
        data = text.encode()
        self.wfile.write(b"%x\r\n%b\r\n" % (len(data), data))


def _default_script(_number: int, _body: dict) -> Reply:
    return Reply()


@contextmanager
def _serving(script: Callable[[int, dict], Reply] = _default_script) -> Iterable[Server]:
    server = Server(script)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield server
    finally:
        server.pause.set()
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture(scope="session")
def serving():
    """Serves what a script says: (number from 1, request body) -> Reply."""
    return _serving


@contextmanager
def _encrypted() -> Iterable[tuple[Server, trustme.CA]]:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    with _serving() as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        yield server, authority


@pytest.fixture(scope="session")
def encrypted():
    """Serves behind TLS by an authority of its own: gives the server, and the authority."""
    return _encrypted


@pytest.fixture(scope="session")
def reply():
    return Reply


@pytest.fixture(scope="session")
def own_target():
    """A target at such a server; one that needs no key unless one is named."""

    def make(server: Server, **more: object) -> dict[str, object]:
        return {
            "provider": "openai-compatible",
            "base_url": server.url,
            "model": "house-model",
            "price": {"input": 2, "output": 8},
            **more,
        }

    return make


# --- the simulated provider, watched from outside -----------------------------------------------


@dataclass(frozen=True)
class Simulator:
    url: str

    def stats(self) -> dict:
        host = self.url.removeprefix("http://").removesuffix("/v1")
        connection = http.client.HTTPConnection(host, timeout=10)
        with closing(connection):
            connection.request("GET", "/__sim/stats")
            return json.load(connection.getresponse())


@pytest.fixture(scope="session")
def simulating(environ):
    """Runs a simulated provider in a process of its own and asks it what it served."""

    @contextmanager
    def run(behaviour: dict[str, object], seed: int = 1) -> Iterable[Simulator]:
        options = ["--behaviour", "-", "--die-with-stdin", "--seed", str(seed)]
        process = subprocess.Popen(
            [sys.executable, "-m", "lens_gate.sim", *options],
            env=environ,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        try:
            process.stdin.write(json.dumps(behaviour).encode() + b"\n")
            process.stdin.flush()
            port = json.loads(process.stdout.readline())["port"]
            yield Simulator(f"http://127.0.0.1:{port}/v1")
        finally:
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=30)

    return run
