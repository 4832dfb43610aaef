"""GitLab's code-quality report: an entry for each rule that does not hold, at its policy's line.

The fields are those of GitLab's documentation, "Code Quality report format". GitLab tells an entry
of one pipeline from that of another by its fingerprint alone, and shows the text as HTML made safe:
angle brackets would vanish from it.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

from lens_gate.records.report import Report, Row
from lens_gate.render.cases import (
    cell_name,
    counts,
    named,
    policy_file,
    sentence,
    undecided_fails,
)

Severity = Literal["info", "minor", "major", "critical", ""]

_DESCRIPTION = 600
# A row's excerpt of the policy is no longer than this.
_EXCERPT = 200
_SHOWN = str.maketrans({"<": "‹", ">": "›", "&": "＆", "{": "(", "}": ")"})


def code_quality(report: Report, head_lines: Mapping[str, Sequence[str]] | None = None) -> bytes:
    """The report as UTF-8 JSON: an empty list where all rules hold.

    ``head_lines`` are the head's files by path, line by line, ``None`` where they are not at hand.
    GitLab shows the head's file: an entry stands at its rule's line where the head has the same
    text there as the policy that decided, else at the first.
    """
    entries = list(_entries(report, head_lines))
    return (json.dumps(entries, indent=2, ensure_ascii=True) + "\n").encode("ascii")


def _entries(
    report: Report, head_lines: Mapping[str, Sequence[str]] | None
) -> Iterator[dict[str, object]]:
    for name, row in named(report.rows):
        severity = _severity(row, report)
        if severity:
            yield {
                "description": _description(name, row),
                "check_name": f"lens-gate/{name}",
                "fingerprint": _fingerprint(report, name, row),
                "severity": severity,
                "location": {
                    "path": policy_file(row),
                    "lines": {"begin": _line(row, head_lines)},
                },
            }


def _severity(row: Row, report: Report) -> Severity:
    """How bad it is, in GitLab's words; empty: nothing to report."""
    if row.waived:
        return "info"
    if row.name == "fail":
        return "critical" if counts(row) else "minor"
    if row.name == "no_data":
        return "major" if counts(row) else "minor"
    undecided = row.name == "inconclusive" and counts(row) and undecided_fails(report)
    return "major" if undecided else ""


def _description(name: str, row: Row) -> str:
    text = f"{cell_name(row)} {name}: {sentence(row, _DESCRIPTION)}"
    return text.replace("<=", "≤").replace(">=", "≥").translate(_SHOWN)


def _fingerprint(report: Report, name: str, row: Row) -> str:
    """The same for the same rule in the same cell, whatever its line, its limit and its numbers."""
    key = json.dumps([report.policy, policy_file(row), cell_name(row), name])
    return hashlib.sha256(key.encode("ascii")).hexdigest()


def _line(row: Row, head_lines: Mapping[str, Sequence[str]] | None) -> int:
    lines, number = (head_lines or {}).get(policy_file(row), ()), row.place.line
    own = row.policy_line.strip()
    found = own and 1 <= number <= len(lines) and lines[number - 1].strip()[:_EXCERPT] == own
    return number if found else 1
