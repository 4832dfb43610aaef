"""A report as one picture, for a comment or a page: what happened, why, and what to do.

It stands alone: light or dark as its reader prefers, nothing is loaded, nothing runs.
"""

from collections.abc import Iterable, Mapping

from lens_gate.records.check import VerdictName
from lens_gate.records.report import Outcome, Report
from lens_gate.render.charts.forest import forest_body, forest_words
from lens_gate.render.charts.frame import SMALL, TEXT, chart, label
from lens_gate.render.charts.sign import sign
from lens_gate.render.charts.svg import Node, node, wrapped
from lens_gate.render.charts.theme import fill, stroke, verdict_colour
from lens_gate.render.figures import OUTCOMES, counted
from lens_gate.units import format_duration, format_usd

WIDTH = 800.0
TOP_ROWS = 12
_EDGE = 20.0
_TITLE = 17.0
# The outcome's sign is that of the verdict which it comes from.
_SIGNS: Mapping[Outcome, VerdictName] = {
    "passed": "pass",
    "failed": "fail",
    "inconclusive": "inconclusive",
    "unchanged": "pass",
    "not_measured": "new",
    "no_data": "no_data",
    "budget": "no_data",
    "aborted": "no_data",
}


def picture(report: Report) -> str:
    """The outcome, what to do, the worst checks on their axes, and what it cost, as SVG."""
    name = f"{report.policy} {OUTCOMES[report.outcome]}"
    head, top = _head(report, name)
    rows: list[Node] = []
    if report.rows:
        rows, top = forest_body(report.rows, width=WIDTH - 2 * _EDGE, top=top, most=TOP_ROWS)
        top += 8
    foot = list(_foot(report, top))
    height = top + 22 * len(foot) + 14
    ground = node("rect", width=WIDTH, height=height, rx=8, **fill("ground"))
    edge = node("rect", x=0.5, y=0.5, width=WIDTH - 1, height=height - 1, rx=8, **stroke("grid"))
    shifted = node("g", *rows, transform=f"translate({_EDGE:g} 0)") if rows else None
    about = " ".join(
        (report.headline, f"Next: {report.next_step}", forest_words(report.rows), *_facts(report))
    )
    body = [ground, edge, *head, shifted, *foot]
    return chart(name, about, body, width=WIDTH, height=height, alone=True) + "\n"


def _head(report: Report, name: str) -> tuple[list[Node], float]:
    """The outcome in words, and where they end."""
    verdict = _SIGNS[report.outcome]
    left, room, y = _EDGE + 34, WIDTH - 2 * _EDGE - 34, 34.0
    colour = verdict_colour(verdict)
    marks = list(sign(verdict, colour, _EDGE + 12, y - 6, size=1.3))
    marks.append(label(name, left, y, size=_TITLE, bold=True, width=room))
    for line in wrapped(report.headline, room, TEXT + 1, most=3):
        y += 20
        marks.append(label(line, left, y, size=TEXT + 1, width=room))
    y += 4
    for place, line in enumerate(wrapped(f"Next: {report.next_step}", room, TEXT, most=3)):
        y += 18
        marks.append(label(line, left, y, colour="muted" if place else "ink", width=room))
    return marks, y + 16


def _foot(report: Report, top: float) -> Iterable[Node]:
    for place, text in enumerate(_facts(report)):
        yield label(
            text,
            _EDGE + 8,
            top + 22 * (place + 1),
            width=WIDTH - 2 * _EDGE - 16,
            colour="muted",
            size=SMALL,
        )


def _facts(report: Report) -> Iterable[str]:
    if len(report.rows) > TOP_ROWS:
        yield f"The first {TOP_ROWS} of {len(report.rows)} checks, the worst ones first."
    spend, mode = report.spend, report.refs.mode
    cost = (
        f"spent {format_usd(spend.spent_usd)} of {format_usd(spend.cap_usd)}, "
        f"{counted(spend.requests, 'request')}, {format_duration(report.elapsed_s)}"
        if spend.requests
        else "no request was sent"
    )
    yield f"{mode} · {cost}"
