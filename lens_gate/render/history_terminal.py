"""A history on a terminal: a table of metrics for each cell, what happened, and the newest runs."""

from collections.abc import Iterator

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from lens_gate.records.series import CellHistory, History
from lens_gate.render.console import paper, written
from lens_gate.render.escape import one_line
from lens_gate.render.figures import value
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

_STYLES = {
    "worse": "bold red", "better": "green", "break": "cyan", "changed": "dim", "bad": "yellow",
}  # fmt: skip
_NARROW = 70
_MOST_EVENTS = 12
RUNS = 15
"""So many runs are listed where one cell is asked for and nothing else is said."""


def history_terminal(found: History, *, width: int, colour: bool, runs: int | None = None) -> str:
    """The history as lines no wider than ``width`` columns.

    ``runs`` is how many of the newest runs of each cell are listed; ``None``: ``RUNS`` of a single
    cell, none of several.
    """
    console = paper(width=width, colour=colour)
    console.print(Text(headline(found), style="dim"))
    for text in found.warnings:
        console.print(Text.assemble(("warning: ", "bold yellow"), one_line(text, 400)))
    listed = (RUNS if len(found.cells) == 1 else 0) if runs is None else runs
    for cell in found.cells:
        _print_cell(cell, console, listed)
    if found.cells:
        console.print()
        for text in (METHOD, promise(found)):
            console.print(Text(text, style="dim"))
    return written(console)


def _print_cell(cell: CellHistory, console: Console, runs: int) -> None:
    console.print()
    console.print(Text.assemble((one_line(cell.cell, 130), "bold"), f"  {span(cell)}"))
    console.print(_metrics(cell, console.width))
    for mark, style, text in _said(cell):
        line = Text.assemble((mark, style), text)
        console.print(Padding(line, (0, 0, 0, 2)))
    if runs:
        console.print()
        console.print(_runs(cell, runs, console.width))
        left = len(cell.runs) - runs
        if left > 0:
            console.print(Text(f"  and {left} older: --runs {len(cell.runs)}", style="dim"))


def _metrics(cell: CellHistory, width: int) -> Table:
    """A line for each metric: its newest number, its level, how it went."""
    table = _table("metric", "latest", "level", "runs")
    if width >= _NARROW:
        table.add_column("oldest to newest", no_wrap=True)
    for series in cell.series:
        counted = sum(
            v is not None and not r.bad for r, v in zip(cell.runs, series.values, strict=True)
        )
        cells = [title(series), latest(series, cell.runs), level(series), str(counted)]
        if width >= _NARROW:
            cells.append(picture(series, cell.runs, min(60, width - 44)))
        table.add_row(*(Text(text) for text in cells))
    return table


def _said(cell: CellHistory) -> Iterator[tuple[str, str, str]]:
    found = list(events(cell))
    for run, kind, text in found[:_MOST_EVENTS]:
        yield f"{day(run)} {kind}: ", _STYLES[kind], one_line(text, 500)
    if len(found) > _MOST_EVENTS:
        yield "", "", f"and {len(found) - _MOST_EVENTS} older events: --format json has all"
    for series in cell.series:
        if series.trend is not None and series.trend.shown:
            yield "trend: ", "bold", trend_words(series)
    for kept in cell.kept:
        word, style = ("kept: ", "green") if kept.kept else ("not kept: ", "bold red")
        yield word, style, one_line(kept_words(kept, cell.runs), 400)


def _runs(cell: CellHistory, count: int, width: int) -> Table:
    """The newest runs, newest first; metrics that there is no room for are left out."""
    room = max(1, (width - 48) // 13)
    shown = cell.series[:room]
    names = ["created (UTC)", "commit", "n", "failed", *(title(series) for series in shown)]
    table = _table(*names, left=2)
    table.add_column("remark", overflow="fold", ratio=1)
    for number in reversed(range(len(cell.runs))[-count:]):
        run = cell.runs[number]
        figures = [value(series.values[number], series.unit) for series in shown]
        texts = [when(run), commit(run), str(run.requests), str(run.failed), *figures]
        style = "dim" if run.bad else ""
        said = one_line(remark(number, cell), 200)
        table.add_row(*(Text(text, style=style) for text in (*texts, said)))
    return table


def _table(*names: str, left: int = 1) -> Table:
    table = Table(box=None, pad_edge=False, show_edge=False, header_style="dim", expand=False)
    for place, name in enumerate(names):
        table.add_column(name, justify="left" if place < left else "right", no_wrap=True)
    return table
