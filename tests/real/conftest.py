"""Real inference servers, started as their users start them, and `lens-gate` against them.

`make real` builds both servers and their models into ``build/real`` and runs these tests. Nothing
here is simulated: the servers are llama.cpp's ``llama-server`` and the OpenAI server of
llama-cpp-python. What the program reports is held against what they say themselves, in their logs,
their metrics, and in answers that plain ``urllib`` asks of them.
"""

import json
import os
import select
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BUILT = Path(os.environ.get("LENS_GATE_REAL", ROOT / "build" / "real"))
LENS_GATE = Path(sys.executable).with_name("lens-gate")
_FOREIGN = ("GIT_", "GITHUB_", "GITLAB_", "CI", "LENS_GATE_", "OPENAI_", "ANTHROPIC_", "FORCE_COL")
_BOUND_S = 60.0


@dataclass(frozen=True)
class Server:
    """A server that runs: where it listens, and the file that holds what it said."""

    base: str
    log: Path
    process: subprocess.Popen[bytes]

    def ask(self, path: str, body: object = None, headers: dict[str, str] | None = None) -> str:
        """The answer to one plain request, without any part of the program that is tested."""
        request = urllib.request.Request(
            self.base + path,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json", **(headers or {})},
        )
        with urllib.request.urlopen(request, timeout=_BOUND_S) as answer:
            return answer.read().decode()

    def whole(self, body: dict[str, object]) -> tuple[dict[str, int], str, str]:
        """Usage, finish reason and text of an answer in one piece."""
        answer = json.loads(self.ask("/v1/chat/completions", body))
        (choice,) = answer["choices"]
        return answer["usage"], choice["finish_reason"], choice["message"]["content"]

    def said(self) -> str:
        """Everything it logged. Ends it first, so that nothing is still on its way."""
        self.stop()
        return self.log.read_text(encoding="utf-8", errors="replace")

    def stop(self) -> None:
        """End it; the second time does nothing."""
        self.process.terminate()
        try:
            self.process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


@dataclass(frozen=True)
class Done:
    """A finished `lens-gate` and the journal that it wrote."""

    code: int
    text: str
    folder: Path

    @property
    def samples(self) -> list[dict]:
        """The samples in the order in which they were sent."""
        found = [line for line in self._lines() if line["type"] == "sample"]
        return sorted(found, key=lambda sample: sample["seq"])

    @property
    def reached(self) -> list[dict]:
        """The samples that reached the server.

        Both servers close a connection after some answers, though no header says so: llama-server
        after each stream, llama-cpp-python after an answer that broke. The closing may cross with
        the next request on that connection, which then gets no answer.
        """
        return [sample for sample in self.samples if not _crossed(sample)]

    @property
    def end(self) -> dict:
        """The journal's last line."""
        (found,) = [line for line in self._lines() if line["type"] == "end"]
        return found

    @property
    def report(self) -> dict:
        """What `lens-gate gate` reported."""
        report = self.folder / "out" / "report.json"
        assert report.exists(), self.text
        return json.loads(report.read_text(encoding="utf-8"))

    def _lines(self) -> list[dict]:
        journal = self.folder / "out" / "run.jsonl"
        assert journal.exists(), self.text
        return [json.loads(line) for line in journal.read_text(encoding="utf-8").splitlines()]


def _crossed(sample: dict) -> bool:
    failure, marks = sample["failure"], sample["marks"]
    if failure is None or failure["status"] != "connection" or not marks["reused"]:
        return False
    assert marks["first_byte"] is sample["usage"] is sample["finish_reason"] is None
    return True


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def _running(command: list[str | Path], log: Path, port: int, ready: str) -> Iterator[Server]:
    """The server of this command, once it answers ``ready`` with 200."""
    environ = {**os.environ, "LLAMA_CPP_LIB_PATH": str(BUILT / "llama.cpp" / "bin")}
    with log.open("wb") as stream:
        process = subprocess.Popen(
            list(map(str, command)),
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT,
            env=environ,
        )
    server = Server(base=f"http://127.0.0.1:{port}", log=log, process=process)
    try:
        end = time.monotonic() + _BOUND_S
        while not _answers(server, ready):
            late = time.monotonic() > end or process.poll() is not None
            assert not late, f"{command[0]} did not start: {server.said()[-2000:]}"
            select.select((), (), (), 0.02)
        yield server
    finally:
        server.stop()


def _answers(server: Server, path: str) -> bool:
    try:
        server.ask(path)
    except urllib.error.HTTPError as error:
        return error.code == 401  # it wants a key, so it is there
    except OSError:
        return False
    return True


def _built(path: Path) -> Path:
    assert path.exists(), f"{path} is not there: run `make real`, which builds it"
    return path


def _model(size: str) -> Path:
    return _built(BUILT / f"{size}.gguf")


@pytest.fixture
def llama_server(tmp_path):
    """Starts llama.cpp's server on a model of this size, with these options and as many slots.

    Their clients call the model `alias`.
    """

    def start(
        *options: str, size: str = "small", alias: str = "tiny", slots: int = 1, context: int = 512
    ):
        port = _free_port()
        command = [
            *(_built(BUILT / "llama.cpp" / "bin" / "llama-server"), "-m", _model(size)),
            *("--host", "127.0.0.1", "--port", port, "--alias", alias),
            *("-np", slots, "-c", slots * context, "-t", 1, "-tb", 1, "--metrics", *options),
        ]
        return _running(command, tmp_path / f"llama-server-{size}.log", port, "/health")

    return start


@pytest.fixture
def llama_cpp_python(tmp_path):
    """Starts the OpenAI server of llama-cpp-python with these options."""

    def start(*options: str, context: int = 512):
        port = _free_port()
        command = [
            *(_built(BUILT / "venv" / "bin" / "python"), "-m", "llama_cpp.server"),
            *("--model", _model("small"), "--model_alias", "tiny", "--n_ctx", context),
            *("--host", "127.0.0.1", "--port", port, "--n_threads", 1, "--n_threads_batch", 1),
            *options,
        ]
        return _running(command, tmp_path / "llama-cpp-python.log", port, "/v1/models")

    return start


@pytest.fixture
def repository(tmp_path):
    """A git repository with this policy, as JSON (which is YAML), committed."""

    def make(policy: dict[str, object]) -> Path:
        folder = tmp_path / "repository"
        if folder.exists():
            written = json.loads((folder / "lens-gate.yaml").read_text())
            assert written == policy, "another policy in the same repository"
            return folder
        folder.mkdir()
        (folder / "lens-gate.yaml").write_text(json.dumps(policy))
        for words in (["init", "-q", "-b", "main"], ["add", "."], ["commit", "-q", "-m", "policy"]):
            subprocess.run(["git", *words], cwd=folder, env=_environ(folder), check=True)
        return folder

    return make


@pytest.fixture
def lens(repository):
    """Runs a verb of `lens-gate` under a policy in a repository of its own."""

    def run(verb: str, policy: dict[str, object], *options: str, **variables: str) -> Done:
        folder = repository(policy)
        given = [] if verb == "check" else ["--output", "out", "--seed", "7"]
        done = subprocess.run(
            [LENS_GATE, verb, *given, *options],
            cwd=folder,
            env=_environ(folder) | variables,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=300,
            check=False,
        )
        text = (done.stdout + done.stderr).decode()
        return Done(code=done.returncode, text=text, folder=folder)

    return run


@pytest.fixture
def popen(repository):
    """Starts `lens-gate run` under a policy; whatever is left is ended."""
    left = []

    def start(policy: dict[str, object]) -> tuple[subprocess.Popen[bytes], Callable[[], Done]]:
        folder = repository(policy)
        process = subprocess.Popen(
            [LENS_GATE, "run", "--output", "out", "--seed", "7"],
            cwd=folder,
            env=_environ(folder),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        left.append(process)

        def done() -> Done:
            output, _ = process.communicate(timeout=300)
            return Done(code=process.returncode, text=output.decode(), folder=folder)

        return process, done

    yield start
    for process in left:
        process.kill()
        process.communicate()


def _environ(home: Path) -> dict[str, str]:
    """Nothing of the machine that runs the tests: no CI, no git settings, no keys."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_FOREIGN)}
    return kept | {
        "HOME": str(home.parent),
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_AUTHOR_NAME": "A",
        "GIT_AUTHOR_EMAIL": "a@example.com",
        "GIT_COMMITTER_NAME": "A",
        "GIT_COMMITTER_EMAIL": "a@example.com",
    }
