"""What the checks rest on: by case and metric, why each verdict is what it is, drawn."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from lens_gate.records.report import Row
from lens_gate.render.figures import (
    NOTHING,
    base_title,
    base_value,
    change,
    head_with_bounds,
    metric_title,
    reason,
    sample_size,
    tolerance,
)
from lens_gate.render.html.checks import ordered
from lens_gate.render.html.distributions import distributions, paired
from lens_gate.render.html.parts import bullets, prose, verdict_chip
from lens_gate.render.html.past import past
from lens_gate.render.html.sheet import CaseKey, Sheet
from lens_gate.render.html.shell import section
from lens_gate.render.html.tags import SPACE, Html, join, tag

MOST_DRAWN = 40
"""So many groups of checks have their distributions drawn, the worst first: a page must open."""

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
        "sent at about the same time, so that what slowed both is not in it. Of blocks of load, "
        "a dot holds the head's number in a block against the control's."
    ),
    "None of these pictures decides: the test of each check does, and its reason says how.",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Group:
    """The checks of one metric in one cell, which rest on the same requests."""

    place: CaseKey
    metric: str
    rows: Sequence[tuple[str, Row]]


def evidence(sheet: Sheet) -> Html:
    """What the checks rest on, by case and metric."""
    groups = _groups(ordered(sheet.report.rows))
    if not groups:
        return join()
    return section(
        "evidence",
        "Evidence",
        tag("details", tag("summary", "How to read the charts"), bullets(_READING)),
        [_group(group, sheet, place) for place, group in enumerate(groups)],
        lead="The requests of both sides, and why each verdict is what it is.",
    )


def _groups(checks: Iterable[tuple[str, Row]]) -> list[_Group]:
    found: dict[tuple[CaseKey, str], list[tuple[str, Row]]] = {}
    for anchor, row in checks:
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
    yield from paired(group.rows, figures.changes)
    if any(row.mode == "history" for _, row in group.rows):
        for cell in sheet.report.cells:
            if (cell.scenario, cell.target) == group.place:
                yield from past(cell, group.metric, sheet)


def _limit(group: _Group) -> float | None:
    limits = (row.verdict.limit for _, row in group.rows if row.kind != "relative")
    return next((limit for limit in limits if limit is not None), None)
