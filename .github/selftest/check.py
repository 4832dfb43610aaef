# ruff: noqa: INP001, T201  # a job's own program: no package, talks to its log
"""Hold what the action's steps said against what they should have said (workflows/selftest.yml)."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TypedDict


class Step(TypedDict):
    """A step's context, as `toJSON(steps.id)` writes it."""

    outcome: str
    outputs: dict[str, str]


def problems(passing: Step, failing: Step, missing: Step) -> list[str]:
    """What is not as it should be; the arguments are the steps' contexts."""
    found: list[str] = []

    def expect(what: str, said: object, wanted: object) -> None:
        if said != wanted:
            found.append(f"{what}: {said!r}, expected {wanted!r}")

    for name, step, outcome, answer, code in (
        ("passing", passing, "success", "passed", "0"),
        ("failing", failing, "failure", "failed", "1"),
    ):
        outputs = step["outputs"]
        expect(f"{name}: the step", step["outcome"], outcome)
        expect(f"{name}: outcome", outputs["outcome"], answer)
        expect(f"{name}: exit-code", outputs["exit-code"], code)
        expect(f"{name}: spent-usd", float(outputs["spent-usd"]), 0.0)
        report = json.loads(Path(outputs["report-path"]).read_text("utf-8"))
        expect(f"{name}: the report", report["outcome"], answer)
        expect(f"{name}: a summary", Path(outputs["summary-path"]).is_file(), True)
    expect("passing: failed-rules", json.loads(passing["outputs"]["failed-rules"]), [])
    expect("failing: failed-rules", json.loads(failing["outputs"]["failed-rules"]), ["too-long"])
    rules = [row["rule"] for row in json.loads(failing["outputs"]["regressions"])]
    expect("failing: regressions", rules, ["too-long"])
    expect("missing: the step", missing["outcome"], "failure")
    expect("missing: exit-code", missing["outputs"]["exit-code"], "2")
    return found


def main() -> int:
    """Print what is wrong; 1 if anything is."""
    steps = [json.loads(os.environ[name]) for name in ("PASSING", "FAILING", "MISSING")]
    found = problems(*steps)
    print("\n".join(found) or "as it should be")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
