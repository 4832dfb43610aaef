"""What pytest is told: properties for JUnit, lines for failures, the summary at the end."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from lens_gate.metrics.catalogue import CATALOGUE
from lens_gate.pytest_plugin.judging import told
from lens_gate.records.report import CellReport, Report, Row
from lens_gate.render.escape import log, one_line
from lens_gate.render.figures import OUTCOMES, metric_title, worst_first
from lens_gate.units import format_amount, format_usd

_METRICS: Final = ("ttft", "e2e", "itl", "output_tokens", "cost_usd")
_STATISTICS: Final = ("typ", "p50", "p95", "max")
_SHOWN: Final = (("ttft", "p50"), ("ttft", "p95"), ("e2e", "p50"), ("e2e", "p95"))
_MOST_CELLS: Final = 60


def properties(report: Report) -> Iterator[tuple[str, object]]:
    """A cell's numbers by name, in the metric's unit: ``lens.chat-fast/mini.ttft.p95``."""
    for cell in report.cells:
        name = f"lens.{cell.scenario}/{cell.target}"
        yield f"{name}.requests", cell.measured
        yield f"{name}.failed", cell.measured - cell.ok
        yield f"{name}.spent_usd", format(cell.spent_usd, "f")
        for metric in _METRICS:
            if metric in cell.metrics:
                for statistic in _STATISTICS:
                    number = cell.metrics[metric].named(statistic)
                    yield f"{name}.{metric}.{statistic}", f"{number:.6g}"


def verdict_properties(rows: Iterable[Row]) -> Iterator[tuple[str, object]]:
    """The verdict of each rule: ``lens.chat-fast/mini.gate.ttft-p95``."""
    for row in rows:
        yield f"lens.{row.scenario}/{row.target}.gate.{row.rule}", row.name


def measured_lines(report: Report) -> Iterator[str]:
    """Each cell's numbers with all their statistics, and the verdicts."""
    for cell in report.cells:
        yield f"{_name(cell)}: {_counts(cell)}"
        for metric, found in cell.metrics.items():
            if metric in _METRICS:
                unit = CATALOGUE[metric].unit
                values = ", ".join(
                    f"{statistic} {format_amount(found.named(statistic), unit)}"
                    for statistic in ("typ", "p50", "p90", "p95", "p99", "max")
                )
                yield f"  {metric_title(metric)}: {values} (n {found.n})"
        if cell.example_failure:
            yield f"  the first failure said: {one_line(cell.example_failure, 300)}"
    for row in worst_first(report.rows):
        yield f"  {one_line(told(row), 600)}"


def summary_lines(report: Report, place: str) -> Iterator[str]:
    """The end of the session: a line for each cell, what was decided, what it cost."""
    head = ("measured", "n", *(f"{metric_title(m)} {s}" for m, s in _SHOWN), "cost")
    rows = [head, *(_row(cell) for cell in report.cells[:_MOST_CELLS])]
    if report.cells:
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        for row in rows:
            first, *rest = (
                text.ljust(width) if i == 0 else text.rjust(width)
                for i, (text, width) in enumerate(zip(row, widths, strict=True))
            )
            yield log("  ".join((first, *rest)).rstrip())
        if len(report.cells) > _MOST_CELLS:
            yield f"... and {len(report.cells) - _MOST_CELLS} more"
    for found in worst_first(report.rows):
        if found.name not in ("pass", "improved", "new"):
            yield log(one_line(f"{found.scenario}/{found.target} {told(found)}", 600))
    cells = tuple(f"{cell.scenario}" for cell in report.cells)
    own = [text for text in report.warnings if not text.startswith(cells)]
    for warning in own:
        yield log(f"warning: {one_line(warning, 600)}")
    if more := len(report.warnings) - len(own):
        yield f"{more} warning{'' if more == 1 else 's'} on single measurements: see the report"
    spend = report.spend
    yield log(f"{OUTCOMES[report.outcome]}: {one_line(report.headline, 600)}")
    yield (
        f"spent {format_usd(spend.spent_usd)} of {format_usd(spend.cap_usd)} (reserved at most "
        f"{format_usd(spend.peak_usd)}), {spend.requests} of {spend.max_requests} requests; "
        f"seed {report.seed}; report: {place}"
    )


def _row(cell: CellReport) -> Sequence[str]:
    numbers = [
        format_amount(cell.metrics[metric].named(statistic), CATALOGUE[metric].unit)
        if metric in cell.metrics
        else "-"
        for metric, statistic in _SHOWN
    ]
    failed = cell.measured - cell.ok
    count = f"{cell.measured}" + (f" ({failed} failed)" if failed else "")
    return (_name(cell), count, *numbers, format_usd(cell.spent_usd))


def _name(cell: CellReport) -> str:
    return one_line(f"{cell.scenario}/{cell.target}", 80)


def _counts(cell: CellReport) -> str:
    failed = ", ".join(f"{count} {status}" for status, count in cell.failures.items())
    text = f"{cell.measured} requests" + (f", failed: {failed}" if failed else "")
    return f"{text}, {format_usd(cell.spent_usd)}"
