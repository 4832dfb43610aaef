"""A history as Markdown, for a comment, an issue or a job's summary."""

from collections.abc import Iterator

from lens_gate.records.series import CellHistory, History
from lens_gate.render.escape import code, figure, prose
from lens_gate.render.figures import value
from lens_gate.render.grid import markdown_grid
from lens_gate.render.history_words import (
    METHOD,
    commit,
    day,
    events,
    headline,
    kept_words,
    latest,
    level,
    picture,
    promise,
    remark,
    span,
    title,
    trend_words,
    when,
)

_SIGNS = {"worse": "🔺", "better": "🟢", "break": "✂️", "changed": "✏️", "bad": "🚫"}
_MOST_EVENTS = 50


def history_markdown(found: History, *, runs: int = 20) -> str:
    """The history; ``runs`` of the newest runs of each cell are listed."""
    blocks = ["## History", prose(headline(found))]
    blocks += [f"⚠️ {prose(text)}" for text in found.warnings]
    for cell in found.cells:
        blocks += _cell(cell, runs)
    if found.cells:
        blocks += [f"{prose(METHOD)} {prose(promise(found))}"]
    return "\n\n".join(blocks) + "\n"


def _cell(cell: CellHistory, runs: int) -> Iterator[str]:
    yield f"### {code(cell.cell, 140)}"
    yield prose(span(cell))
    if cell.series:
        yield _metrics(cell)
    said = [*_said(cell)]
    if said:
        yield "\n".join(f"- {line}" for line in said)
    if runs:
        yield f"<details><summary>The newest runs</summary>\n\n{_runs(cell, runs)}\n\n</details>"


def _metrics(cell: CellHistory) -> str:
    body = [
        [
            prose(title(series)),
            code(picture(series, cell.runs)),
            figure(latest(series, cell.runs)),
            figure(level(series)),
        ]
        for series in cell.series
    ]
    return markdown_grid(("Metric", "Oldest to newest", "Latest", "Level"), body, left=2)


def _said(cell: CellHistory) -> Iterator[str]:
    found = list(events(cell))
    for run, kind, text in found[:_MOST_EVENTS]:
        yield f"{_SIGNS[kind]} {day(run)} **{kind}**: {prose(text)}"
    if len(found) > _MOST_EVENTS:
        yield f"and {len(found) - _MOST_EVENTS} older events"
    for series in cell.series:
        if series.trend is not None and series.trend.shown:
            yield f"**trend**: {prose(trend_words(series))}"
    for kept in cell.kept:
        word = "✅ **kept**" if kept.kept else "❌ **not kept**"
        yield f"{word}: {prose(kept_words(kept, cell.runs))}"


def _runs(cell: CellHistory, count: int) -> str:
    body = [
        [
            when(run),
            code(commit(run)),
            prose(remark(number, cell), 300) if remark(number, cell) else "",
            str(run.requests),
            str(run.failed),
            *(figure(value(series.values[number], series.unit)) for series in cell.series),
        ]
        for number, run in reversed(list(enumerate(cell.runs))[-count:])
    ]
    names = ("Created (UTC)", "Commit", "Remark", "n", "Failed", *map(title, cell.series))
    return markdown_grid(names, body, left=3)
