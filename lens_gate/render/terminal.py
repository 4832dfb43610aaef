"""The terminal's view of a report: the same words as the summary, in the width that there is."""

from collections.abc import Iterable, Sequence
from io import StringIO

from rich.console import Console
from rich.table import Table
from rich.text import Text

from lens_gate.records.report import CellReport, Report, Row
from lens_gate.render.escape import one_line
from lens_gate.render.figures import (
    NOTHING,
    OUTCOMES,
    base_value,
    change,
    counted,
    head_value,
    metric_title,
    sample_size,
    tolerance,
    verdict_words,
    worst_first,
)
from lens_gate.render.offered import STEP_HEADERS, load_facts, step_lines
from lens_gate.units import format_duration, format_usd

_STYLES = {
    "fail": "bold red",
    "no_data": "bold red",
    "inconclusive": "yellow",
    "new": "cyan",
    "pass": "green",
    "improved": "bold green",
}
_OUTCOME_STYLES = {
    "passed": "bold green",
    "unchanged": "bold green",
    "failed": "bold red",
    "no_data": "bold red",
    "budget": "bold red",
    "aborted": "bold red",
    "inconclusive": "bold yellow",
    "not_measured": "bold cyan",
}
# Left out where the terminal is too narrow for all columns: nothing, a little, more.
_LEFT_OUT = ((), ("n",), ("n", "base"), ("n", "base", "allowed"))
_FIGURES = ("base", "head", "change [90 %]", "allowed", "n")
_ENDLESS = 1000


def terminal(report: Report, *, width: int, colour: bool) -> str:
    """The report as lines no wider than ``width`` columns, with colour only where it is wanted."""
    out = StringIO()
    console = Console(
        file=out,
        width=width,
        force_terminal=colour,
        no_color=not colour,
        color_system="standard" if colour else None,
        highlight=False,
        emoji=False,
        markup=False,
        legacy_windows=False,
    )
    for text in _verdict(report):
        console.print(text)
    if report.rows:
        _print_rows(worst_first(report.rows), console)
    for text in (*_reasons(report.rows), *_failures(report.cells), *_rest(report)):
        console.print(text)
    for cell in report.cells:
        _print_load(cell, console)
    # A wrapped line keeps the space at which it was broken.
    return "".join(f"{line.rstrip()}\n" for line in out.getvalue().splitlines())


def _verdict(report: Report) -> Iterable[Text]:
    name = f"{one_line(report.policy, 80)} {OUTCOMES[report.outcome]}."
    style = _OUTCOME_STYLES[report.outcome]
    yield Text.assemble((name, style), f" {one_line(report.headline, 600)}")
    yield Text.assemble(("Next: ", "bold"), one_line(report.next_step, 600))


def _rest(report: Report) -> Iterable[Text]:
    for text in report.warnings:
        yield Text.assemble(("warning: ", "yellow"), one_line(text, 600))
    spend = report.spend
    yield Text(
        f"spent {format_usd(spend.spent_usd)} of {format_usd(spend.cap_usd)} "
        f"(reserved at most {format_usd(spend.peak_usd)}), {spend.requests} of "
        f"{counted(spend.max_requests, 'request')}, {format_duration(report.elapsed_s)}; "
        f"mode {one_line(report.refs.mode)}, seed {report.seed}"
    )


def _print_rows(rows: Sequence[Row], console: Console) -> None:
    """The widest table that fits, or where none does two lines for each row."""
    for left_out in _LEFT_OUT:
        table = _table(rows, left_out)
        if (
            console.measure(table, options=console.options.update(width=_ENDLESS)).maximum
            <= console.width
        ):
            console.print(table)
            return
    for row in rows:
        cells = _cells(row)
        console.print(Text.assemble(cells["verdict"], "  ", cells["case"], " ", cells["metric"]))
        figures = (f"{name} {cells[name]}" for name in _FIGURES if cells[name].plain != NOTHING)
        console.print(Text(f"  {', '.join(figures)}"))


def _table(rows: Sequence[Row], left_out: Sequence[str]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    lines = [_cells(row) for row in rows]
    shown = [name for name in lines[0] if name not in left_out]
    for name in shown:
        table.add_column(name, justify="right" if name in _FIGURES else "left", no_wrap=True)
    for line in lines:
        table.add_row(*(line[name] for name in shown))
    return table


def _cells(row: Row) -> dict[str, Text]:
    return {
        "verdict": Text(verdict_words(row), style=_STYLES[row.name]),
        "case": Text(one_line(f"{row.scenario}/{row.target}", 80)),
        "metric": Text(_metric(row)),
        "base": Text(base_value(row)),
        "head": Text(head_value(row)),
        "change [90 %]": Text(change(row)),
        "allowed": Text(tolerance(row)),
        "n": Text(sample_size(row)),
    }


def _metric(row: Row) -> str:
    return one_line(metric_title(row.metric, row.statistic), 60)


def _print_load(cell: CellReport, console: Console) -> None:
    """The load of what is no plain closed loop over warm connections, the steps of a sweep."""
    many_cold = cell.cold is not None and cell.cold.cold > 1
    if cell.load is None or not (cell.load.open or cell.steps or many_cold):
        return
    name = one_line(f"{cell.scenario}/{cell.target}", 80)
    for fact in load_facts(cell):
        console.print(Text(f"{name} {fact}"))
    if cell.steps:
        table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
        for header in STEP_HEADERS:
            table.add_column(header, justify="left" if header == "Step" else "right", no_wrap=True)
        for line in step_lines(cell):
            table.add_row(*line)
        console.print(table)


def _reasons(rows: Sequence[Row]) -> Iterable[Text]:
    """Why rows are not green; one line for all rows of a case that have the same reason."""
    groups: dict[tuple[str, str, str, str], list[Row]] = {}
    for row in worst_first(rows):
        if row.name in ("fail", "no_data", "inconclusive"):
            case = one_line(f"{row.scenario}/{row.target}", 80)
            key = (verdict_words(row), _STYLES[row.name], case, one_line(row.verdict.reason, 600))
            groups.setdefault(key, []).append(row)
    for (words, style, case, why), same in groups.items():
        metrics = ", ".join(_metric(row) for row in same)
        yield Text.assemble((f"{words}: ", style), f"{case} {metrics}: {why}")


def _failures(cells: Sequence[CellReport]) -> Iterable[Text]:
    """What the failed requests died of, and the first one's own words."""
    for cell in cells:
        if cell.failures:
            kinds = ", ".join(
                f"{count} x {one_line(kind)}" for kind, count in cell.failures.items()
            )
            said = f"; the first said: {one_line(cell.example_failure, 300)}"
            yield Text.assemble(
                ("failures: ", "yellow"),
                f"{one_line(f'{cell.scenario}/{cell.target}', 80)}: {kinds}",
                said if cell.example_failure else "",
            )
