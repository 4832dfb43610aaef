"""A session of A/A runs as plain text."""

from collections.abc import Iterable

from lens_gate.records.proof import NullReport, NullRow, Tally
from lens_gate.render.escape import one_line
from lens_gate.render.figures import metric_title
from lens_gate.render.grid import plain_grid
from lens_gate.units import format_share, format_usd

_NONE = "-"


def null_text(report: NullReport) -> str:
    """A line for each check, what a fixed rule would have said beside it, and what it comes to."""
    return "\n".join(_lines(report))


def _lines(report: NullReport) -> Iterable[str]:
    session = report.session
    yield (
        f"{one_line(session.policy)}: {session.runs} of {report.asked} A/A runs, "
        f"{format_usd(session.spent_usd)} of {format_usd(report.cap_usd)}, seed {report.seed}"
    )
    if report.stopped:
        yield f"stopped early: {one_line(report.stopped, 300)}"
    if not session.runs:
        yield "not one run ended: nothing was stored"
        return
    yield ""
    headers = ("check", "failed", "passed", "inconclusive", "at most", "+10 % rule")
    yield plain_grid(headers, [_row(row) for row in report.rows])
    yield ""
    yield (
        f"false alarms: {session.failed} of {session.runs} runs (at most "
        f"{format_share(report.upper)} with 95 % confidence)"
    )
    if report.fixed.of:
        yield (
            f"a fixed rule that fails at +10 % against the run before: {report.fixed.failed} of "
            f"{report.fixed.of} runs, and nothing had changed"
        )
    if report.measured:
        yield f"all stored sessions: {one_line(report.measured, 300)}"
    for check, why in report.demoted.items():
        yield f"{one_line(check)} only warns once this is merged: {one_line(why, 300)}"
    yield f"wrote {one_line(report.path, 200)}: commit it; it counts once it is merged"


def _row(row: NullRow) -> list[object]:
    title = metric_title(row.metric, row.statistic)
    return [
        f"{title} of {one_line(f'{row.scenario}/{row.target}')}",
        row.failed,
        row.passed,
        row.runs - row.failed - row.passed,
        format_share(row.upper),
        fixed_words(row.fixed),
    ]


def fixed_words(tally: Tally) -> str:
    """``failed 4 of 9``; a dash where nothing was compared."""
    return f"failed {tally.failed} of {tally.of}" if tally.of else _NONE
