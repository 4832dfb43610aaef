"""The terminal's view of a report: the same words as the summary, in the width that there is."""

from collections.abc import Iterable, Mapping, Sequence
from io import StringIO
from typing import Literal

from rich.console import Console
from rich.table import Table
from rich.text import Text

from lens_gate.records.report import CellReport, Report, Row
from lens_gate.render.escape import one_line
from lens_gate.render.figures import (
    NOTHING,
    OUTCOMES,
    base_title,
    base_value,
    by_default,
    change,
    counted,
    head_value,
    metric_title,
    rates,
    reason,
    sample_size,
    tolerance,
    verdict_words,
    worst_first,
)
from lens_gate.render.looks import drifts, movements, pooled, stopping
from lens_gate.render.offered import STEP_HEADERS, load_facts, step_lines
from lens_gate.render.waivers import TITLES, waiver_lines
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
# Left out where the terminal is too narrow for all columns: nothing, a little, more. The case goes
# first where there is only one: a line above the table names it then.
_LEFT_OUT = ((), ("n",), ("n", "base"), ("n", "base", "allowed"))
_FIGURES = ("base", "head", "change [90 %]", "allowed", "n")
_WAIVER_STYLES = {"expired": "bold red", "pending": "cyan"}
_DEFAULT = "* the default margin"
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
    reasons = (*_reasons(report.rows), *_waivers(report), *_failures(report.cells))
    for text in (*reasons, *_pairs(report), *_rest(report)):
        console.print(text)
    for cell in report.cells:
        _print_load(cell, console)
    # A wrapped line keeps the space at which it was broken.
    return "".join(f"{line.rstrip()}\n" for line in out.getvalue().splitlines())


def _verdict(report: Report) -> Iterable[Text]:
    mode, why = one_line(report.refs.mode, 60), one_line(report.refs.why, 600)
    yield Text(f"{mode}: {why}" if why else mode, style="dim")
    name = f"{one_line(report.policy, 80)} {OUTCOMES[report.outcome]}."
    style = _OUTCOME_STYLES[report.outcome]
    yield Text.assemble((name, style), f" {one_line(report.headline, 600)}")
    yield Text.assemble(("Next: ", "bold"), one_line(report.next_step, 600))


def _waivers(report: Report) -> Iterable[Text]:
    """Those that let nothing through; of the others the reasons above tell."""
    for line in waiver_lines(report):
        if line.state != "in_force":
            title = (f"{TITLES[line.state]}: ", _WAIVER_STYLES[line.state])
            yield Text.assemble(title, one_line(line.text, 600))


def _pairs(report: Report) -> Iterable[Text]:
    """Which metrics moved, how the pairs went, and how the service itself moved meanwhile."""
    for text in movements(report):
        yield Text.assemble(("moved: ", "bold"), one_line(text, 600))
    for text in pooled(report):
        yield Text.assemble(("targets together: ", "bold"), one_line(text, 600))
    if looks := list(stopping(report.cells)):
        yield Text.assemble(("looks: ", "bold"), one_line("; ".join(looks), 1200))
    for text in drifts(report):
        yield Text.assemble(("drift of the service: ", "cyan"), one_line(text, 600))


def _rest(report: Report) -> Iterable[Text]:
    for text in report.warnings:
        yield Text.assemble(("warning: ", "yellow"), one_line(text, 600))
    spend = report.spend
    yield Text(
        f"spent {format_usd(spend.spent_usd)} of {format_usd(spend.cap_usd)} "
        f"(reserved at most {format_usd(spend.peak_usd)}), {spend.requests} of "
        f"{counted(spend.max_requests, 'request')}, {format_duration(report.elapsed_s)}; "
        f"seed {report.seed}"
    )
    if report.rows:
        yield Text(f"by chance: {one_line(rates(report.confidence, report.null_rate), 600)}")


def _print_rows(rows: Sequence[Row], console: Console) -> None:
    """The widest table that fits, or where none does two lines for each row."""
    lines, base = [_cells(row) for row in rows], base_title(rows)
    bare = [name for name in _FIGURES if all(line[name].plain == NOTHING for line in lines)]
    candidates = ([*bare, *some] for some in _candidates(rows))
    left_out = next((some for some in candidates if _fits(lines, some, console)), None)
    if left_out is None:
        _print_in_two_lines(lines, base, console)
    else:
        if "case" in left_out:
            console.print(lines[0]["case"])
        console.print(_table(lines, left_out, base))
    if "allowed" not in (left_out or ()) and any(map(by_default, rows)):
        console.print(Text(_DEFAULT, style="dim"))


def _fits(lines: Sequence[Mapping[str, Text]], left_out: Sequence[str], console: Console) -> bool:
    endless = console.options.update(width=_ENDLESS)
    return console.measure(_table(lines, left_out), options=endless).maximum <= console.width


def _print_in_two_lines(lines: Iterable[Mapping[str, Text]], base: str, console: Console) -> None:
    for cells in lines:
        console.print(Text.assemble(cells["verdict"], "  ", cells["case"], " ", cells["metric"]))
        figures = (
            f"{base if name == 'base' else name} {cells[name]}"
            for name in _FIGURES
            if cells[name].plain != NOTHING
        )
        console.print(Text(f"  {', '.join(figures)}"))


def _candidates(rows: Sequence[Row]) -> Iterable[Sequence[str]]:
    """Which columns to leave out, the widest table first."""
    yield ()
    alone = len({(row.scenario, row.target) for row in rows}) == 1
    for left_out in _LEFT_OUT:
        yield ("case", *left_out) if alone else left_out


def _table(
    lines: Sequence[Mapping[str, Text]], left_out: Sequence[str], base: str = "control"
) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    shown = [name for name in lines[0] if name not in left_out]
    for name in shown:
        justify: Literal["left", "right"] = "right" if name in _FIGURES else "left"
        table.add_column(base if name == "base" else name, justify=justify, no_wrap=True)
    for line in lines:
        table.add_row(*(line[name] for name in shown))
    return table


def _cells(row: Row) -> dict[str, Text]:
    return {
        "verdict": Text(verdict_words(row), style="yellow" if row.waived else _STYLES[row.name]),
        "case": Text(one_line(f"{row.scenario}/{row.target}", 80)),
        "metric": Text(_metric(row)),
        "base": Text(base_value(row)),
        "head": Text(head_value(row)),
        "change [90 %]": Text(change(row)),
        "allowed": Text(tolerance(row) + ("*" if by_default(row) else "")),
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
            style = "yellow" if row.waived else _STYLES[row.name]
            key = (verdict_words(row), style, case, one_line(reason(row), 1200))
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
