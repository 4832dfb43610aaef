"""JUnit XML: each check of a report as a test case, for every CI that shows tests.

There is no one definition of the format. What is written here is what its readers agree on
(Jenkins, GitLab, CircleCI, Azure DevOps, Buildkite): one ``testsuite`` in ``testsuites``, and at
most one of ``failure``, ``error`` and ``skipped`` in a ``testcase``. What does not count is
``skipped``, since a test can't warn.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Literal
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from lens_gate.records.report import Report, Row
from lens_gate.render.cases import (
    cell_name,
    counts,
    digits,
    named,
    policy_file,
    sentence,
    undecided_fails,
)
from lens_gate.render.escape import one_line
from lens_gate.render.figures import (
    NOTHING,
    base_title,
    base_value,
    change,
    head_with_bounds,
    sample_size,
    tolerance,
)
from lens_gate.units import format_usd

Result = Literal["passed", "failure", "error", "skipped"]

GATE = "gate"
"""The test case that speaks for the whole gate where its rows don't."""

_MESSAGE = 600
_STAMP = re.compile(r"(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z", re.ASCII)
_ROWLESS: dict[str, Result] = {
    "passed": "passed",
    "unchanged": "passed",
    "not_measured": "skipped",
    "budget": "error",
    "aborted": "error",
    "no_data": "error",
    "failed": "failure",
    "inconclusive": "skipped",
}
# What its rows don't tell of a gate that has some.
_BEYOND_ROWS = ("unchanged", "not_measured", "budget", "aborted")


def junit(report: Report) -> bytes:
    """The report as UTF-8 XML.

    A gate without rows, or one that ended for a reason beside them, is a test case ``gate``: a
    file without test cases is an error to Jenkins.
    """
    cases = [*_gate_case(report), *_row_cases(report)]
    sums = {
        "tests": str(len(cases)),
        "failures": str(_holding(cases, "failure")),
        "errors": str(_holding(cases, "error")),
        "skipped": str(_holding(cases, "skipped")),
        "time": f"{report.elapsed_s:.3f}",
    }
    name = f"lens-gate: {one_line(report.policy)}"
    root = Element("testsuites", {"name": name, **sums})
    suite = SubElement(root, "testsuite", {"name": name, **sums, **_timestamp(report.created)})
    _properties(suite, _of_report(report))
    suite.extend(cases)
    indent(root)
    data: bytes = tostring(root, "UTF-8", xml_declaration=True)
    return data + b"\n"


def _holding(cases: Sequence[Element], result: str) -> int:
    return sum(case.find(result) is not None for case in cases)


def _timestamp(created: str) -> dict[str, str]:
    """ISO 8601 without a zone, as readers want it (UTC)."""
    found = _STAMP.fullmatch(created)
    return {"timestamp": "{}-{}-{}T{}:{}:{}".format(*found.groups())} if found else {}


def _of_report(report: Report) -> Iterator[tuple[str, str]]:
    yield "outcome", report.outcome
    yield "exit_code", str(report.exit_code)
    yield "mode", one_line(report.refs.mode)
    for name in ("trust_ref", "control_ref", "head"):
        if ref := getattr(report.refs, name):
            yield name, one_line(ref)
    yield "spent", format_usd(report.spend.spent_usd)
    yield "requests", str(report.spend.requests)
    yield "seed", str(report.seed)
    yield "lens_gate_version", one_line(report.version)


def _gate_case(report: Report) -> Iterator[Element]:
    if report.rows and report.outcome not in _BEYOND_ROWS:
        return
    result = "failure" if undecided_fails(report) else _ROWLESS[report.outcome]
    message = one_line(report.headline, _MESSAGE)
    case = _case(report, GATE, GATE, one_line(report.policy_file, 500))
    _result(case, result, report.outcome, message, [message, one_line(report.next_step, _MESSAGE)])
    yield case


def _row_cases(report: Report) -> Iterator[Element]:
    for name, row in named(report.rows):
        case = _case(report, cell_name(row), name, policy_file(row))
        _properties(case, _of_row(row))
        message = sentence(row, _MESSAGE)
        _result(case, _outcome_of(row, report), row.name, message, [message, *_details(row)])
        yield case


def _case(report: Report, group: str, name: str, file: str) -> Element:
    """A dot parts package and class; a cell's name has none. A check takes no time of its own."""
    package = one_line(report.policy).replace(".", "_")
    attributes = {"classname": f"{package}.{group}", "name": name, "file": file, "time": "0"}
    return Element("testcase", attributes)


def _outcome_of(row: Row, report: Report) -> Result:
    if row.name in ("pass", "improved"):
        return "passed"
    if not counts(row) or row.name == "new":
        return "skipped"
    if row.name == "inconclusive":
        return "failure" if undecided_fails(report) else "skipped"
    return "failure" if row.name == "fail" else "error"


def _result(case: Element, result: Result, kind: str, message: str, lines: Sequence[str]) -> None:
    if result != "passed":
        SubElement(case, result, {"message": message, "type": kind}).text = "\n".join(lines)


def _of_row(row: Row) -> Iterator[tuple[str, str]]:
    """What an evaluation needs; numbers are in the metric's unit, changes are fractions."""
    verdict = row.verdict
    yield "verdict", row.name
    yield "counts", "yes" if counts(row) else "no"
    yield "metric", one_line(f"{row.metric}.{row.statistic}".rstrip("."))
    yield "unit", row.unit
    yield "n", str(verdict.n)
    numbers = {
        "estimate": verdict.estimate,
        "interval_low": verdict.low,
        "interval_high": verdict.high,
        "margin": verdict.margin,
        "limit": verdict.limit,
        "base": verdict.base_value if row.kind == "relative" else None,
        "head": verdict.head_value,
    }
    yield from ((key, digits(value, 6)) for key, value in numbers.items() if value is not None)


def _details(row: Row) -> Iterator[str]:
    """The same as people read it, a line each, below the sentence."""
    facts = {
        base_title([row]): base_value(row),
        "head": head_with_bounds(row),
        "change [90 %]": change(row),
        "allowed": tolerance(row),
        "n": sample_size(row),
        "rule": f"{policy_file(row)}:{row.place.line}",
        "policy": one_line(row.policy_line, 200) or NOTHING,
    }
    yield from (f"{name}: {text}" for name, text in facts.items() if text != NOTHING)


def _properties(parent: Element, pairs: Iterator[tuple[str, str]]) -> None:
    properties = SubElement(parent, "properties")
    for name, value in pairs:
        SubElement(properties, "property", {"name": name, "value": value})
