"""What the Markdown summary folds: all rows, reasons, every metric, changes, how to go on."""

from collections.abc import Iterable
from itertools import chain, islice

from lens_gate.metrics.catalogue import CATALOGUE
from lens_gate.records.publication import Frame
from lens_gate.records.report import CellReport, Report, Row, Statistics
from lens_gate.render.escape import code, fenced_lines, figure, html_code, link, prose
from lens_gate.render.figures import (
    NOTHING,
    centre,
    counted,
    counted_pairs,
    metric_title,
    moments,
    rates,
    reason,
    value,
    worst_first,
)
from lens_gate.render.fold import Fold, fold
from lens_gate.render.going_on import going_on
from lens_gate.render.grid import WAIVER_SIGNS, markdown_grid, rows_grid, sign, title
from lens_gate.render.looks import (
    LOOK_HEADERS,
    control_facts,
    decisions,
    drifts,
    look_lines,
    movements,
    pooled,
)
from lens_gate.render.offered import STEP_HEADERS, load_facts, step_lines
from lens_gate.render.sparkline import histogram, sparkline
from lens_gate.render.waivers import TITLES, waiver_lines
from lens_gate.units import format_duration, format_share

# How many of each there is room for, as shares of the limit: one of so many characters.
_ROW = 400
_REASON = 1000
_CELL = 4000
_MOST_SENTENCES = 10
_PICTURED = ("ttft", "e2e")


def folded(report: Report, frame: Frame, *, limit: int, everything: bool) -> Iterable[Fold]:
    """The blocks in their order; ``everything``: the table above them did not hold all rows.

    ``limit`` is how long the whole text may be: far longer lists are not even begun.
    """
    if report.rows:
        text = fold("Why each verdict", _reasons(report, frame, max(1, limit // _REASON)))
        yield Fold(text=text, rank=1)
    if everything:
        yield Fold(text=fold("All checks", _all(report, max(1, limit // _ROW))), rank=2)
    if text := _session(report):
        yield Fold(text=fold("How the pairs went, and how the service moved", text), rank=1)
    yield from _cells(report, max(1, limit // _CELL))
    if report.waivers:
        yield Fold(text=fold("Waivers", _waivers(report, max(1, limit // _REASON))), rank=1)
    if report.changes:
        text = _changes(report, max(1, limit // _REASON))
        yield Fold(text=fold("What the head changes in the policy", text), rank=1)
    yield from going_on(report, frame)


def _all(report: Report, most: int) -> str:
    """In the policy's order; where there is no room for all of them, the worst ones first."""
    if len(report.rows) <= most:
        return rows_grid(report.rows)
    rest = f"The first {most} of {len(report.rows)} checks, the worst ones first; {_IN_FILE}"
    return f"{rows_grid(worst_first(report.rows)[:most])}\n\n{rest}"


_IN_FILE = "`report.json` holds all of them."


def _cells(report: Report, most: int) -> Iterable[Fold]:
    """In the policy's order; where there is no room for all of them, those of the worst checks."""
    rows: dict[str, list[Row]] = {}
    for row in worst_first(report.rows):
        rows.setdefault(f"{row.scenario}/{row.target}", []).append(row)
    cells, rest = list(report.cells), len(report.cells) - most
    if rest > 0:
        order = {name: place for place, name in enumerate(rows)}
        cells.sort(key=lambda cell: order.get(f"{cell.scenario}/{cell.target}", len(order)))
    for cell in cells[:most]:
        name = f"{cell.scenario}/{cell.target}"
        text = fold(f"{html_code(name)}: requests, metrics, price", _cell(cell, rows.get(name, ())))
        yield Fold(text=text, rank=3)
    if rest > 0:
        text = f"{counted(rest, 'more case')} without details here: {_IN_FILE}"
        yield Fold(text=text, rank=2)


def _session(report: Report) -> str:
    """What moved, and how the service did: apart from the change's effect, both arms saw it."""
    parts = {
        "Moved": movements(report),
        "Targets together": pooled(report),
        "Looks": decisions(report.cells),
        "Drift of the service": drifts(report),
    }
    lines = []
    for name, texts in parts.items():
        if found := [prose(text) for text in islice(texts, _MOST_SENTENCES)]:
            lines.append(f"**{name}** {'; '.join(found)}")
    return "\n\n".join(lines)


def _reasons(report: Report, frame: Frame, most: int) -> str:
    lines = [_reason(row, report, frame) for row in worst_first(report.rows)[:most]]
    if len(report.rows) > most:
        lines.append(f"- and {counted(len(report.rows) - most, 'more check')}: {_IN_FILE}")
    chance = (
        f"Failures by chance – {prose(rates(report.confidence, report.null_rate))} "
        f"Gating checks that share the former: {report.family}."
    )
    return "\n".join(lines) + "\n\n" + chance


def _reason(row: Row, report: Report, frame: Frame) -> str:
    excerpt = f": {code(row.policy_line)}" if row.policy_line.strip() else ""
    default = ", default margin" if row.margin_from == "default" else ""
    why = reason(row)
    return (
        f"- {sign(row)} {code(f'{row.scenario}/{row.target}', 80)} {title(row)}: "
        f"{prose(why, 1200)} ({_place(row, report, frame)}{excerpt}{default})"
    )


def _place(row: Row, report: Report, frame: Frame) -> str:
    """Where the rule stands, as a link to that line where the forge shows the trusted policy."""
    words = code(f"{row.place.file}:{row.place.line}")
    if not frame.policy_url or row.place.file != report.policy_file or row.place.line < 1:
        return words
    return link(words, f"{frame.policy_url}#L{row.place.line}")


def _waivers(report: Report, most: int) -> str:
    lines = [
        f"- {WAIVER_SIGNS[line.state]} {TITLES[line.state]} {prose(line.text)}"
        for line in waiver_lines(report)[:most]
    ]
    if len(report.waivers) > most:
        lines.append(f"- and {counted(len(report.waivers) - most, 'more waiver')}: {_IN_FILE}")
    return "\n".join(lines)


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
    tables = _looks(cell, rows) + _steps(cell) + _metrics(cell) + _spread(cell)
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


def _spread(cell: CellReport) -> str:
    """How times spread, in characters: both arms on one axis of equal ratios."""
    pictures = [
        histogram(metric_title(name), cell.bins[name], CATALOGUE[name].unit)
        for name in _PICTURED
        if name in cell.bins
    ]
    if not pictures:
        return ""
    lines = list(chain.from_iterable([*picture, ""] for picture in pictures))[:-1]
    axis = "Requests by time, on a logarithmic axis from the shortest to the longest:"
    return f"\n\n{axis}\n\n{fenced_lines(lines, 'text')}"


def _repeats(cell: CellReport, name: str) -> bool:
    """Where nothing is hidden before the visible output, its first output is the first of all."""
    sides = [cell.metrics, *([cell.duet.metrics] if cell.duet else [])]
    return name == "ttfr" and all(side.get("ttfr") == side.get("ttft") for side in sides)


def _points(name: str, found: Statistics) -> Iterable[str]:
    late = f" ({found.censored} timed out)" if found.censored else ""
    points = (found.typ, found.mean, found.p50, found.p90, found.p95, found.max)
    yield from (figure(value(point, CATALOGUE[name].unit)) for point in points)
    yield f"{found.n}{late}"


def _changes(report: Report, most: int) -> str:
    titles = {
        "measured": "Measured with the head's values",
        "after_merge": "Takes effect after merge",
    }
    groups = []
    for effect, words in titles.items():
        own = [change for change in report.changes if change.effect == effect]
        lines = [
            f"- {code(change.path)}: {code(change.trusted)} → {code(change.head)}"
            for change in own[:most]
        ]
        if len(own) > most:
            lines.append(f"- and {counted(len(own) - most, 'more change')}: {_IN_FILE}")
        if lines:
            groups.append(f"**{words}**\n\n" + "\n".join(lines))
    return "\n\n".join(groups)
