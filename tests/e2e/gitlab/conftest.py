"""A GitLab project on this machine: the component run by a runner that is not ours.

The runner is npm's gitlab-ci-local (pinned in ``package-lock.json``, installed by `make e2e`),
which needs Debian's rsync. It reads the component as GitLab does (inputs, rules, GitLab's own
schema) and runs the job's script in a shell of this machine. GitLab's API is the one of the
contract tests, behind a real socket.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import pytest

from tests.contract.hosts.gitlab_forge import GitLab, User

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[2]
RUNNER = HERE / "node_modules" / ".bin" / "gitlab-ci-local"
TOKEN = "glpat-a1b2c3d4e5f6"
_FOREIGN = ("GIT_", "GITHUB_", "GITLAB_", "CI", "LENS_GATE_", "OPENAI_", "PYTHON")
# What the image's own command does.
_MAIN = "from lens_gate.cli import main; main()"
_COMMAND = f'#!/bin/sh\nexec {sys.executable} -I -X utf8 -c "{_MAIN}" "$@"\n'
_ENDED = re.compile(r"^lens-gate finished in [0-9.]+ \w+(?: +(WARN|FAIL) (\d+))? *$", re.MULTILINE)

POLICY = {
    "version": 1,
    "name": "shop",
    "budget": {"max_usd": 0.5, "max_requests": 100, "max_duration": "2m"},
    "baseline": {"compare": "none", "branch": "main"},
    "targets": {
        "quick": {
            "provider": "simulated",
            "model": "mini",
            "price": {"input": 0.15, "output": 0.6, "source": "made up"},
            "simulate": {"profile": "hosted", "time_scale": 0.01},
        }
    },
    "scenarios": {
        "chat": {
            "targets": ["quick"],
            "prompts": ["hello there", "hello again"],
            "max_output_tokens": 20,
            "load": {"pattern": "closed", "concurrency": 4},
            "samples": {"min": 20, "max": 20, "warmup": 0},
        }
    },
}
ROOMY = {"id": "roomy", "metric": "e2e.typ", "max": "30s"}
TIGHT = {"id": "tight", "metric": "e2e.typ", "max": "1ms"}


def policy(*gates, **more):
    scenarios = {"chat": {**POLICY["scenarios"]["chat"], "gates": list(gates)}}
    return json.dumps({**POLICY, "scenarios": scenarios, **more}, indent=1)


def including(**inputs):
    """A project's `.gitlab-ci.yml`: JSON is YAML, too."""
    given = {key.replace("_", "-"): value for key, value in inputs.items()}
    return json.dumps({"include": [{"local": "templates/lens-gate.yml", "inputs": given}]})


@dataclass
class Job:
    """A finished job: the script's exit code, whether that is orange, what it said and left.

    The runner's own exit code takes every `allow_failure` that names codes for one that names all.
    """

    code: int
    orange: bool
    said: str
    artifacts: Path

    @property
    def report(self):
        return json.loads((self.artifacts / "lens-gate-out" / "report.json").read_text("utf-8"))


class Project:
    """A repository that GitLab would hold, and the checkout that its runner would make of it."""

    def __init__(self, folder, environ):
        self.origin, self.job = folder / "origin", folder / "job"
        self._environ = environ
        self.origin.mkdir()
        self.git(self.origin, "init", "-q", "-b", "main")

    def git(self, where, *arguments):
        done = subprocess.run(
            ["git", *arguments],
            cwd=where,
            env=self._environ,
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout.strip()

    def commit(self, files, *, branch="main"):
        exists = self.git(self.origin, "branch", "--list", branch)
        if self.git(self.origin, "symbolic-ref", "--short", "HEAD") != branch:
            self.git(self.origin, "checkout", "-q", *([] if exists else ["-b"]), branch)
        for name, text in files.items():
            (self.origin / name).parent.mkdir(parents=True, exist_ok=True)
            (self.origin / name).write_text(text, "utf-8")
        self.git(self.origin, "add", "-A")
        self.git(self.origin, "commit", "-q", "--allow-empty", "-m", "a change")
        return self.git(self.origin, "rev-parse", "HEAD")

    def check_out(self, commit):
        shutil.rmtree(self.job, ignore_errors=True)
        self.git(self.origin.parent, "clone", "-q", self.origin.as_uri(), str(self.job))
        # The runner takes GitLab's address from here; the checkout itself comes from `origin`.
        self.git(self.job, "remote", "add", "gcl-origin", "https://gitlab.example.com/g/app.git")
        self.git(self.job, "checkout", "-q", "--detach", commit)

    def run(self, *arguments, **variables):
        given = {
            "GITLAB_CI": "true",
            "CI_PROJECT_ID": "11",
            "CI_DEFAULT_BRANCH": "main",
            **variables,
        }
        command = [RUNNER, *arguments, *(f"--variable={k}={v}" for k, v in given.items())]
        return subprocess.run(
            command, cwd=self.job, env=self._environ, capture_output=True, text=True, check=False
        )

    def gate(self, **variables):
        done = self.run("lens-gate", "--force-shell-executor", "--color=false", **variables)
        said = done.stdout + done.stderr
        print(said)  # noqa: T201  # shown where a test fails
        ended = _ENDED.search(said)
        assert ended, said
        code, orange = int(ended[2] or 0), ended[1] == "WARN"
        return Job(code, orange, said, self.job / ".gitlab-ci-local" / "artifacts" / "lens-gate")


def push(commit):
    return {"CI_PIPELINE_SOURCE": "push", "CI_COMMIT_SHA": commit, "CI_COMMIT_BRANCH": "main"}


def merge_request(commit, *, source="11"):
    return {
        "CI_PIPELINE_SOURCE": "merge_request_event",
        "CI_PIPELINE_ID": "70",
        "CI_PIPELINE_URL": "https://gitlab.example.com/g/app/-/pipelines/70",
        "CI_COMMIT_SHA": commit,
        "CI_COMMIT_BRANCH": "",
        "CI_JOB_URL": "https://gitlab.example.com/g/app/-/jobs/9",
        "CI_MERGE_REQUEST_IID": "3",
        "CI_MERGE_REQUEST_EVENT_TYPE": "detached",
        "CI_MERGE_REQUEST_PROJECT_ID": "11",
        "CI_MERGE_REQUEST_PROJECT_URL": "https://gitlab.example.com/g/app",
        "CI_MERGE_REQUEST_SOURCE_PROJECT_ID": source,
        "CI_MERGE_REQUEST_TARGET_BRANCH_NAME": "main",
    }


@pytest.fixture
def project(tmp_path):
    assert RUNNER.exists(), "npm ci --prefix tests/e2e/gitlab"
    assert shutil.which("rsync"), "apt-get install rsync"
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "lens-gate").write_text(_COMMAND)
    (programs / "lens-gate").chmod(0o755)
    kept = {n: v for n, v in os.environ.items() if not n.startswith(_FOREIGN)}
    environ = kept | {
        "HOME": str(tmp_path),
        "PATH": f"{programs}:{kept['PATH']}",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_AUTHOR_NAME": "A",
        "GIT_AUTHOR_EMAIL": "a@example.com",
        "GIT_COMMITTER_NAME": "A",
        "GIT_COMMITTER_EMAIL": "a@example.com",
    }
    made = Project(tmp_path, environ)
    component = (ROOT / "templates" / "lens-gate.yml").read_text("utf-8")
    made.commit({"templates/lens-gate.yml": component})
    return made


@pytest.fixture
def gitlab():
    """GitLab's API at an address of this machine; its memory, to look into."""
    with _served(GitLab(users={TOKEN: User(5, "project_11_bot")})) as forge:
        yield forge


@contextmanager
def _served(forge):
    class Handler(BaseHTTPRequestHandler):
        def do_any(self):
            parts = urlsplit(self.path)
            length = int(self.headers.get("Content-Length") or 0)
            path, query = parts.path.removeprefix("/api/v4"), dict(parse_qsl(parts.query))
            status, headers, data = forge.answer(
                self.command, path, query, self.headers, self.rfile.read(length)
            )
            text = b"" if data is None else json.dumps(data).encode()
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(text))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(text)

        do_GET = do_POST = do_PUT = do_DELETE = do_any  # noqa: N815  # the names that the library calls

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(
        target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True
    )
    thread.start()
    forge.api = f"http://127.0.0.1:{server.server_port}/api/v4"
    try:
        yield forge
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
