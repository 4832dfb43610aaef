"""How long the action takes from the start of its step to the first request that it sends.

Run by `make bench`. The step is run as GitHub's runner does, in a repository of its own; what
answers is a plain server in this process, which notes when the first request arrives. Three cases:
*cold*, as on every hosted runner, downloads included; *kept*, with LENS_GATE_CACHE and
nothing in it yet; *warm*, with it. Times belong to the machine and to its network: no target.
"""

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from pathlib import Path

from ruamel.yaml import YAML

ROOT = Path(__file__).resolve().parent.parent
ANSWER = (
    b'data: {"choices": [{"index": 0, "delta": {"content": "Hello"}}]}\n\n'
    b'data: {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}\n\n'
    b'data: {"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 1}}\n\n'
    b"data: [DONE]\n\n"
)
PARTS = ("find Python", "install", "start, read git, plan")
WARM = 5


class Service:
    """Answers every request at once, and keeps the time of the first."""

    def __init__(self):
        service = self
        self.first = None

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                service.first = service.first or time.monotonic()
                self.rfile.read(int(self.headers.get("Content-Length") or 0))
                self.send_response(200)
                self.send_header("Content-Type", "text/event-stream")
                self.send_header("Content-Length", str(len(ANSWER)))
                self.end_headers()
                self.wfile.write(ANSWER)

            def log_message(self, *_):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/v1"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self):
        self._server.shutdown()
        self._server.server_close()


def policy(url):
    own = {"provider": "openai-compatible", "base_url": url, "model": "m", "price": "free"}
    return {
        "version": 1,
        "name": "bench",
        "budget": {"max_usd": 1, "max_requests": 20, "max_duration": "1m"},
        "baseline": {"compare": "none"},
        "targets": {"own": own},
        "scenarios": {
            "chat": {
                "targets": ["own"],
                "prompts": ["one"],
                "max_output_tokens": 20,
                "load": {"pattern": "closed", "concurrency": 1},
                "samples": {"min": 8, "max": 8, "warmup": 0},
                "gates": [{"metric": "error_rate", "max": "50%"}],
            }
        },
    }


def step(folder, cache):
    """Seconds of each part of one step."""
    workspace, temp = folder / "work", folder / "temp"
    for path in (workspace, temp):
        path.mkdir(parents=True)
    service = Service()
    (workspace / "lens-gate.yaml").write_text(json.dumps(policy(service.url)), "utf-8")
    git = ["git", "-c", "user.name=A", "-c", "user.email=a@example.com"]
    for words in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "policy"]):
        subprocess.run([*git, *words], cwd=workspace, check=True)
    (found,) = YAML(typ="safe").load((ROOT / "action.yml").read_text("utf-8"))["runs"]["steps"]
    (folder / "step.sh").write_text(found["run"], "utf-8")
    places = {
        "GITHUB_ACTION_PATH": str(ROOT),
        "GITHUB_WORKSPACE": str(workspace),
        "GITHUB_OUTPUT": str(folder / "output"),
        "RUNNER_TEMP": str(temp),
        "LENS_GATE_CACHE": str(cache or ""),
    }
    begun = time.monotonic()
    process = subprocess.Popen(
        [shutil.which("bash"), "--noprofile", "--norc", "-eo", "pipefail", folder / "step.sh"],
        cwd=workspace,
        env=os.environ | places,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    stamps, log = [begun], []
    for line in process.stdout:
        log.append(line)
        if line.startswith(("::group::", "::endgroup::")):
            stamps.append(time.monotonic())
    process.wait()
    service.close()
    if process.returncode or service.first is None:
        sys.exit("".join(log))
    stamps.append(service.first)
    return [after - before for before, after in pairwise(stamps)]


def told(name, runs):
    parts = [statistics.median(run[n] for run in runs) for n in range(len(PARTS))]
    whole = statistics.median(sum(run) for run in runs)
    each = ", ".join(f"{part} {s:.2f}" for part, s in zip(PARTS, parts, strict=True))
    print(f"{name}: {whole:.2f} s to the first request ({each})")


def main():
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        cache = folder / "cache"
        told("cold", [step(folder / "cold", None)])
        told("kept", [step(folder / "kept", cache)])
        told(f"warm, median of {WARM}", [step(folder / f"warm{n}", cache) for n in range(WARM)])


if __name__ == "__main__":
    main()
