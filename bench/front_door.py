"""`lens-gate run` against the raw server: the policy, the process, and what it used."""

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from arena import alone_on, cores

LENS = Path(sys.executable).with_name("lens-gate")


def policy(server, *, requests, concurrency):
    return {
        "version": 1,
        "name": "bench",
        "budget": {"max_usd": 1000, "max_requests": requests, "max_duration": "30m"},
        "baseline": {"compare": "none"},
        "targets": {
            "raw": {
                "provider": "openai-compatible",
                "base_url": f"http://{server.address}/v1",
                "model": "bench-model",
                "price": {"input": "0.01", "output": "0.01"},
            }
        },
        "scenarios": {
            "bench": {
                "targets": ["raw"],
                "prompts": ["one", "two", "three"],
                "max_output_tokens": 200,
                "load": {"pattern": "closed", "concurrency": concurrency},
                "samples": {"min": requests, "max": requests, "warmup": 0},
                "gates": [{"metric": "error_rate", "max": "50%"}],
            }
        },
    }


@dataclass(frozen=True, kw_only=True)
class Used:
    """CPU seconds of the process, seconds from its start to its end, and of the run alone."""

    cpu_s: float
    wall_s: float
    run_s: float
    samples: int


def run(server, folder, *, requests, concurrency, watch=None):
    """One whole run. ``watch(pid, journal)`` is called every 50 ms while it goes on."""
    text = json.dumps(policy(server, requests=requests, concurrency=concurrency))
    (folder / "lens-gate.yaml").write_text(text, encoding="utf-8")
    journal = folder / "out" / "run.jsonl"
    journal.unlink(missing_ok=True)
    cpu, _ = cores()
    before = time.monotonic()
    with subprocess.Popen(
        [LENS, "run", "--output", "out"],
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: alone_on(cpu),  # noqa: PLW1509  # no threads here
    ) as process:
        while (
            watch is not None
            and os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None
        ):
            watch(process.pid, journal)
            time.sleep(0.05)
        said = process.stderr.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    wall = time.monotonic() - before
    if process.returncode != 0:
        sys.exit(f"lens-gate run ended with {process.returncode}: {said}")
    lines = [json.loads(line) for line in journal.read_text(encoding="utf-8").splitlines()]
    samples = [line for line in lines if line["type"] == "sample"]
    failed = [s["failure"] for s in samples if s["failure"]]
    if len(samples) != requests or failed:
        sys.exit(f"{len(samples)} of {requests} samples, {len(failed)} failed: {failed[:1]}")
    return Used(
        cpu_s=usage.ru_utime + usage.ru_stime,
        wall_s=wall,
        run_s=float(lines[-1]["elapsed_s"]),
        samples=len(samples),
    )
