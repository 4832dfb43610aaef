"""Runs without a policy as plain text: one target's numbers, or several beside each other."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lens_gate.metrics.catalogue import CATALOGUE
from lens_gate.records.difference import Difference
from lens_gate.records.report import Statistics
from lens_gate.render.escape import one_line
from lens_gate.render.figures import NOTHING, centre, counted, metric_title, value
from lens_gate.render.grid import plain_grid

_SHOWN = ("typ", "mean", "p50", "p90", "p95", "p99", "max")


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One target: its name, counts, failures by kind, and its statistics by metric.

    ``differences`` are against the first target, by metric. ``notes`` are sentences.
    """

    name: str
    measured: int
    failures: Mapping[str, int]
    metrics: Mapping[str, Statistics]
    differences: Mapping[str, Difference]
    notes: Sequence[str]


def one_target(column: Column) -> str:
    """All statistics of one target."""
    body = []
    for metric, statistics in column.metrics.items():
        unit = CATALOGUE[metric].unit
        body.append(
            [
                metric_title(metric),
                *(value(statistics.named(name), unit) for name in _SHOWN),
                str(statistics.n),
            ]
        )
    lines = [_counts(column)]
    if body:
        lines += ["", plain_grid(("", *_SHOWN, "n"), body)]
    return "\n".join([*lines, *_notes([column])])


def several_targets(columns: Sequence[Column]) -> str:
    """Targets beside each other: the centre of each metric, and how far from the first target's.

    Changes stand with the 95 % interval of their pairs; an interval that holds 0 shows no
    difference.
    """
    first = columns[0]
    metrics = [m for m in CATALOGUE if any(m in c.metrics for c in columns)]
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
    return "\n".join([*lines, "", plain_grid(heads, body), *_notes(columns)])


def peer_table(name: str, columns: Mapping[str, Mapping[str, float]]) -> str:
    """Another benchmark's columns, in milliseconds."""
    heads = ("", *next(iter(columns.values()), {}))
    body = [[metric, *(f"{v:.2f}" for v in found.values())] for metric, found in columns.items()]
    return f"as {name} counts (ms)\n{plain_grid(heads, body)}"


def _centre(column: Column, metric: str) -> str:
    statistics = column.metrics.get(metric)
    if statistics is None:
        return NOTHING
    return value(centre(statistics, metric), CATALOGUE[metric].unit)


def _change(difference: Difference | None) -> str:
    if difference is None:
        return NOTHING
    low, high = (f"{end * 100:+.0f}" for end in (difference.low, difference.high))
    return f"{difference.change * 100:+.0f} % [{low}, {high}]"


def _counts(column: Column) -> str:
    failed = sum(column.failures.values())
    kinds = ", ".join(f"{count} x {one_line(kind)}" for kind, count in column.failures.items())
    told = f", {failed} failed ({kinds})" if failed else ", none failed"
    return f"{one_line(column.name, 80)}: {counted(column.measured, 'request')} measured{told}"


def _notes(columns: Sequence[Column]) -> list[str]:
    return [
        f"note: {one_line(column.name, 40)}: {one_line(note, 300)}"
        for column in columns
        for note in column.notes
    ]
