"""Every check: a table to sort and filter, then what each rests on, drawn."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from lens_gate.metrics.catalogue import CATALOGUE
from lens_gate.metrics.distribution import Changes, Spread
from lens_gate.records.report import Row
from lens_gate.render.charts import (
    Axis,
    Bars,
    Curve,
    Pair,
    Span,
    differences,
    ecdf,
    histogram,
)
from lens_gate.render.figures import (
    NOTHING,
    base_title,
    base_value,
    by_default,
    change,
    counted,
    head_with_bounds,
    metric_title,
    reason,
    sample_size,
    tolerance,
    worst_first,
)
from lens_gate.render.html.parts import (
    Cell,
    Column,
    Line,
    bullets,
    drawing,
    prose,
    table,
    verdict_chip,
)
from lens_gate.render.html.past import past
from lens_gate.render.html.sheet import CaseKey, Sheet, name_of, rule_anchors
from lens_gate.render.html.shell import section
from lens_gate.render.html.tags import SPACE, Html, join, tag
from lens_gate.units import format_share

MOST_DRAWN = 40
"""So many groups of checks have their distributions drawn, the worst first: a page must open."""

MOST_CHECKS = 500
_MOST_DOTS = 300
_BROAD = 1120
_ORDER = ("fail", "no_data", "inconclusive", "new", "pass", "improved")
_ASKS = frozenset({"fail", "no_data", "inconclusive"})
_READING = (
    (
        "Cumulative: how many requests (up) had at most this value (across). A curve further to "
        "the right has higher values."
    ),
    (
        "The shaded band holds the whole true curve with a chance of 95 % (Dvoretzky, Kiefer and "
        "Wolfowitz, with Massart's constant). Where requests timed out, they count as later than "
        "all others, and the curve ends below 100 %."
    ),
    "Histogram: the same requests in bins, with exact 95 % intervals (Clopper and Pearson).",
    (
        "Pair by pair: each dot holds a request of the head against its partner of the control, "
        "sent at about the same time, so that what slowed both is not in it."
    ),
    "None of these pictures decides: the test of each check does, and its reason says how.",
)
_STORED = (
    "The stored runs are drawn as one and without a band: runs differ by more than their requests "
    "tell."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Group:
    """The checks of one metric in one cell, which rest on the same requests."""

    place: CaseKey
    metric: str
    rows: Sequence[tuple[str, Row]]


def checks(sheet: Sheet) -> Html:
    """The table of all checks, the worst first."""
    rows = sheet.report.rows
    if not rows:
        return join()
    ordered = _ordered(rows)
    cut = len(rows) - len(ordered)
    return section(
        "checks",
        "Checks",
        _filters(rows) if len(rows) > 1 else None,
        _table(ordered, rows),
        tag("p", f"{counted(cut, 'more check')} in report.json.") if cut > 0 else None,
        lead="One line for each limit of each rule in each case; it leads to its evidence.",
    )


def evidence(sheet: Sheet) -> Html:
    """What the checks rest on, by case and metric."""
    groups = _groups(_ordered(sheet.report.rows))
    if not groups:
        return join()
    return section(
        "evidence",
        "Evidence",
        tag("details", tag("summary", "How to read the charts"), bullets(_READING)),
        [_group(group, sheet, place) for place, group in enumerate(groups)],
        lead="The requests of both sides, and why each verdict is what it is.",
    )


def _ordered(rows: Sequence[Row]) -> list[tuple[str, Row]]:
    """The checks with their anchors, the worst first."""
    anchors = dict(zip(map(id, rows), rule_anchors(rows), strict=True))
    return [(anchors[id(row)], row) for row in worst_first(rows)][:MOST_CHECKS]


def _filters(rows: Sequence[Row]) -> Html:
    found = {row.name for row in rows}
    verdicts = [name for name in _ORDER if name in found]
    cases = list(dict.fromkeys(map(name_of, rows)))
    return tag(
        "form",
        tag("label", "Search", tag("input", type="search", placeholder="metric, case, rule")),
        _select("Verdict", "verdict", [(name, name.replace("_", " ")) for name in verdicts]),
        _select("Case", "case", [(name, name) for name in cases]) if len(cases) > 1 else None,
        tag("output", aria_live="polite"),
        class_="filters no-print",
        data_for="checks-table",
        hidden=True,
    )


def _select(title: str, key: str, options: Iterable[tuple[str, str]]) -> Html:
    choices = [tag("option", words, value=value) for value, words in options]
    every = tag("option", "all", value="")
    return tag("label", title, tag("select", every, choices, data_key=key))


def _table(ordered: Sequence[tuple[str, Row]], rows: Sequence[Row]) -> Html:
    columns = (
        Column("Check"),
        Column("Case"),
        Column("Verdict"),
        Column(base_title(rows).capitalize(), numeric=True),
        Column("Head", numeric=True),
        Column("Change [90 %]", numeric=True),
        Column("Allowed", numeric=True),
        Column("n", numeric=True),
    )
    lines = [_line(anchor, row) for anchor, row in ordered]
    caption = "All checks, the worst first"
    return table(caption, columns, lines, name="checks-table", sortable=True)


def _line(anchor: str, row: Row) -> Line:
    verdict = row.verdict
    default = tag("span", " (default)", class_="muted") if by_default(row) else None
    allowed = verdict.limit if verdict.margin is None else verdict.margin
    return Line(
        cells=(
            tag("a", metric_title(row.metric, row.statistic), href=f"#{anchor}"),
            name_of(row),
            Cell(verdict_chip(row), _ORDER.index(row.name)),
            Cell(base_value(row), _key(verdict.base_value if row.kind == "relative" else None)),
            Cell(head_with_bounds(row), _key(verdict.head_value)),
            Cell(change(row), _key(verdict.estimate if row.kind == "relative" else None)),
            Cell(join(tolerance(row), default), _key(allowed)),
            Cell(sample_size(row), verdict.n),
        ),
        data={"verdict": row.name, "case": name_of(row)},
    )


def _key(number: float | None) -> float | str:
    """What has no number sorts last."""
    return "" if number is None else number


def _groups(ordered: Iterable[tuple[str, Row]]) -> list[_Group]:
    found: dict[tuple[CaseKey, str], list[tuple[str, Row]]] = {}
    for anchor, row in ordered:
        found.setdefault(((row.scenario, row.target), row.metric), []).append((anchor, row))
    return [
        _Group(place=place, metric=metric, rows=rows) for (place, metric), rows in found.items()
    ]


def _group(group: _Group, sheet: Sheet, place: int) -> Html:
    name = "/".join(group.place)
    open_ = any(row.name in _ASKS for _, row in group.rows)
    chips = [join(verdict_chip(row), SPACE) for _, row in group.rows]
    title = tag("h3", metric_title(group.metric), tag("span", f" in {name}", class_="muted"))
    drawn = list(_drawn(group, sheet)) if place < MOST_DRAWN else [_too_many(sheet)]
    return tag(
        "article",
        tag(
            "details",
            tag("summary", title, tag("span", chips, class_="chips")),
            tag(
                "div",
                [_check(anchor, row) for anchor, row in group.rows],
                tag("div", drawn, class_="charts") if drawn else None,
                class_="inside",
            ),
            open=open_,
        ),
        class_="evidence",
    )


def _too_many(sheet: Sheet) -> Html:
    if sheet.requests is None:
        return join()
    words = f"Drawn are the {MOST_DRAWN} worst groups of checks; run.jsonl has every request."
    return tag("p", words, class_="muted")


def _check(anchor: str, row: Row) -> Html:
    figures = ", ".join(
        f"{name} {words}"
        for name, words in (
            (base_title([row]), base_value(row)),
            ("head", head_with_bounds(row)),
            ("change", change(row)),
            ("allowed", tolerance(row)),
            ("n", sample_size(row)),
        )
        if words != NOTHING
    )
    where = f"{row.place.file}:{row.place.line}" if row.place.line else row.place.file
    rule = [
        tag("span", "Rule ", class_="muted"),
        tag("code", row.rule),
        tag("span", " at ", class_="muted"),
        tag("code", where),
        *(
            [tag("span", ": ", class_="muted"), tag("code", row.policy_line)]
            if row.policy_line
            else []
        ),
    ]
    return tag(
        "div",
        tag(
            "h4",
            verdict_chip(row),
            SPACE,
            metric_title(row.metric, row.statistic),
            SPACE,
            tag(
                "a",
                "#",
                href=f"#{anchor}",
                class_="anchor no-print",
                aria_label="Link to this check",
            ),
        ),
        tag("p", figures, class_="figures"),
        tag("p", prose(reason(row))),
        tag("p", rule, class_="rule"),
        id=anchor,
        class_="check",
        tabindex="-1",
    )


def _drawn(group: _Group, sheet: Sheet) -> Iterable[Html]:
    """Both distributions of the metric, and its changes pair by pair."""
    figures = sheet.of("/".join(group.place))
    spread = figures.spreads.get(group.metric)
    if spread is not None:
        yield from distributions(spread, "/".join(group.place), _limit(group))
    yield from _distinct(group, figures.changes)
    if any(row.mode == "history" for _, row in group.rows):
        for cell in sheet.report.cells:
            if (cell.scenario, cell.target) == group.place:
                yield from past(cell, group.metric, sheet)


def _limit(group: _Group) -> float | None:
    limits = (row.verdict.limit for _, row in group.rows if row.kind != "relative")
    return next((limit for limit in limits if limit is not None), None)


def distributions(spread: Spread, name: str, limit: float | None = None) -> Iterable[Html]:
    """A metric's empirical distribution functions and histograms, all sides on one axis."""
    row = CATALOGUE[spread.metric]
    title = metric_title(spread.metric)
    axis = Axis(title=row.title, unit=row.unit, log=row.unit in ("s", "tokens/s", "usd"))
    sides = [(_SIDES[side], side, shape) for side, shape in spread.sides.items()]
    curves = [
        Curve(
            name=f"{words}, n = {shape.n}"
            + (f" ({shape.censored} timed out)" if shape.censored else ""),
            role=side,
            xs=shape.xs,
            ys=shape.ys,
            low=shape.low,
            high=shape.high,
        )
        for words, side, shape in sides
    ]
    bars = [
        Bars(
            name=words,
            role=side,
            edges=spread.edges,
            shares=shape.shares,
            low=shape.shares_low,
            high=shape.shares_high,
        )
        for words, side, shape in sides
    ]
    stored = _STORED if "stored" in spread.sides else None
    size = "long" if row.unit == "s" else "much"
    curve_title = f"{title} in {name}: share of requests at most so {size}"
    yield drawing(
        ecdf(curves, axis, title=curve_title, limit=limit),
        join(tag("strong", f"{title}, cumulative. "), stored),
        unit=row.unit,
    )
    yield drawing(
        histogram(bars, axis, title=f"{title} in {name}: how requests spread", limit=limit),
        tag("strong", f"{title}, histogram"),
        unit=row.unit,
    )


_SIDES: Mapping[str, str] = {"head": "head", "control": "control", "stored": "stored runs"}


def _distinct(group: _Group, found: Mapping[str, Changes]) -> Iterable[Html]:
    """The changes of each check; those that rest on the same ones are drawn once."""
    seen: list[Changes] = []
    for _, row in worst_last(group.rows):
        changes = found.get(row.verdict.id)
        if changes is None or changes in seen:
            continue
        seen.append(changes)
        yield _changes(row, changes)


def worst_last(rows: Sequence[tuple[str, Row]]) -> Iterable[tuple[str, Row]]:
    """The centre before the tails: a change of a whole distribution is seen at its centre."""
    return sorted(rows, key=lambda pair: pair[1].statistic not in ("typ", "mean", ""))


def _changes(row: Row, changes: Changes) -> Html:
    verdict = row.verdict
    every = max(1, -(-len(changes.steps) // _MOST_DOTS))
    steps = changes.steps[::every]
    pairs = [
        Pair(number=step.number, change=step.change, confirming=step.confirming) for step in steps
    ]
    # A quantile's change is none of pairs: its estimate does not belong among them.
    central = row.statistic in ("typ", "mean", "") or row.in_blocks
    span = None
    if central and verdict.estimate is not None:
        span = Span(value=verdict.estimate, low=verdict.low, high=verdict.high)
    margin = verdict.margin
    if margin is not None and row.better == "higher":
        margin = 1 / (1 + margin) - 1
    what = "block pair" if row.in_blocks else "pair"
    title = (
        f"{metric_title(row.metric, row.statistic if row.in_blocks else '')}: change in each {what}"
    )
    return drawing(
        differences(
            pairs,
            Axis(title="change against the control", unit="change"),
            title=title,
            span=span,
            margin=margin if central else None,
            width=_BROAD,
            height=220,
        ),
        join(tag("strong", "Pair by pair. "), _about_changes(changes, every, what)),
        class_="broad",
    )


def _about_changes(changes: Changes, every: int, what: str) -> str:
    above = sum(step.change > 0 for step in changes.steps)
    share = format_share(above / len(changes.steps))
    parts = [
        f"The head's number is the higher one in {share} of {counted(len(changes.steps), what)}."
    ]
    if every > 1:
        parts.append(f"One of {every} is drawn.")
    if any(step.confirming for step in changes.steps):
        parts.append(
            "Dots of another colour are of the new pairs on which failures were tested again."
        )
    if changes.left_out:
        parts.append(f"{counted(changes.left_out, 'pair')} with a time-out can't be drawn.")
    return " ".join(parts)
