"""How long `lens-gate history` takes over 3,000 stored runs in a real git repository.

Run by `make bench`. Prints the seconds of the whole command, of the clock and of the CPU, for all
cells and for one, and how many git processes it took. Of the runs 2,600 are pruned: only git's
objects remember them.
"""

import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import numpy as np

from lens_gate.records.baseline import Baseline
from lens_gate.records.plan import Fingerprint
from lens_gate.repo import encode_baseline

LENS_GATE = Path(sys.executable).with_name("lens-gate")
CELLS = [("chat", target) for target in ("a", "b", "c", "d", "e")]
RUNS = 600  # of each cell
KEPT = 80
REQUESTS = 30
TARGET_S = 10.0


def stored(rng, cell, number, commit):
    """A run: levels of hosted services, their spread from run to run, a step in the middle."""
    moment = datetime(2025, 1, 1, tzinfo=UTC) + timedelta(hours=8 * number)
    level = 0.4 * np.exp(rng.normal(0, 0.16)) * (1.3 if number >= RUNS // 2 else 1.0)

    def values(centre, sd):
        return tuple(round(float(x), 6) for x in centre * np.exp(rng.normal(0, sd, REQUESTS)))

    metrics = {
        "cost_usd": (0.0008, 0.13), "e2e": (level + 1.5, 0.2), "itl": (0.02, 0.2),
        "output_tokens": (150.0, 0.13), "output_tps": (60.0, 0.2), "tpot": (0.02, 0.2),
        "ttfb": (level * 0.9, 0.3), "ttfr": (level, 0.35), "ttft": (level, 0.35),
    }  # fmt: skip
    return Baseline(
        scenario=cell[0],
        target=cell[1],
        created=moment.strftime("%Y%m%dT%H%M%SZ"),
        commit=commit,
        policy="bench",
        run_id=f"{number}",
        models=("m",),
        fingerprint=Fingerprint(fixed={"protocol": "x"}, compared={"model": "m"}),
        prompt_ids=tuple(f"p{k:02}" for k in range(REQUESTS)),
        values={name: values(*shape) for name, shape in metrics.items()},
        censored=(),
        failures={},
        spent_usd=Decimal("0.02"),
        environment={},
    )


def repository(root):
    """A commit for each moment: it adds a run of each cell and prunes the oldest."""
    rng = np.random.default_rng(1)
    stream, mark = [b"reset refs/heads/main\n"], 0
    names = []
    for number in range(RUNS):
        commit = f"{number:040x}"
        blobs = []
        for cell in CELLS:
            mark += 1
            run = stored(rng, cell, number, commit)
            data = encode_baseline(run)
            stream.append(b"blob\nmark :%d\ndata %d\n%s\n" % (mark, len(data), data))
            name = f"baselines/{cell[0]}/{cell[1]}/{run.created}-{commit[:12]}.json"
            blobs.append((mark, name))
        names.append([name for _, name in blobs])
        stamp = 1735689600 + number * 28800
        stream.append(
            b"commit refs/heads/main\ncommitter A <a@example.com> %d +0000\ndata 1\nc\n" % stamp
        )
        stream += [f"M 100644 :{blob} {name}\n".encode() for blob, name in blobs]
        if number >= KEPT:
            stream += [f"D {name}\n".encode() for name in names[number - KEPT]]
        stream.append(b"\n")
    git = shutil.which("git")
    subprocess.run([git, "init", "-q", "-b", "main", root], check=True)
    subprocess.run([git, "fast-import", "--quiet"], cwd=root, input=b"".join(stream), check=True)
    subprocess.run([git, "reset", "-q", "--hard", "main"], cwd=root, check=True)


def cpu_s():
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def timed(root, log, *arguments):
    log.unlink(missing_ok=True)
    before, used = time.perf_counter(), cpu_s()
    done = subprocess.run(
        [LENS_GATE, "history", "--dir", "baselines", "--format", "json", *arguments],
        cwd=root,
        env=os.environ | {"GIT_TRACE2_EVENT": str(log)},
        capture_output=True,
        check=True,
    )
    seconds = time.perf_counter() - before
    used_s = cpu_s() - used
    found = json.loads(done.stdout)
    runs = sum(len(cell["runs"]) for cell in found["cells"])
    changes = sum(len(one["changes"]) for cell in found["cells"] for one in cell["series"])
    started = log.read_text("utf-8").count('"event":"start"')
    return seconds, used_s, runs, changes, started


def main():
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder, "house")
        repository(root)
        for title, arguments in (
            ("all cells, 5 metrics each", ()),
            ("all cells, with an SLA", ("--sla", "ttft.p95<1.2s")),
            ("one cell, one metric", ("chat/a", "--metric", "ttft.typ")),
            ("the tip alone", ("--no-pruned",)),
        ):
            seconds, used, runs, changes, started = timed(root, Path(folder, "log"), *arguments)
            met = "met" if used <= TARGET_S else "MISSED"
            print(
                f"{title}: {runs} runs in {seconds:.1f} s ({used:.1f} s of CPU), "
                f"{changes} changes of level, {started} git processes: "
                f"{met} (at most {TARGET_S:.0f} s of CPU)"
            )


if __name__ == "__main__":
    main()
