"""Case by case: counts, every metric, errors, looks, steps."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice

from lens_gate.metrics.catalogue import CATALOGUE
from lens_gate.records.detail import RequestDetail
from lens_gate.records.report import CellReport, Row, Statistics
from lens_gate.records.sample import ArmName
from lens_gate.render.charts import looks
from lens_gate.render.figures import (
    NOTHING,
    counted,
    counted_pairs,
    interval,
    metric_title,
    moments,
    value,
)
from lens_gate.render.html.case_pictures import pictures
from lens_gate.render.html.parts import (
    Cell,
    Column,
    Line,
    bullets,
    drawing,
    facts,
    table,
)
from lens_gate.render.html.sheet import Sheet, case_anchors, name_of
from lens_gate.render.html.shell import section
from lens_gate.render.html.tags import Child, Html, join, tag, text
from lens_gate.render.looks import LOOK_HEADERS, control_facts, look_lines
from lens_gate.render.offered import STEP_HEADERS, load_facts, step_lines
from lens_gate.units import format_duration, format_share, format_usd

MOST_CASES = 100
_MOST_DRAWN = 20
_ALL_STEPS = (
    "The numbers and pictures of this case take all steps of its sweep together; the steps, each "
    "by itself, stand in the table below them."
)
_MOST_MESSAGES = 20
_POINTS = ("typ", "mean", "p50", "p90", "p95", "p99", "max")


def cases(sheet: Sheet) -> Html:
    """A part for each case, in the policy's order."""
    cells = sheet.report.cells
    if not cells:
        return join()
    anchors = case_anchors(cells)
    shown = [
        _case(cell, sheet, anchors[name_of(cell)], drawn=place < _MOST_DRAWN, alone=len(cells) == 1)
        for place, cell in enumerate(cells[:MOST_CASES])
    ]
    more = len(cells) - MOST_CASES
    if more > 0:
        shown.append(tag("p", f"and {counted(more, 'more case')} in report.json"))
    lead = "All that was measured, whether a rule asks for it or not."
    return section("cases", "Cases", shown, lead=lead)


def _case(cell: CellReport, sheet: Sheet, anchor: str, *, drawn: bool, alone: bool) -> Html:
    name = name_of(cell)
    rows = [row for row in sheet.report.rows if name_of(row) == name]
    parts = [
        facts(_facts(cell)),
        tag("p", _ALL_STEPS, class_="muted") if cell.steps else None,
        _metrics(cell),
        _failures(cell, sheet.requests or ()),
        *(pictures(cell, sheet, rows) if drawn else ()),
        _looks(cell, rows),
        _steps(cell),
        _notes(cell),
    ]
    title = tag("h3", name, tag("span", f" {cell.title}", class_="muted") if cell.title else None)
    gist = tag("span", _gist(cell), class_="muted")
    return tag(
        "article",
        tag(
            "details",
            tag("summary", title, gist),
            tag("div", parts, class_="inside"),
            open=alone or _wants_reading(rows),
        ),
        id=anchor,
        class_="case",
        tabindex="-1",
    )


def _wants_reading(rows: Iterable[Row]) -> bool:
    return any(row.name in ("fail", "no_data") for row in rows)


def _gist(cell: CellReport) -> str:
    failed = sum(cell.failures.values())
    told = f", {failed} failed" if failed else ""
    return f"{counted(cell.measured, 'request')} of the head{told}, {format_usd(cell.spent_usd)}"


def _facts(cell: CellReport) -> Iterable[tuple[str, Child]]:
    planned = f"{cell.planned} planned"
    if cell.duet:
        planned = f"{counted_pairs(cell.planned, in_blocks=cell.duet.block_s > 0)} planned"
    retried = f", {cell.retried} retried" if cell.retried else ""
    yield (
        "Head",
        f"{cell.ok} of {counted(cell.measured, 'measured request')} succeeded ({planned}{retried})",
    )
    yield "Ended early", cell.end
    yield "Model", ", ".join(cell.models)
    for fact in control_facts(cell):
        title, _, words = fact.partition(": ")
        known = _CONTROL_FACTS.get(title)
        # The changes stand in the table of metrics.
        if known != _IN_TABLE:
            yield (known, words) if known else ("Pairs", fact)
    if cell.baselines:
        span = f", {moments(cell.baseline_span)} UTC" if cell.baseline_span else ""
        yield "Stored runs", f"{cell.baselines}{span}"
    elif cell.duet is None:
        yield "Stored runs", "none to compare with"
    for fact in load_facts(cell):
        title, _, words = fact.partition(": ")
        yield title.capitalize(), words
    yield "Client", _client(cell)
    yield "Price", cell.price
    yield "Region", cell.region
    yield "Fingerprint", tag("code", cell.fingerprint) if cell.fingerprint else None
    changed = cell.duet.changed if cell.duet else cell.changed
    yield "Changed", [tag("div", tag("code", words)) for words in changed] or None
    left_out = [tag("div", tag("code", words)) for words in cell.not_comparable]
    yield "Not compared", left_out or None


_IN_TABLE = "Changes"
_CONTROL_FACTS: Mapping[str, str] = {
    "control": "Control",
    "spent": "Spent",
    "head against control, with 95 % intervals": _IN_TABLE,
    "prompts that only the head has, not sent": "Only in the head",
    "prompts that only the control has, not sent": "Only in the control",
}


def _client(cell: CellReport) -> str:
    """How well this client saw: the clock, its lag, and events that shared a read."""
    if not cell.clock:
        return ""
    lag, share = cell.client_lag_p99_s, cell.merged_share
    late = "" if lag is None else f", read up to {format_duration(lag)} late (p99)"
    merged = f", {format_share(share)} of events shared a read" if share else ""
    return f"arrivals stamped by the {cell.clock} clock{late}{merged}"


def _metrics(cell: CellReport) -> Html:
    """Both arms of each metric below each other; metrics of nothing are left out."""
    duet = cell.duet
    lines = []
    for name, head in cell.metrics.items():
        if name not in CATALOGUE or head.max == 0:
            continue
        control = duet.metrics.get(name) if duet else None
        if control is not None:
            lines.append(_points(name, "control", control, NOTHING))
        moved = duet.moved.get(name) if duet else None
        words = NOTHING if moved is None else interval(moved.change, moved.low, moved.high)
        lines.append(_points(name, "head" if duet else "", head, words))
    if not lines:
        return join()
    columns = [Column("Metric")]
    columns += [Column("Arm")] if duet else []
    columns += [Column(point, numeric=True) for point in _POINTS]
    columns += [Column("n", numeric=True)]
    columns += [Column("Change [95 %]", numeric=True)] if duet else []
    kept = lines if duet else [_without_arm(line) for line in lines]
    return table(f"Every metric of {name_of(cell)}", columns, kept, sortable=True, compact=True)


def _points(name: str, arm: str, found: Statistics, moved: str) -> Line:
    row = CATALOGUE[name]
    late = f" ({found.censored} timed out)" if found.censored else ""
    numbers = [Cell(value(found.named(point), row.unit), found.named(point)) for point in _POINTS]
    title = tag("span", metric_title(name), title=row.definition)
    return Line(
        cells=[
            Cell(title, metric_title(name)),
            arm,
            *numbers,
            Cell(f"{found.n}{late}", found.n),
            moved,
        ],
        class_="control" if arm == "control" else "",
    )


def _without_arm(line: Line) -> Line:
    first, _, *rest = line.cells
    return Line(cells=[first, *rest[:-1]])


def _failures(cell: CellReport, requests: Iterable[RequestDetail]) -> Html:
    """Errors by kind and arm, and in the server's own words."""
    arms: list[tuple[ArmName, Mapping[str, int]]] = [("head", cell.failures)]
    if cell.duet is not None:
        arms.append(("control", cell.duet.failures))
    words = Counter(
        (one.arm, one.status, one.http_status, one.failure)
        for one in requests
        if one.phase == "measured" and one.status != "ok" and one.cell == name_of(cell)
    )
    lines = []
    for arm, failures in arms:
        for kind, count in failures.items():
            said = [key for key in words if key[:2] == (arm, kind)]
            messages = [
                tag("div", tag("code", _said(key[2], key[3])), f" × {words[key]}")
                for key in islice(said, _MOST_MESSAGES)
            ]
            if not said and arm == "head" and cell.example_failure:
                messages = [tag("div", tag("code", text(cell.example_failure, 300)))]
            lines.append(
                Line(cells=(kind.replace("_", " "), arm, Cell(str(count), count), messages))
            )
    if not lines:
        return join()
    columns = (
        Column("Kind"),
        Column("Arm"),
        Column("Requests", numeric=True),
        Column("In the server's words"),
    )
    return table(f"Errors of {name_of(cell)}", columns, lines, sortable=True)


def _said(http_status: int | None, words: str) -> str:
    return " ".join(filter(None, ("" if http_status is None else str(http_status), words[:300])))


def _looks(cell: CellReport, rows: Sequence[Row]) -> Html:
    lines = look_lines(cell, rows)
    if not lines or cell.duet is None:
        return join()
    in_blocks = cell.duet.block_s > 0
    picture = looks(
        cell.duet.looks,
        planned=cell.planned,
        title=f"{name_of(cell)}: looks while it was measured",
        in_blocks=in_blocks,
    )
    columns = [Column(title.capitalize(), numeric=title == "open") for title in LOOK_HEADERS]
    return join(
        drawing(
            picture, join(tag("strong", "Looks. "), "The run stops as soon as all is decided.")
        ),
        table(f"Looks at {name_of(cell)}", columns, [Line(cells=line) for line in lines]),
    )


def _steps(cell: CellReport) -> Html:
    lines = [Line(cells=line) for line in step_lines(cell)]
    if not lines:
        return join()
    columns = [Column(title, numeric=place > 0) for place, title in enumerate(STEP_HEADERS)]
    return table(f"Steps of the sweep of {name_of(cell)}", columns, lines)


def _notes(cell: CellReport) -> Html:
    drift = [f"drift of the service: {words}" for words in (cell.duet.drift if cell.duet else ())]
    notes = [*cell.notes, *drift]
    return join(tag("h4", "Notes"), bullets(notes)) if notes else join()
