"""Every check, in a table to sort and filter."""

from collections.abc import Iterable, Sequence

from lens_gate.records.report import Row
from lens_gate.render.figures import (
    base_title,
    base_value,
    by_default,
    change,
    counted,
    head_with_bounds,
    metric_title,
    sample_size,
    tolerance,
    worst_first,
)
from lens_gate.render.html.parts import Cell, Column, Line, table, verdict_chip
from lens_gate.render.html.sheet import Sheet, name_of, rule_anchors
from lens_gate.render.html.shell import section
from lens_gate.render.html.tags import Html, join, tag

MOST_CHECKS = 500
_ORDER = ("fail", "no_data", "inconclusive", "new", "pass", "improved")


def checks(sheet: Sheet) -> Html:
    """The table of all checks, the worst first."""
    rows = sheet.report.rows
    if not rows:
        return join()
    shown = ordered(rows)
    cut = len(rows) - len(shown)
    return section(
        "checks",
        "Checks",
        _filters(rows) if len(rows) > 1 else None,
        _table(shown, rows),
        tag("p", f"{counted(cut, 'more check')} in report.json.") if cut > 0 else None,
        lead="One line for each limit of each rule in each case; it leads to its evidence.",
    )


def ordered(rows: Sequence[Row]) -> list[tuple[str, Row]]:
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


def _table(shown: Sequence[tuple[str, Row]], rows: Sequence[Row]) -> Html:
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
    lines = [_line(anchor, row) for anchor, row in shown]
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
