"""The report's page: how long it takes to write, how large it is, how soon a browser shows it.

For 500 and 20,000 requests of two cases in pairs. Opened by Debian's chromium where it is installed
(with playwright, of the group e2e): the time until the timeline of all requests is drawn.
"""

import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from lens_gate.flows.paging import beside, html_report
from lens_gate.render.report_json import read_report

LENS_GATE = Path(sys.executable).with_name("lens-gate")
SIZES = (500, 20_000)
TURNS = 5
DRAWN = "count => document.getElementById('timeline').dataset.drawn == count"
POLICY = """\
version: 1
name: bench
budget: {max_usd: 1, max_requests: 800, max_duration: 10m}
targets:
  one: &one
    provider: simulated
    model: swift-1
    simulate: {profile: hosted, time_scale: 0.02, models: {deep-2: {ttft: 1.1}}}
  two: *one
scenarios:
  chat:
    targets: [one, two]
    prompts: [Say one thing., Say another thing.]
    max_output_tokens: 120
    load: {pattern: closed, concurrency: 8}
    samples: {min: 40, max: 120, warmup: 2}
    gates:
      - {metric: ttft.typ, max_regression: 30%, may_be_inconclusive: true}
      - {metric: itl.typ, max_regression: 30%, may_be_inconclusive: true}
      - {metric: e2e.typ, max_regression: 30%, may_be_inconclusive: true}
      - {metric: ttft.p95, max: 2s}
      - {metric: error_rate, max: 10%}
"""


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="lens-gate-bench-") as scratch:
        root = Path(scratch)
        out = _gated(root)
        report, behind = read_report((out / "report.json").read_bytes()), beside(out)
        run = behind.run
        assert run is not None
        for count in SIZES:
            samples = tuple(replace(run.samples[n % len(run.samples)], seq=n) for n in range(count))
            many = replace(behind, run=replace(run, samples=samples))
            times = []
            for _ in range(3):
                began = time.process_time()
                page = html_report(report, many)
                times.append(time.process_time() - began)
            path = root / f"{count}.html"
            path.write_bytes(page)
            print(
                f"{count} requests: written in {min(times):.2f} s of CPU, "
                f"{len(page) / 1e6:.2f} MB{_opened(path, count)}"
            )


def _gated(root: Path) -> Path:
    def run(*words: str) -> None:
        subprocess.run(words, cwd=root, check=True, capture_output=True)

    policy = root / "lens-gate.yaml"
    policy.write_text(POLICY)
    run("git", "init", "-q", "-b", "main")
    run("git", "add", ".")
    run("git", "-c", "user.name=A", "-c", "user.email=a@example.com", "commit", "-qm", "policy")
    policy.write_text(POLICY.replace("model: swift-1", "model: deep-2"))
    words = (LENS_GATE, "gate", "--base", "main", "--seed", "7", "--output", "out")
    subprocess.run(words, cwd=root, check=False, capture_output=True)
    return root / "out"


def _opened(path: Path, count: int) -> str:
    chromium = shutil.which("chromium")
    if chromium is None:
        return "; no chromium to open it"
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        return "; no playwright to open it"
    times = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium, args=["--no-sandbox", "--disable-gpu"]
        )
        for _ in range(TURNS):
            page = browser.new_page()
            began = time.perf_counter()
            page.goto(path.as_uri())
            page.wait_for_function(DRAWN, arg=str(count))
            times.append(time.perf_counter() - began)
            page.close()
        browser.close()
    return f"; all of it drawn {min(times):.2f} s after the click (best of {TURNS})"


if __name__ == "__main__":
    main()
