"""What a campaign found, as a file: `results.json` beside this module is the committed one."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.verdicts.tally import Total

COMMITTED = Path(__file__).with_name("results.json")


@dataclass(frozen=True, slots=True, kw_only=True)
class Results:
    """The totals of each experiment, over how many policies, and where they come from.

    ``cpu_minutes`` are those of all processes. ``decision_s`` is the CPU time of one decision over
    thirty checks at n = 200, in seconds.
    """

    command: str
    date: str
    machine: str
    seed: int
    cpu_minutes: float
    decision_s: float
    policies: Mapping[str, int]
    found: Mapping[str, Mapping[str, Total]]

    def total(self, experiment: str, counted: str) -> Total:
        """One number of one experiment; nothing seen counts as nothing of nothing."""
        return self.found[experiment].get(counted, Total(0, 0.0, 0.0))


def dumped(results: Results) -> str:
    """The results as JSON, a line for each number, experiments by name."""
    document: dict[str, Any] = {
        "command": results.command,
        "date": results.date,
        "machine": results.machine,
        "seed": results.seed,
        "cpu_minutes": results.cpu_minutes,
        "decision_s": results.decision_s,
    }
    head = json.dumps(document, indent=1)[:-2]
    blocks = []
    for name in sorted(results.found):
        lines = [f'  "policies": {results.policies[name]}']
        lines += [
            f"  {json.dumps(key)}: {json.dumps([t.of, round(t.sum, 6), round(t.squares, 6)])}"
            for key, t in sorted(results.found[name].items())
        ]
        blocks.append(f"  {json.dumps(name)}: {{\n" + ",\n".join(lines) + "\n  }")
    return head + ',\n "experiments": {\n' + ",\n".join(blocks) + "\n }\n}\n"


def loaded(text: str) -> Results:
    """The results from their JSON."""
    document = json.loads(text)
    experiments = document.pop("experiments")
    return Results(
        **document,
        policies={name: entry["policies"] for name, entry in experiments.items()},
        found={
            name: {k: Total(*v) for k, v in entry.items() if k != "policies"}
            for name, entry in experiments.items()
        },
    )
