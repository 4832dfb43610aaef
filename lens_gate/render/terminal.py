"""The terminal's view of a report: the same words as the summary, in the width that there is."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

from rich.cells import cell_len
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from lens_gate.records.report import CellReport, Report, Row
from lens_gate.render.charts.scale import Scale
from lens_gate.render.console import paper, written
from lens_gate.render.escape import one_line
from lens_gate.render.facts import Medium, compared, spent
from lens_gate.render.figures import (
    NOTHING,
    OUTCOMES,
    base_title,
    base_value,
    by_default,
    change,
    counted,
    head_value,
    head_with_bounds,
    metric_title,
    rates,
    reason,
    sample_size,
    tolerance,
    verdict_words,
    worst_first,
)
from lens_gate.render.looks import decisions, drifts, movements, pooled, unsent
from lens_gate.render.offered import STEP_HEADERS, load_facts, step_lines
from lens_gate.render.strip import STRIP_TITLE, strip, strip_axis
from lens_gate.render.waivers import TITLES, waiver_lines

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
# Left out where the terminal is too narrow for all columns: the picture, a little, more. The case
# goes next where there is only one: a line above the table names it then.
_LEFT_OUT = (
    ("strip",),
    ("strip", "bounds"),
    ("strip", "bounds", "n"),
    ("strip", "bounds", "n", "base"),
    ("strip", "bounds", "n", "base", "allowed"),
)
_FIGURES = ("base", "head", "change [90 %]", "allowed", "n")
_WAIVER_STYLES = {"expired": "bold red", "pending": "cyan"}
TOP_ROWS = 20
_MOST = 10
_HANG = 4
_PLAIN = Medium(name=one_line, sentence=one_line, figure=str)
_DEFAULT = "* the default margin"
_ENDLESS = 1000


def terminal(report: Report, *, width: int, colour: bool) -> str:
    """The report as lines no wider than ``width`` columns, with colour only where it is wanted."""
    console = paper(width=width, colour=colour)
    for text in _verdict(report):
        console.print(text)
    if report.rows:
        console.print()
        _print_rows(worst_first(report.rows), console)
    for part in (
        _whys(report),
        _pairs(report),
        _loads(report.cells),
        _asides(report),
        _end(report, width),
    ):
        _print_part(part, console)
    # A wrapped line keeps the space at which it was broken.
    return written(console)


def _print_part(part: Iterable[Text | Table], console: Console) -> None:
    """A part after an empty line, if there is any of it; sentences hang by their first words."""
    for place, one in enumerate(part):
        if place == 0:
            console.print()
        if isinstance(one, Table):
            console.print(one)
            continue
        first, *rest = one.wrap(console, console.width) or [Text()]
        console.print(first)
        if rest:
            for broken in rest:
                broken.rstrip()
            after = Text(" ").join(rest)
            console.print(Padding(after, (0, 0, 0, min(_HANG, console.width // 10))))


def _verdict(report: Report) -> Iterable[Text]:
    mode, why = one_line(report.refs.mode, 60), one_line(report.refs.why, 600)
    yield Text(f"{mode}: {why}" if why else mode, style="dim")
    name = f"{one_line(report.policy, 80)} {OUTCOMES[report.outcome]}."
    style = _OUTCOME_STYLES[report.outcome]
    yield Text.assemble((name, style), f" {one_line(report.headline, 600)}")
    yield Text.assemble(("Next: ", "bold"), one_line(report.next_step, 600))
    if report.refs.overridden:
        yield Text(one_line(report.refs.overridden, 600), style="yellow")
    # Above the numbers, since none of them is of these prompts.
    cells = list(unsent(report))
    for text in cells[:_MOST]:
        yield Text(one_line(text, 600), style="yellow")
    if len(cells) > _MOST:
        yield Text(f"and prompts of {counted(len(cells) - _MOST, 'more case')}", style="yellow")


def _whys(report: Report) -> Iterable[Text]:
    yield from _reasons(report.rows)
    yield from _waivers(report)
    yield from _failures(report.cells)


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
    if looks := list(decisions(report.cells)):
        yield Text.assemble(("looks: ", "bold"), one_line("; ".join(looks), 1200))
    for text in drifts(report):
        yield Text.assemble(("drift of the service: ", "cyan"), one_line(text, 600))


def _asides(report: Report) -> Iterable[Text]:
    """What of the head's policy does not count yet, and warnings."""
    pending = [found for found in report.changes if found.effect == "after_merge"]
    for found in pending[:_MOST]:
        words = f"{found.path}: {found.trusted} → {found.head}"
        yield Text.assemble(("takes effect after merge: ", "cyan"), one_line(words, 300))
    if len(pending) > _MOST:
        yield Text(f"and {counted(len(pending) - _MOST, 'more change')} after merge", style="cyan")
    for text in report.warnings:
        yield Text.assemble(("warning: ", "yellow"), one_line(text, 600))


def _end(report: Report, width: int) -> Iterable[Text]:
    money, facts = spent(report, _PLAIN)
    yield from _packed("spent: ", [money, *facts], width)
    # How, and why so, stands in the first line.
    yield from _packed(
        "compared: " if report.run_id else "basis: ", compared(report, _PLAIN)[1:], width
    )
    if report.rows:
        chance = one_line(rates(report.confidence, report.null_rate), 600)
        yield Text.assemble(("by chance: ", "bold"), chance)


def _packed(title: str, facts: Iterable[str], width: int, between: str = " · ") -> Iterable[Text]:
    """Facts side by side, broken between two of them where that is possible."""
    line, begun = Text.assemble((title, "bold")), False
    for fact in facts:
        more = f"{between}{fact}" if begun else fact
        if begun and line.cell_len + cell_len(more) + 2 > width:
            line.append(between.rstrip())
            yield line
            line, more = Text(" " * min(_HANG, width // 10)), fact
        line.append(more)
        begun = True
    yield line


def _print_rows(rows: Sequence[Row], console: Console) -> None:
    """The widest table of the worst rows that fits, or where none does two lines for each row."""
    shown = rows[:TOP_ROWS]
    axis = strip_axis(shown)
    lines, base = [_cells(row, axis) for row in shown], base_title(rows)
    bare = [name for name in (*_FIGURES, "strip") if all(_empty(line[name]) for line in lines)]
    candidates = ([*bare, *some] for some in _candidates(rows))
    left_out = next((some for some in candidates if _fits(lines, some, console)), None)
    if left_out is None:
        _print_in_two_lines(lines, base, console)
    else:
        if "case" in left_out:
            console.print(lines[0]["case"])
        console.print(_table(lines, left_out, base))
    if len(rows) > TOP_ROWS:
        console.print(Text(f"The first {TOP_ROWS} of {len(rows)} checks, the worst ones first."))
    if "allowed" not in (left_out or ()) and any(map(by_default, shown)):
        console.print(Text(_DEFAULT, style="dim"))


def _empty(cell: Text) -> bool:
    return cell.plain in ("", NOTHING)


def _fits(lines: Sequence[Mapping[str, Text]], left_out: Sequence[str], console: Console) -> bool:
    endless = console.options.update(width=_ENDLESS)
    return console.measure(_table(lines, left_out), options=endless).maximum <= console.width


def _print_in_two_lines(lines: Iterable[Mapping[str, Text]], base: str, console: Console) -> None:
    for cells in lines:
        console.print(Text.assemble(cells["verdict"], "  ", cells["case"], " ", cells["metric"]))
        figures = (
            f"{base if name == 'base' else name} {cells['bounds' if name == 'head' else name]}"
            for name in _FIGURES
            if cells[name].plain != NOTHING
        )
        for line in _packed("  ", figures, console.width, between=", "):
            console.print(line)


def _candidates(rows: Sequence[Row]) -> Iterable[Sequence[str]]:
    """Which columns to leave out, the widest table first."""
    yield ()
    alone = len({(row.scenario, row.target) for row in rows}) == 1
    for left_out in _LEFT_OUT:
        yield ("case", *left_out) if alone and "bounds" in left_out else left_out


def _table(
    lines: Sequence[Mapping[str, Text]], left_out: Sequence[str], base: str = "control"
) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    shown = [name for name in lines[0] if name not in left_out and name != "bounds"]
    for name in shown:
        justify: Literal["left", "right"] = "right" if name in _FIGURES else "left"
        title = {"base": base, "strip": STRIP_TITLE}.get(name, name)
        table.add_column(title, justify=justify, no_wrap=True)
    for line in lines:
        head = {"head": line["head"] if "bounds" in left_out else line["bounds"]}
        table.add_row(*({**line, **head}[name] for name in shown))
    return table


def _cells(row: Row, axis: Scale | None) -> dict[str, Text]:
    parts = strip(row, axis) if axis else []
    styles = {"": "", "dim": "dim", "limit": "yellow", "verdict": _style(row)}
    return {
        "verdict": Text(verdict_words(row), style=_style(row)),
        "case": Text(one_line(f"{row.scenario}/{row.target}", 80)),
        "metric": Text(_metric(row)),
        "base": Text(base_value(row)),
        "head": Text(head_value(row)),
        "bounds": Text(head_with_bounds(row)),
        "change [90 %]": Text(change(row)),
        "allowed": Text(tolerance(row) + ("*" if by_default(row) else "")),
        "n": Text(sample_size(row)),
        "strip": Text.assemble(*((char, styles[kind]) for char, kind in parts)),
    }


def _style(row: Row) -> str:
    return "yellow" if row.waived else _STYLES[row.name]


def _metric(row: Row) -> str:
    return one_line(metric_title(row.metric, row.statistic), 60)


def _loads(cells: Iterable[CellReport]) -> Iterable[Text | Table]:
    """The load of what is no plain closed loop over warm connections, the steps of a sweep."""
    for cell in cells:
        many_cold = cell.cold is not None and cell.cold.cold > 1
        if cell.load is None or not (cell.load.open or cell.steps or many_cold):
            continue
        name = one_line(f"{cell.scenario}/{cell.target}", 80)
        for fact in load_facts(cell):
            yield Text(f"{name} {fact}")
        if cell.steps:
            table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
            for header in STEP_HEADERS:
                justify: Literal["left", "right"] = "left" if header == "Step" else "right"
                table.add_column(header, justify=justify, no_wrap=True)
            for line in step_lines(cell):
                table.add_row(*line)
            yield table


def _reasons(rows: Sequence[Row]) -> Iterable[Text]:
    """Why rows are not green; one line for all rows of a case that have the same reason."""
    groups: dict[tuple[str, str, str, str], list[Row]] = {}
    for row in worst_first(rows):
        if row.name in ("fail", "no_data", "inconclusive"):
            case = one_line(f"{row.scenario}/{row.target}", 80)
            key = (verdict_words(row), _style(row), case, one_line(reason(row), 1200))
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
