"""How heavy the command is: `lens-gate --help` beside a bare `import click`, and 30 requests.

Run by `make bench`. The requests go to the simulated provider without noise at concurrency 4; ideal
is eight turns of one request's time, since 30 requests in four slots need eight turns.
"""

import json
import math
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from arena import met

from lens_gate.runner.journal import read_run

BIN = Path(sys.executable).parent
POLICY = {
    "version": 1,
    "name": "bench",
    "budget": {"max_usd": 1, "max_requests": 100, "max_duration": "5m"},
    "baseline": {"compare": "none"},
    "targets": {
        "steady": {
            "provider": "simulated",
            "simulate": {
                "ttft": {"fixed": "200ms"},
                "gap": {"fixed": "10ms"},
                "output_tokens": {"fixed": 50},
            },
        }
    },
    "scenarios": {
        "thirty": {
            "targets": ["steady"],
            "prompts": ["one", "two", "three"],
            "max_output_tokens": 60,
            "load": {"pattern": "closed", "concurrency": 4},
            "samples": {"min": 30, "max": 30, "warmup": 0},
            "gates": [{"metric": "error_rate", "max": "50%"}],
        }
    },
}
# How close to a bare `import click` is close.
CLOSE = 1.5
WALL_SHARE, WALL_S = 0.03, 0.3
REQUEST_S = 0.200 + 49 * 0.010


def seconds(command):
    times = []
    for _ in range(7):
        before = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        times.append(time.perf_counter() - before)
    return statistics.median(times)


def main():
    bare = seconds([sys.executable, "-c", "import click"])
    ours = seconds([BIN / "lens-gate", "--help"])
    print(
        f"lens-gate --help: {ours / bare:.2f} times a bare `import click` (medians of 7): "
        f"{met(ours / bare, CLOSE)} (at most {CLOSE})"
    )
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        (folder / "lens-gate.yaml").write_text(json.dumps(POLICY), encoding="utf-8")
        subprocess.run(
            [BIN / "lens-gate", "run", "--output", "out"],
            cwd=folder,
            check=True,
            capture_output=True,
        )
        run = read_run(folder / "out" / "run.jsonl")
    ideal = math.ceil(30 / 4) * REQUEST_S
    took = run.end.elapsed_s
    print(
        f"30 requests at concurrency 4: {took:.2f} s, ideal {ideal:.2f} s: "
        f"{(took / ideal - 1) * 100:+.1f} %: {met(took, ideal * (1 + WALL_SHARE) + WALL_S)} "
        f"(at most 3 % + 0.3 s)"
    )


if __name__ == "__main__":
    main()
