"""A history as one page: a chart for each metric, what happened, objectives, and every run."""

from collections.abc import Iterator, Sequence

from lens_gate.records.series import CellHistory, History, Series, StoredRun
from lens_gate.render.charts import Axis, Break, Level, Point
from lens_gate.render.charts import series as chart
from lens_gate.render.figures import moments, value
from lens_gate.render.history_words import (
    METHOD,
    commit,
    day,
    events,
    headline,
    kept_words,
    latest,
    level,
    newest,
    numbers,
    picture,
    promise,
    remark,
    span,
    title,
    trend_words,
    when,
)
from lens_gate.render.html.parts import (
    Cell,
    Column,
    Line,
    Tone,
    chip,
    drawing,
    prose,
    table,
)
from lens_gate.render.html.shell import page, section
from lens_gate.render.html.tags import Child, Html, join, tag

_TONES: dict[str, Tone] = {
    "worse": "bad", "better": "good", "break": "info", "changed": "info", "bad": "warn",
}  # fmt: skip
_SIGNS = {"worse": "✗", "better": "★", "break": "┃", "changed": "✎", "bad": "∅"}


def history_page(found: History) -> str:
    """The history as a self-contained page; encode it as UTF-8."""
    body = join(
        tag("h1", "History"),
        tag("p", headline(found), class_="lead"),
        [tag("p", prose(text), class_="note") for text in found.warnings],
        _contents(found.cells) if len(found.cells) > 1 else None,
        [_cell(place, cell) for place, cell in enumerate(found.cells)],
    )
    footer = join(tag("p", METHOD), tag("p", promise(found)))
    return page(_title(found), body, footer=footer)


def _title(found: History) -> str:
    return f"History of {found.cells[0].cell}" if len(found.cells) == 1 else "History"


def _anchor(place: int) -> str:
    return f"cell-{place + 1}"


def _contents(cells: Sequence[CellHistory]) -> Html:
    """One line for each cell and metric: where to look."""
    columns = (
        Column("Cell"),
        Column("Metric"),
        Column("Latest", numeric=True),
        Column("Level", numeric=True),
        Column("Oldest to newest"),
        Column("Last change of level"),
    )
    lines = [
        Line(
            cells=(
                tag("a", cell.cell, href=f"#{_anchor(place)}"),
                title(series),
                Cell(latest(series, cell.runs), newest(series, cell.runs)),
                level(series),
                tag("span", picture(series, cell.runs), class_="mono num", aria_hidden="true"),
                _last_change(series, cell.runs),
            )
        )
        for place, cell in enumerate(cells)
        for series in cell.series
    ]
    return table("All cells", columns, lines, name="cells", sortable=True)


def _last_change(series: Series, runs: Sequence[StoredRun]) -> Child:
    if not series.changes:
        return "none shown"
    last = series.changes[-1]
    kind = "worse" if last.worse else "better"
    words = f"{day(runs[last.first])}: {value(last.before, series.unit)} to "
    return chip(words + value(last.after, series.unit), _TONES[kind], _SIGNS[kind])


def _cell(place: int, cell: CellHistory) -> Html:
    return section(
        _anchor(place),
        cell.cell,
        _events(cell),
        _kept(cell),
        [_series(series, cell) for series in cell.series],
        _runs(place, cell),
        lead=span(cell),
    )


def _events(cell: CellHistory) -> Child:
    items = [
        tag(
            "li",
            chip(kind, _TONES[kind], _SIGNS[kind]),
            Html(" "),
            day(run),
            Html(" "),
            prose(text),
        )
        for run, kind, text in events(cell)
    ]
    shown = items[:20]
    more = items[20:]
    folded = tag("details", tag("summary", f"{len(more)} older"), tag("ul", more)) if more else None
    return join(tag("ul", shown), folded) if items else tag("p", "No level changed.")


def _kept(cell: CellHistory) -> Iterator[Html]:
    for kept in cell.kept:
        mark = chip("kept", "good", "✓") if kept.kept else chip("not kept", "bad", "✗")
        yield tag("p", mark, Html(" "), prose(kept_words(kept, cell.runs)))


def _series(series: Series, cell: CellHistory) -> Html:
    """The chart of one metric. Runs marked bad are in the table alone."""
    points = [
        Point(at=float(number), label=f"{day(run)} {commit(run)[:7]}", value=found)
        for number, (run, found) in enumerate(zip(cell.runs, series.values, strict=True))
        if found is not None and not run.bad
    ]
    levels = [
        Level(first=float(one.first), last=float(one.last), value=one.value)
        for one in series.levels
    ]
    wide, narrow = (
        chart(
            points,
            Axis(title=title(series), unit=series.unit),
            title=f"{title(series)} of {cell.cell}",
            levels=levels,
            breaks=list(_breaks(cell.runs)),
            limit=_in_sight(series, cell.runs),
            width=width,
        )
        for width in (1100, 360)
    )
    shown = drawing(wide, _caption(series, cell.runs), narrow=narrow)
    return tag("div", tag("h3", title(series)), shown)


def _breaks(runs: Sequence[StoredRun]) -> Iterator[Break]:
    """Before each run that does not compare with the one before it."""
    for number, run in enumerate(runs):
        if run.breaks:
            yield Break(at=number - 0.5, name="; ".join(map(moments, run.breaks)))


def _in_sight(series: Series, runs: Sequence[StoredRun]) -> float | None:
    """The policy's limit, unless it lies so far off that the series would be a flat line."""
    known = [number for _, number in numbers(series, runs)]
    if series.limit is None or not known:
        return None
    return series.limit if min(known) / 4 <= series.limit <= max(known) * 4 else None


def _caption(series: Series, runs: Sequence[StoredRun]) -> str:
    parts = [f"Latest {latest(series, runs)}, level {level(series)}.", trend_words(series)]
    if series.changes:
        parts.append("Dashed: a change of level.")
    if series.limit is not None and _in_sight(series, runs) is None:
        parts.append(f"The policy's limit is {value(series.limit, series.unit)}.")
    return " ".join(f"{part.rstrip('.')}." for part in parts if part)


def _runs(place: int, cell: CellHistory) -> Html:
    columns = (
        Column("Created (UTC)"),
        Column("Commit"),
        Column("Requests", numeric=True),
        Column("Failed", numeric=True),
        *(Column(title(series), numeric=True) for series in cell.series),
        Column("Remark"),
    )
    lines = [
        Line(
            cells=(
                Cell(when(run), run.created),
                tag("code", commit(run)),
                str(run.requests),
                str(run.failed),
                *(_figure(series, number) for series in cell.series),
                prose(remark(number, cell)) if remark(number, cell) else "",
            ),
            class_="muted" if run.bad else "",
        )
        for number, run in reversed(list(enumerate(cell.runs)))
    ]
    made = table(f"Runs of {cell.cell}", columns, lines, name=f"runs-{place + 1}", sortable=True)
    return tag("details", tag("summary", f"All {len(cell.runs)} runs"), made)


def _figure(series: Series, number: int) -> Cell:
    found = series.values[number]
    return Cell(value(found, series.unit), found)
