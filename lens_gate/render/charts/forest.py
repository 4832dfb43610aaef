"""The picture that explains a gate: every check's estimate with its interval, and what is allowed.

Relative checks share an axis of changes, absolute ones an axis of shares of their limits, so that
checks of all units can stand below each other. What is allowed has a ground of its own: an interval
within it passes, one beyond it fails, one that lies across its edge leaves the check open.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from lens_gate.records.report import Row
from lens_gate.render.charts.frame import (
    BOLD,
    SMALL,
    TEXT,
    Plot,
    across,
    chart,
    label,
    line,
    nothing,
)
from lens_gate.render.charts.marks import Axis
from lens_gate.render.charts.scale import Scale, scale
from lens_gate.render.charts.sign import sign
from lens_gate.render.charts.svg import Node, node, path, text_width
from lens_gate.render.charts.theme import fill, stroke, verdict_colour
from lens_gate.render.escape import one_line
from lens_gate.render.figures import (
    NOTHING,
    allowed_to,
    base_title,
    change,
    head_with_bounds,
    is_rate,
    metric_title,
    tolerance,
    verdict_words,
    worst_first,
)

_ROW = 38.0
_HEADING = 30.0
_AXIS = 26.0
_GAP = 16.0
_ICON = 30.0
# Beyond a fall to a fifth and beyond four times as much, marks stand at the edge as an arrow.
_FURTHEST_CHANGE = (-0.8, 3.0)
_FURTHEST_POINTS = (-1.0, 1.0)
_FURTHEST_SHARE = (0.0, 3.0)
_MOST_ROWS = 200
_KEY = " · estimate with its 90 % interval · shaded: allowed"
_MOST_NAME = 210.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Mark:
    """A row on its panel's axis: where the estimate, its interval and the allowed range lie."""

    row: Row
    value: float | None
    low: float | None
    high: float | None
    edge: float | None

    @property
    def numbers(self) -> tuple[float, ...]:
        """Those that must be seen."""
        found = (self.value, self.low, self.high, self.edge)
        return tuple(number for number in found if number is not None)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Panel:
    """Rows that share an axis; ``neutral`` is where nothing has changed."""

    title: str
    axis: Axis
    neutral: float | None
    furthest: tuple[float, float]
    marks: tuple[_Mark, ...]

    @property
    def measured(self) -> bool:
        """Whether any of its rows has an estimate."""
        return any(mark.value is not None for mark in self.marks)


def forest(rows: Sequence[Row], *, title: str, width: float = 760) -> str:
    """All rows, the worst first, in a panel for each kind of axis."""
    if not rows:
        return nothing(title, width=width)
    body, height = forest_body(rows, width=width, top=0.0)
    return chart(title, forest_words(rows), body, width=width, height=height)


def forest_body(
    rows: Sequence[Row], *, width: float, top: float, most: int = _MOST_ROWS
) -> tuple[list[Node], float]:
    """The panels of the worst ``most`` rows below each other, and where they end."""
    shown = worst_first(rows)[:most]
    panels = _panels(shown)
    longest = max(text_width(text, TEXT * BOLD) for row in shown for text in _names(row))
    names = _ICON + min(longest + 14, _MOST_NAME, 0.3 * width)
    widest = max(
        max(text_width(words, TEXT * BOLD), text_width(figures, SMALL))
        for words, figures in map(_figures, shown)
    )
    figures = min(widest + 20, 0.34 * width)
    body: list[Node] = []
    for panel in panels:
        plot = Plot(
            left=names,
            top=top + _HEADING,
            width=width - names - figures - 8,
            height=len(panel.marks) * _ROW,
        )
        body += _panel(panel, plot, width)
        top = plot.bottom + _AXIS * panel.measured + _GAP
    return body, top - _GAP


def forest_words(rows: Sequence[Row]) -> str:
    """The same in sentences, the worst first."""
    return " ".join(
        f"{verdict_words(row)}: {_names(row)[1]} "
        f"{', '.join(filter(None, (_names(row)[0], _figures(row)[1])))}."
        for row in worst_first(rows)[:20]
    )


def _names(row: Row) -> tuple[str, str]:
    return (
        one_line(metric_title(row.metric, row.statistic), 60),
        one_line(f"{row.scenario}/{row.target}", 80),
    )


def _figures(row: Row) -> tuple[str, str]:
    """The verdict's word, and the numbers that it rests on."""
    found = change(row) if row.kind == "relative" else head_with_bounds(row)
    parts = (
        found if found != NOTHING else "",
        f"allowed {tolerance(row)}" if tolerance(row) != NOTHING else "",
    )
    return verdict_words(row), ", ".join(filter(None, parts))


def _panels(rows: Sequence[Row]) -> list[_Panel]:
    opposite = base_title(rows)
    relative = [row for row in rows if row.kind == "relative"]
    found = [
        _Panel(
            title=f"Change against the {opposite}{_KEY}",
            axis=Axis(title="", unit="change"),
            neutral=0.0,
            furthest=_FURTHEST_CHANGE,
            marks=tuple(_relative(row) for row in relative if not is_rate(row)),
        ),
        _Panel(
            title=f"Change against the {opposite} in percentage points{_KEY}",
            axis=Axis(title="", unit="points"),
            neutral=0.0,
            furthest=_FURTHEST_POINTS,
            marks=tuple(_relative(row) for row in relative if is_rate(row)),
        ),
        _Panel(
            title=f"Value as a share of its limit{_KEY}",
            axis=Axis(title="", unit="share", low=0.0),
            neutral=None,
            furthest=_FURTHEST_SHARE,
            marks=tuple(_absolute(row) for row in rows if row.kind != "relative"),
        ),
    ]
    return [panel for panel in found if panel.marks]


def _relative(row: Row) -> _Mark:
    verdict = row.verdict
    return _Mark(
        row=row, value=verdict.estimate, low=verdict.low, high=verdict.high, edge=allowed_to(row)
    )


def _absolute(row: Row) -> _Mark:
    """In shares of the limit. A limit of nothing has no shares: the words say it alone."""
    verdict, limit = row.verdict, row.verdict.limit
    if not limit or limit <= 0:
        return _Mark(row=row, value=None, low=None, high=None, edge=None)
    value, low, high = (
        None if number is None else number / limit
        for number in (verdict.head_value, verdict.low, verdict.high)
    )
    return _Mark(row=row, value=value, low=low, high=high, edge=1.0)


def _panel(panel: _Panel, plot: Plot, width: float) -> Iterable[Node]:
    yield label(panel.title, 8, plot.top - 12, size=SMALL, colour="muted", width=width - 16)
    low, high = panel.furthest
    numbers = [number for mark in panel.marks for number in mark.numbers]
    if panel.neutral is not None:
        numbers.append(panel.neutral)
    x = scale(panel.axis, [min(max(n, low), high) for n in numbers], plot.left, plot.right)
    for place, mark in enumerate(panel.marks):
        if panel.measured:
            yield from _allowed(mark, plot.top + place * _ROW, x)
    if panel.measured:
        yield from across(panel.axis, x, plot)
    if panel.measured and panel.neutral is not None:
        at = x.at(panel.neutral)
        yield line(at, plot.top, at, plot.bottom, "muted")
    for place, mark in enumerate(panel.marks):
        if panel.measured and mark.edge is not None:
            at, above = x.at(mark.edge), plot.top + place * _ROW
            yield line(at, above + 4, at, above + _ROW - 4, "limit", thick=2)
        yield from _row(mark, plot.top + place * _ROW, x, plot, width)


def _allowed(mark: _Mark, top: float, x: Scale) -> Iterable[Node]:
    if mark.edge is None:
        return
    edge = x.at(mark.edge)
    start, stop = (x.start, edge) if mark.row.better == "lower" else (edge, x.stop)
    yield node(
        "rect",
        x=start,
        y=top + 4,
        width=max(0.0, stop - start),
        height=_ROW - 8,
        **fill("allowed"),
    )


def _row(mark: _Mark, top: float, x: Scale, plot: Plot, width: float) -> Iterable[Node]:
    row, middle = mark.row, top + _ROW / 2
    colour = "inconclusive" if row.waived else verdict_colour(row.name)
    name, case = _names(row)
    words, figures = _figures(row)
    yield from sign(row.name, colour, 16, middle)
    yield label(name, _ICON, middle - 3, width=plot.left - _ICON - 8, bold=True)
    yield label(case, _ICON, middle + 12, width=plot.left - _ICON - 8, colour="muted", size=SMALL)
    if mark.value is not None:
        yield from _interval(mark, colour, middle, x)
    room = width - plot.right - 12 - 4
    yield label(words, plot.right + 12, middle - 3, colour=colour, bold=True, width=room)
    if figures:
        yield label(figures, plot.right + 12, middle + 12, colour="muted", size=SMALL, width=room)


def _interval(mark: _Mark, colour: str, middle: float, x: Scale) -> Iterable[Node]:
    """The estimate as a diamond on its interval; an end that is out of sight is an arrow."""
    value = mark.value if mark.value is not None else 0.0
    low = x.low if mark.low is None else mark.low
    high = x.high if mark.high is None else mark.high
    start, stop = x.at(low), x.at(high)
    yield line(start, middle, stop, middle, colour, thick=2.5)
    for end, at, step in ((low, start, 1), (high, stop, -1)):
        beyond = not x.holds(end) or (mark.low if step > 0 else mark.high) is None
        corners = (
            [(at + 6 * step, middle - 5), (at, middle), (at + 6 * step, middle + 5)]
            if beyond
            else [(at, middle - 5), (at, middle + 5)]
        )
        yield node("path", d=path(corners), stroke_width=2.5, **stroke(colour))
    if x.holds(value):
        at = x.at(value)
        diamond = [(at - 6, middle), (at, middle - 6), (at + 6, middle), (at, middle + 6)]
        yield node("path", d=path(diamond, closed=True), **fill(colour))
