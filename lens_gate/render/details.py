"""What the Markdown summary folds: all rows, reasons, every metric, changes, how to go on."""

import shlex
from collections.abc import Iterable
from dataclasses import dataclass

from lens_gate.metrics.catalogue import CATALOGUE
from lens_gate.records.report import CellReport, Report, Row, Statistics
from lens_gate.render.escape import code, fenced, figure, html_code, one_line, prose
from lens_gate.render.figures import (
    NOTHING,
    centre,
    counted,
    counted_pairs,
    metric_title,
    moments,
    rates,
    reason,
    sparkline,
    value,
    worst_first,
)
from lens_gate.render.grid import WAIVER_SIGNS, markdown_grid, rows_grid, sign, title
from lens_gate.render.looks import LOOK_HEADERS, control_facts, look_lines
from lens_gate.render.offered import STEP_HEADERS, load_facts, step_lines
from lens_gate.render.waivers import TITLES, accepting, waiver_lines
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
        own = [r for r in report.rows if (r.scenario, r.target) == (cell.scenario, cell.target)]
        yield Fold(text=_fold(f"{name}: requests, metrics, price", _cell(cell, own)), rank=3)
    if report.waivers:
        yield Fold(text=_fold("Waivers", _waivers(report)), rank=1)
    if report.changes:
        yield Fold(text=_fold("What the head changes in the policy", _changes(report)), rank=1)
    yield Fold(text=_fold("Reproduce, judge again, accept", _next(report)), rank=2)


def _fold(summary: str, body: str) -> str:
    return f"<details><summary>{summary}</summary>\n\n{body}\n\n</details>"


def _reasons(report: Report) -> str:
    lines = [_reason(row) for row in worst_first(report.rows)]
    chance = (
        f"Failures by chance – {prose(rates(report.confidence, report.null_rate))} "
        f"Gating checks that share the former: {report.family}."
    )
    return "\n".join(lines) + "\n\n" + chance


def _reason(row: Row) -> str:
    place = code(f"{row.place.file}:{row.place.line}")
    excerpt = f": {code(row.policy_line)}" if row.policy_line.strip() else ""
    default = ", default margin" if row.margin_from == "default" else ""
    why = reason(row)
    return (
        f"- {sign(row)} {code(f'{row.scenario}/{row.target}', 80)} {title(row)}: "
        f"{prose(why, 1200)} ({place}{excerpt}{default})"
    )


def _waivers(report: Report) -> str:
    return "\n".join(
        f"- {WAIVER_SIGNS[line.state]} {TITLES[line.state]} {prose(line.text)}"
        for line in waiver_lines(report)
    )


def _cell(cell: CellReport, rows: Iterable[Row]) -> str:
    planned = f"{cell.planned} planned"
    if cell.duet:
        planned = f"{counted_pairs(cell.planned, in_blocks=cell.duet.block_s > 0)} planned"
    facts = [
        f"{cell.ok} of {counted(cell.measured, 'measured request')} succeeded "
        f"({planned}{f', {cell.retried} retried' if cell.retried else ''})"
        + (f"; ended early: {prose(cell.end)}" if cell.end else ""),
        *map(prose, control_facts(cell)),
        *_history(cell),
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
    facts += [
        f"changed by the head: {code(text, 200)}"
        for text in (cell.duet.changed if cell.duet else ())
    ]
    facts += [f"differs from the stored runs: {code(text, 200)}" for text in cell.changed]
    facts += [f"stored runs left out: {code(text, 200)}" for text in cell.not_comparable]
    tables = _looks(cell, rows) + _steps(cell) + _metrics(cell)
    return "\n".join(f"- {fact}" for fact in facts) + tables


def _looks(cell: CellReport, rows: Iterable[Row]) -> str:
    body = [[prose(text) for text in line] for line in look_lines(cell, rows)]
    return "\n\n" + markdown_grid(LOOK_HEADERS, body, left=3) if body else ""


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


def _history(cell: CellReport) -> Iterable[str]:
    """In a duet stored runs only tell of the service's drift."""
    if cell.baselines:
        span = f", {prose(moments(cell.baseline_span))} UTC" if cell.baseline_span else ""
        what = "compared with" if cell.duet is None else "beside the control there are"
        yield f"{what} {counted(cell.baselines, 'stored run')}{span}"
    elif cell.duet is None:
        yield "no stored run to compare with"


def _metrics(cell: CellReport) -> str:
    """Metrics that this service has none of, as reasoning tokens or cached input, are left out.

    In a duet the control's line stands above the head's.
    """
    body = []
    past = any(cell.history.values())
    for name, found in cell.metrics.items():
        if found.max == 0 or name not in CATALOGUE or _repeats(cell, name):
            continue
        history = cell.history.get(name, ())
        runs = sparkline([*history, centre(found, name)]) if history else NOTHING
        control = cell.duet.metrics.get(name) if cell.duet else None
        if control is not None:
            beside = [NOTHING] if past else []
            body.append([f"{metric_title(name)}, control", *_points(name, control), *beside])
        head = metric_title(name) if control is None else f"{metric_title(name)}, head"
        body.append([head, *_points(name, found), *([runs] if past else [])])
    if not body:
        return ""
    headers = ("Metric", "typ", "mean", "p50", "p90", "p95", "max", "n")
    return "\n\n" + markdown_grid((*headers, "Runs, then head") if past else headers, body, left=1)


def _repeats(cell: CellReport, name: str) -> bool:
    """Where nothing is hidden before the visible output, its first output is the first of all."""
    sides = [cell.metrics, *([cell.duet.metrics] if cell.duet else [])]
    return name == "ttfr" and all(side.get("ttfr") == side.get("ttft") for side in sides)


def _points(name: str, found: Statistics) -> Iterable[str]:
    late = f" ({found.censored} timed out)" if found.censored else ""
    points = (found.typ, found.mean, found.p50, found.p90, found.p95, found.max)
    yield from (figure(value(point, CATALOGUE[name].unit)) for point in points)
    yield f"{found.n}{late}"


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
_WAIVE = (
    "To let a failure through for a while, merge a waiver into the target branch and run this job "
    "again; the ceiling is the worst end of what was measured here:"
)


def _next(report: Report) -> str:
    parts = ["Measure and judge again on your machine:", fenced(report.reproduce, "sh")]
    if report.run_id:
        policy = shlex.quote(one_line(report.policy_file, 300))
        parts += [
            "Judge this very run again, under this policy or a changed one:",
            fenced(f"lens-gate judge --run run.jsonl --policy {policy}", "sh"),
        ]
    if commands := [fenced(command, "sh") for command in accepting(report)]:
        parts += [_WAIVE, *commands]
    return "\n\n".join([*parts, _ACCEPT])
