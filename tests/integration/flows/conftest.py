"""The flows in this process, in real git repositories, with an outside world that a test made."""

import json
import os
import subprocess
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from lens_gate.flows.gate import Order, gate, measure_only
from lens_gate.flows.outside import Outside
from lens_gate.flows.planning import Lowered

_FOREIGN = ("GIT_", "GITHUB_", "GITLAB_", "CI", "LENS_GATE_")


@pytest.fixture(autouse=True, scope="session")
def _no_git_settings():
    """Nothing of the machine that runs the tests decides what git does."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith(_FOREIGN)]:
            patch.delenv(name)
        patch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
        patch.setenv("GIT_CONFIG_NOSYSTEM", "1")
        for who in ("AUTHOR", "COMMITTER"):
            patch.setenv(f"GIT_{who}_NAME", "A")
            patch.setenv(f"GIT_{who}_EMAIL", "a@example.com")
        yield


@dataclass(frozen=True)
class Place:
    """A folder and what a flow is told about the world when it starts there."""

    root: Path
    said: list[str] = field(default_factory=list)
    seen: list[object] = field(default_factory=list)

    def git(self, *arguments: str) -> str:
        done = subprocess.run(["git", *arguments], cwd=self.root, capture_output=True, check=False)
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout.decode().strip()

    def write(self, files: dict[str, object]) -> None:
        for name, content in files.items():
            place = self.root / name
            place.parent.mkdir(parents=True, exist_ok=True)
            # JSON is YAML, so a policy can be a plain value of Python.
            place.write_text(content if isinstance(content, str) else json.dumps(content, indent=1))

    def commit(self, files: dict[str, object]) -> str:
        self.write(files)
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", "c")
        return self.git("rev-parse", "HEAD")

    def world(self, cwd: Path | None = None, **environ: str) -> Outside:
        return Outside(
            environ=environ,
            cwd=cwd or self.root,
            now=lambda: datetime(2026, 11, 21, 2, 15, tzinfo=UTC),
            entropy=lambda: 5,
            observe=self.seen.append,
            tell=self.said.append,
        )

    def order(self, name: str = "out", **lowered: object) -> Order:
        return Order(
            policy_path=None, output=self.root / name, lowered=Lowered(**lowered), seed=None
        )

    def gate(self, name: str = "out", **environ: str):
        return gate(self.order(name), self.world(**environ))

    def measure(self, name: str = "out", **environ: str):
        return measure_only(self.order(name), self.world(**environ))

    def everything(self) -> str:
        """All text that the flows left in the folder or said, but for git's own files."""
        files = (p for p in self.root.rglob("*") if p.is_file() and ".git" not in p.parts)
        texts = [p.read_bytes().decode("utf-8", "replace") for p in files]
        return "\n".join([*texts, *self.said, *map(str, self.seen)])


@pytest.fixture(scope="session")
def folder():
    """A place that is no repository."""
    return Place


@pytest.fixture(scope="session")
def repository():
    """A place that is a repository with the branch `main` and these files committed."""

    def make(root: Path, files: dict[str, object] | None = None) -> Place:
        root.mkdir(parents=True, exist_ok=True)
        place = Place(root)
        place.git("init", "-q", "-b", "main")
        place.commit(files or {})
        return place

    return make


def _policy(gates=None, *, target=None, scenario=None, **top):
    simulated = {
        "provider": "simulated",
        "price": {"input": 2, "output": 8},
        "simulate": {"time_scale": 0.01, "output_tokens": {"fixed": 6}},
    }
    return {
        "version": 1,
        "name": "flows",
        "budget": {"max_usd": 1, "max_requests": 100, "max_duration": "2m"},
        "baseline": {"compare": "history", "history": 3},
        "targets": {"quick": target or simulated},
        "scenarios": {
            "chat": {
                "targets": ["quick"],
                "prompts": ["One?", "Two, please?"],
                "max_output_tokens": 32,
                "load": {"pattern": "closed", "concurrency": 2},
                "samples": {"min": 8, "max": 8, "warmup": 1},
                "gates": gates or [{"metric": "e2e.typ", "max": "30s"}],
                **(scenario or {}),
            }
        },
        **top,
    }


@pytest.fixture(scope="session")
def policy():
    return _policy


# --- journals that were never measured, made from one that was ----------------------------------


@dataclass(frozen=True)
class Journal:
    """The lines of a run.jsonl, to be changed and written elsewhere."""

    lines: tuple[dict, ...]

    def header(self, **changes: object) -> "Journal":
        return replace(self, lines=({**self.lines[0], **changes}, *self.lines[1:]))

    def end(self, **changes: object) -> "Journal":
        return replace(self, lines=(*self.lines[:-1], {**self.lines[-1], **changes}))

    def killed(self) -> "Journal":
        return replace(self, lines=self.lines[:-1])

    def samples(self, change) -> "Journal":
        """Each sample as ``change`` gives it back; those for which it gives ``None`` are gone."""
        changed = (change(dict(line)) for line in self.lines[1:-1])
        kept = (line for line in changed if line is not None)
        return replace(self, lines=(self.lines[0], *kept, self.lines[-1]))

    def fingerprint(self, **changes: dict[str, str]) -> "Journal":
        """With parts of the first cell's fingerprint changed: ``fixed=...``, ``compared=...``."""
        cell, *others = self.lines[0]["cells"]
        parts = {
            name: {**values, **changes.get(name, {})}
            for name, values in cell["fingerprint"].items()
        }
        return self.header(cells=[{**cell, "fingerprint": parts}, *others])

    def write(self, path: Path) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(json.dumps(line) + "\n" for line in self.lines))
        return path


@pytest.fixture(scope="session")
def measured(tmp_path_factory, repository):
    """A repository in which one gate was run: its report, and its journal to make others of.

    The journal is that of a calm machine, whatever this one was: nothing late, nothing merged.
    """
    place = repository(tmp_path_factory.mktemp("measured") / "repo", {"lens-gate.yaml": _policy()})
    report = place.gate()
    text = (place.root / "out" / "run.jsonl").read_text()
    lines = [json.loads(line, parse_float=_exact) for line in text.splitlines()]
    calm = Journal(tuple(lines)).end(lag_p99_s=0.001)
    return place, report, calm.samples(lambda s: {**s, "marks": {**s["marks"], "merged": 0}})


def _exact(text: str) -> float:
    assert Decimal(repr(float(text))) == Decimal(text), "a number would not survive its copy"
    return float(text)


# --- a server that says back what it was told ---------------------------------------------------


@contextmanager
def _echoing(answer):
    """Serves ``answer(headers) -> (status, content type, body)`` and gives the address."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_):
            """Say nothing."""

        def do_POST(self):
            self.rfile.read(int(self.headers["Content-Length"]))
            status, kind, body = answer(self.headers)
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/v1"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture(scope="session")
def echoing():
    return _echoing
