"""A policy pointed at a server that this project did not write, in both dialects.

The server (npm's @copilotkit/aimock, pinned in ``foreign/package-lock.json``, installed by `make
e2e`) answers from fixtures with a fixed pause before each chunk, and counts what it was asked.
"""

import collections
import json
import os
import re
import socket
import subprocess
import sys
import threading
import urllib.request
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
SERVER = HERE / "foreign" / "node_modules" / ".bin" / "llmock"
LENS_GATE = Path(sys.executable).parent / "lens-gate"
ANSWER = "The quick brown fox jumps over the lazy dog and runs into the forest."
PAUSE_MS = 20
CHUNK = 10

POLICY = {
    "version": 1,
    "name": "foreign",
    "budget": {"max_usd": 0.5, "max_requests": 200, "max_duration": "2m"},
    "baseline": {"compare": "none"},
    "targets": {
        "oai": {
            "provider": "openai-compatible",
            "model": "gpt-4o",
            "price": {"input": 1, "output": 4},
        },
        "ant": {
            "provider": "anthropic",
            "model": "claude-sonnet-4-5",
            "price": {"input": 1, "output": 4},
        },
    },
    "scenarios": {
        "chat": {
            "targets": ["oai", "ant"],
            "prompts": ["hello there", "hello again"],
            "max_output_tokens": 100,
            "load": {"pattern": "closed", "concurrency": 3},
            "samples": {"min": 20, "max": 20, "warmup": 2},
            "gates": [{"metric": "error_rate", "max": "5%"}],
        }
    },
}


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def fetch(url):
    with urllib.request.urlopen(url, timeout=5) as answer:
        return answer.read().decode()


@pytest.fixture
def server(tmp_path):
    assert SERVER.exists(), "run `make e2e`, which installs it"
    fixtures = [{"match": {"userMessage": "hello"}, "response": {"content": ANSWER}}]
    (tmp_path / "fixtures.json").write_text(json.dumps({"fixtures": fixtures}))
    port = free_port()
    options = ["-p", str(port), "-f", "fixtures.json", "-l", str(PAUSE_MS), "-c", str(CHUNK)]
    process = subprocess.Popen(
        [SERVER, *options, "--metrics"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    base = f"http://127.0.0.1:{port}"
    # Its later lines are read and thrown away, so that it never waits for us.
    said = iter(process.stdout.readline, "")
    started = any(str(port) in line for line in said)
    drain = threading.Thread(target=lambda: collections.deque(said, maxlen=0))
    drain.start()
    try:
        assert started, "the server did not start"
        yield base
    finally:
        process.terminate()
        process.wait()
        drain.join()
        process.stdout.close()


def test_counts_tokens_and_times_are_the_servers(server, tmp_path):
    policy = json.loads(json.dumps(POLICY))
    policy["targets"]["oai"]["base_url"] = f"{server}/v1"
    policy["targets"]["ant"]["base_url"] = server
    folder = tmp_path / "repository"
    folder.mkdir()
    (folder / "lens-gate.yaml").write_text(json.dumps(policy))
    environ = {k: v for k, v in os.environ.items() if not k.startswith(("GITHUB_", "CI"))}
    done = subprocess.run(
        [LENS_GATE, "gate", "--output", "out"],
        cwd=folder,
        env={**environ, "ANTHROPIC_API_KEY": "none-needed"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    lines = [json.loads(x) for x in (folder / "out" / "run.jsonl").read_text().splitlines()]
    samples = [line for line in lines if line["type"] == "sample"]
    assert lines[-1]["spend"]["requests"] == len(samples) == 44

    said = fetch(f"{server}/metrics")
    counted = dict(re.findall(r'requests_total\{.*path="(/v1[^"]+)",status="200"\} (\d+)', said))
    assert counted == {"/v1/chat/completions": "22", "/v1/messages": "22"}

    chunks = -(-len(ANSWER) // CHUNK)
    for sample in samples:
        marks = sample["marks"]
        assert sample["failure"] is None
        assert sample["output_chars"] == len(ANSWER)
        assert len(marks["output_ns"]) == chunks
        # The server pauses before each event: never earlier, on whatever machine. The OpenAI
        # dialect sends a role event first, the Anthropic one two events.
        before = {"oai": 2, "ant": 3}[sample["target"]]
        assert marks["first_text"] - marks["sent"] >= before * PAUSE_MS * 1_000_000 * 0.9
        assert (
            marks["last_output"] - marks["first_text"] >= (chunks - 1) * PAUSE_MS * 1_000_000 * 0.8
        )
    assert {s["finish_reason"] for s in samples if s["target"] == "oai"} == {"stop"}
    assert {s["finish_reason"] for s in samples if s["target"] == "ant"} == {"end_turn"}
    # Usage is what the server says, whatever that is.
    body = {"model": "gpt-4o", "messages": [{"role": "user", "content": "hello there"}]}
    request = urllib.request.Request(
        f"{server}/v1/chat/completions",
        data=json.dumps(body).encode(),
        headers={"Content-Type": "application/json"},
    )
    said = json.loads(urllib.request.urlopen(request, timeout=10).read())["usage"]
    tokens = {
        (s["usage"]["input_total"], s["usage"]["output_total"])
        for s in samples
        if s["target"] == "oai"
    }
    assert (said["prompt_tokens"], said["completion_tokens"]) in tokens
