"""Runs without a policy as plain text: one target's numbers, or several beside each other."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from textwrap import fill

from lens_gate.metrics.catalogue import CATALOGUE
from lens_gate.records.difference import Difference
from lens_gate.records.load_report import ColdStart, LoadReport, Saturation, StepReport
from lens_gate.records.report import Statistics
from lens_gate.render.escape import one_line
from lens_gate.render.figures import NOTHING, centre, counted, metric_title, value
from lens_gate.render.grid import plain_grid
from lens_gate.render.offered import STEP_HEADERS, load_facts, step_lines

_SHOWN = ("typ", "mean", "p50", "p90", "p95", "p99", "max")
# What a narrow terminal has no room for goes first.
_DROPPED = ("mean", "p90", "p99", "max", "p50")
# The title of the metric names its unit.
_UNITS = (" tokens", " tok/s")
_INTERVALS = (
    "changes are against the first target, over pairs of the same prompt; an interval that holds 0 "
    "shows none"
)
_TOO_FEW = "no changes are shown: there are too few pairs of the same prompt; raise -n"
_TYP = "typ: the typical value (Hodges-Lehmann); n: the requests that have the metric"


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One target: its name, how it was asked for, counts, failures by kind, statistics by metric.

    ``differences`` are against the first target, by metric. ``notes`` are sentences, ``basis`` says
    what the numbers rest on. The rest is
    what the load came to.
    """

    name: str
    measured: int
    failures: Mapping[str, int]
    metrics: Mapping[str, Statistics]
    differences: Mapping[str, Difference]
    notes: Sequence[str]
    asked: str = ""
    load: LoadReport | None = None
    steps: tuple[StepReport, ...] = ()
    saturation: Saturation | None = None
    cold: ColdStart | None = None
    basis: str = ""


def one_target(column: Column, width: int = 120) -> str:
    """All statistics of one target; where ``width`` is too narrow, without some of them."""
    facts = _filled(load_facts(column), width)
    lines = [_counts(column), *facts]
    if column.steps:
        lines += ["", plain_grid(STEP_HEADERS, step_lines(column))]
    if column.metrics:
        basis = _filled(_bases([column]), width)
        lines += ["", _statistics(column, width), "", _TYP, *basis]
    return "\n".join([*lines, *_filled(_notes([column]), width)])


def _filled(texts: Iterable[str], width: int) -> list[str]:
    return [fill(text, width, subsequent_indent="  ") for text in texts]


def _statistics(column: Column, width: int) -> str:
    table = ""
    for count in range(len(_DROPPED) + 1):
        shown = [name for name in _SHOWN if name not in _DROPPED[:count]]
        body = [
            [
                metric_title(metric),
                *(_figure(statistics.named(name), metric) for name in shown),
                str(statistics.n),
            ]
            for metric, statistics in column.metrics.items()
            if not _says_nothing(column, metric)
        ]
        table = plain_grid(("", *shown, "n"), body)
        if max(map(len, table.splitlines())) <= width:
            break
    return table


def _says_nothing(column: Column, metric: str) -> bool:
    """Whether a row would only repeat another one, or that there was none of its kind."""
    statistics = column.metrics[metric]
    if metric == "ttfr":
        return statistics == column.metrics.get("ttft")
    return statistics.max == 0.0 and CATALOGUE[metric].unit in ("tokens", "share")


def _figure(number: float, metric: str) -> str:
    text = value(number, CATALOGUE[metric].unit)
    for unit in _UNITS:
        text = text.removesuffix(unit)
    return text


def several_targets(columns: Sequence[Column]) -> str:
    """Targets beside each other: the centre of each metric, and how far from the first target's.

    Changes stand with the 95 % interval of their pairs; an interval that holds 0 shows no
    difference.
    """
    first = columns[0]
    metrics = [
        m for m in CATALOGUE if any(m in c.metrics and not _says_nothing(c, m) for c in columns)
    ]
    body = []
    for metric in metrics:
        row = [
            f"{metric_title(metric)} {CATALOGUE[metric].default_statistic}",
            _centre(first, metric),
        ]
        for column in columns[1:]:
            row += [_centre(column, metric), _change(column.differences.get(metric))]
        body.append(row)
    heads = ["", one_line(first.name, 40)]
    for column in columns[1:]:
        heads += [one_line(column.name, 40), "change [95 %]"]
    lines = [_counts(column) for column in columns]
    if body:
        shown = any(column.differences for column in columns[1:])
        lines += ["", plain_grid(heads, body), "", _INTERVALS if shown else _TOO_FEW]
        lines += _bases(columns)
    return "\n".join([*lines, *_notes(columns)])


def peer_table(name: str, columns: Mapping[str, Mapping[str, float]]) -> str:
    """Another benchmark's columns, in milliseconds."""
    heads = ("", *next(iter(columns.values()), {}))
    body = [[metric, *(f"{v:.2f}" for v in found.values())] for metric, found in columns.items()]
    return f"as {name} counts (ms)\n{plain_grid(heads, body)}"


def _centre(column: Column, metric: str) -> str:
    statistics = column.metrics.get(metric)
    if statistics is None:
        return NOTHING
    return _figure(centre(statistics, metric), metric)


def _change(difference: Difference | None) -> str:
    if difference is None:
        return NOTHING
    low, high, change = map(_signed, (difference.low, difference.high, difference.change))
    return f"{change} % [{low}, {high}]"


def _signed(fraction: float) -> str:
    text = f"{fraction * 100:+.0f}"
    return "0" if text in ("+0", "-0") else text


def _counts(column: Column) -> str:
    failed = sum(column.failures.values())
    kinds = ", ".join(f"{count} x {one_line(kind)}" for kind, count in column.failures.items())
    told = f", {failed} failed ({kinds})" if failed else ", none failed"
    asked = f" ({one_line(column.asked, 120)})" if column.asked else ""
    head = f"{one_line(column.name, 80)}{asked}"
    return f"{head}: {counted(column.measured, 'request')} measured{told}"


def _bases(columns: Sequence[Column]) -> list[str]:
    """What the numbers rest on, once where it is the same for all."""
    told = {column.basis for column in columns}
    if len(told) == 1:
        return [basis for basis in told if basis]
    return [f"{one_line(c.name, 40)}: {c.basis}" for c in columns if c.basis]


def _notes(columns: Sequence[Column]) -> list[str]:
    return [
        f"note: {one_line(column.name, 40)}: {one_line(note, 300)}"
        for column in columns
        for note in column.notes
    ]
