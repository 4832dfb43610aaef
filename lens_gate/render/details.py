"""What the Markdown summary folds: all rows, reasons, every metric, changes, how to go on."""

import shlex
from collections.abc import Iterable
from dataclasses import dataclass

from lens_gate.metrics.catalogue import CATALOGUE
from lens_gate.records.report import CellReport, Report, Row
from lens_gate.render.escape import code, fenced, figure, html_code, one_line, prose
from lens_gate.render.figures import (
    NOTHING,
    centre,
    counted,
    metric_title,
    moments,
    sparkline,
    value,
    worst_first,
)
from lens_gate.render.grid import markdown_grid, rows_grid, sign, title
from lens_gate.render.offered import STEP_HEADERS, load_facts, step_lines
from lens_gate.units import format_duration, format_share


@dataclass(frozen=True, slots=True, kw_only=True)
class Fold:
    """A closed block. Of those that are left out for length, the highest ``rank`` goes first."""

    text: str
    rank: int


def folded(report: Report, *, everything: bool) -> Iterable[Fold]:
    """The blocks in their order; ``everything``: the table above them did not hold all rows."""
    if report.rows:
        yield Fold(text=_fold("Why each verdict", _reasons(report)), rank=1)
    if everything:
        yield Fold(text=_fold("All checks", rows_grid(report.rows)), rank=2)
    for cell in report.cells:
        name = html_code(f"{cell.scenario}/{cell.target}")
        yield Fold(text=_fold(f"{name}: requests, metrics, price", _cell(cell)), rank=3)
    if report.changes:
        yield Fold(text=_fold("What the head changes in the policy", _changes(report)), rank=1)
    yield Fold(text=_fold("Reproduce, judge again, accept", _next(report)), rank=2)


def _fold(summary: str, body: str) -> str:
    return f"<details><summary>{summary}</summary>\n\n{body}\n\n</details>"


def _reasons(report: Report) -> str:
    lines = [_reason(row) for row in worst_first(report.rows)]
    rates = (
        f"Failures by chance – unchanged builds: at most {format_share(1 - report.confidence)} for "
        "each policy; a real change no larger than its margin: at most 5 % for each check. "
        f"Gating checks that share the former: {report.family}."
    )
    return "\n".join(lines) + "\n\n" + rates


def _reason(row: Row) -> str:
    place = code(f"{row.place.file}:{row.place.line}")
    excerpt = f": {code(row.policy_line)}" if row.policy_line.strip() else ""
    default = ", default margin" if row.margin_from == "default" else ""
    return (
        f"- {sign(row)} {code(f'{row.scenario}/{row.target}', 80)} {title(row)}: "
        f"{prose(row.verdict.reason)} ({place}{excerpt}{default})"
    )


def _cell(cell: CellReport) -> str:
    facts = [
        f"{cell.ok} of {counted(cell.measured, 'measured request')} succeeded "
        f"({cell.planned} planned{f', {cell.retried} retried' if cell.retried else ''})"
        + (f"; ended early: {prose(cell.end)}" if cell.end else ""),
        _history(cell),
        f"price: {prose(cell.price)}",
    ]
    if cell.title:
        facts.insert(0, code(cell.title))
    if cell.failures:
        kinds = ", ".join(f"{count} x {code(kind)}" for kind, count in cell.failures.items())
        said = f"; the first said {code(cell.example_failure, 300)}" if cell.example_failure else ""
        facts.append(f"failures: {kinds}{said}")
    facts += [prose(fact) for fact in load_facts(cell)]
    if cell.clock:
        facts.append(_client(cell))
    facts += [prose(note) for note in cell.notes]
    facts += [f"differs from the stored runs: {code(text, 200)}" for text in cell.changed]
    facts += [f"stored runs left out: {code(text, 200)}" for text in cell.not_comparable]
    return "\n".join(f"- {fact}" for fact in facts) + _steps(cell) + _metrics(cell)


def _client(cell: CellReport) -> str:
    """How well this client saw: the clock, its lag, and events that shared a read."""
    lag = cell.client_lag_p99_s
    late = "" if lag is None else f", read up to {format_duration(lag)} late (p99 client lag)"
    share = cell.merged_share
    merged = f", {format_share(share)} of events shared a read" if share else ""
    return f"arrivals stamped by the {prose(cell.clock)} clock{late}{merged}"


def _steps(cell: CellReport) -> str:
    body = [[figure(text) for text in line] for line in step_lines(cell)]
    return "\n\n" + markdown_grid(STEP_HEADERS, body, left=1) if body else ""


def _history(cell: CellReport) -> str:
    if not cell.baselines:
        return "no stored run to compare with"
    span = f", {prose(moments(cell.baseline_span))} UTC" if cell.baseline_span else ""
    return f"compared with {counted(cell.baselines, 'stored run')}{span}"


def _metrics(cell: CellReport) -> str:
    """Metrics that this service has none of, as reasoning tokens or cached input, are left out."""
    body = []
    for name, found in cell.metrics.items():
        if found.max == 0 or name not in CATALOGUE:
            continue
        history = cell.history.get(name, ())
        late = f" ({found.censored} timed out)" if found.censored else ""
        points = (found.typ, found.mean, found.p50, found.p90, found.p95, found.max)
        body.append(
            [
                metric_title(name),
                *(figure(value(point, CATALOGUE[name].unit)) for point in points),
                f"{found.n}{late}",
                sparkline([*history, centre(found, name)]) if history else NOTHING,
            ]
        )
    if not body:
        return ""
    headers = ("Metric", "typ", "mean", "p50", "p90", "p95", "max", "n", "Runs, then head")
    return "\n\n" + markdown_grid(headers, body, left=1)


def _changes(report: Report) -> str:
    titles = {
        "measured": "Measured with the head's values",
        "after_merge": "Takes effect after merge",
    }
    groups = []
    for effect, words in titles.items():
        lines = [
            f"- {code(change.path)}: {code(change.trusted)} → {code(change.head)}"
            for change in report.changes
            if change.effect == effect
        ]
        if lines:
            groups.append(f"**{words}**\n\n" + "\n".join(lines))
    return "\n\n".join(groups)


_ACCEPT = (
    "To accept a change for good, raise the rule's limit in the policy, in a change that is "
    "reviewed and merged first: limits are read at the target branch."
)


def _next(report: Report) -> str:
    parts = ["Measure and judge again on your machine:", fenced(report.reproduce, "sh")]
    if report.run_id:
        policy = shlex.quote(one_line(report.policy_file, 300))
        parts += [
            "Judge this very run again, under this policy or a changed one:",
            fenced(f"lens-gate judge --run run.jsonl --policy {policy}", "sh"),
        ]
    return "\n\n".join([*parts, _ACCEPT])
