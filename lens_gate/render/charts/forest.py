"""The picture that explains a gate: every check's estimate with its interval, and what is allowed.

Relative checks share an axis of changes, absolute ones an axis of shares of their limits, so that
checks of all units can stand below each other. What is allowed has a ground of its own: a change
whose interval lies within it passes, one beyond it fails, one across its edge is open. A value
within its limit passes until it is shown to be beyond.
"""

import math
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

_HEADING = 30.0
_AXIS = 26.0
_GAP = 16.0
_ICON = 30.0
_SHAFT = 16.0
# Beyond a fall to a fifth and beyond four times as much, marks stand at the edge as an arrow.
_FURTHEST_CHANGE = (-0.8, 3.0)
_FURTHEST_POINTS = (-1.0, 1.0)
_FURTHEST_SHARE = (-1.0, 3.0)
MOST_ROWS = 200
# On a screen that is narrower, words do not fit beside the bars.
_NARROW = 520.0
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
class _Rows:
    """How rows are laid out: their height, where in it the bar lies, and half the ground's height.

    ``names`` and ``figures`` are the widths of the words at both sides of the bars; without them
    the words stand above and below.
    """

    height: float
    bar: float
    half: float
    names: float = 0.0
    figures: float = 0.0

    @property
    def beside(self) -> bool:
        """Whether words stand beside the bars."""
        return self.names > 0


_STACKED = _Rows(height=72.0, bar=43.0, half=8.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Panel:
    """Rows that share an axis; ``neutral`` is where nothing has changed."""

    title: str
    axis: Axis
    neutral: float
    furthest: tuple[float, float]
    marks: tuple[_Mark, ...]

    @property
    def measured(self) -> bool:
        """Whether any of its rows has an estimate."""
        return any(mark.value is not None for mark in self.marks)


def forest(rows: Sequence[Row], *, title: str, width: float = 760, most: int = MOST_ROWS) -> str:
    """The worst ``most`` rows, the worst first, in a panel for each kind of axis."""
    if not rows:
        return nothing(title, width=width)
    body, height = forest_body(rows, width=width, top=0.0, most=most)
    return chart(title, forest_words(rows), body, width=width, height=height)


def forest_body(
    rows: Sequence[Row], *, width: float, top: float, most: int = MOST_ROWS
) -> tuple[list[Node], float]:
    """The panels of the worst ``most`` rows below each other, and where they end."""
    shown = worst_first(rows)[:most]
    rows_are = _beside(shown, width) if width >= _NARROW else _STACKED
    body: list[Node] = []
    for panel in _panels(shown):
        left = rows_are.names or 10.0
        plot = Plot(
            left=left,
            top=top + _HEADING,
            width=width - left - rows_are.figures - 8,
            height=len(panel.marks) * rows_are.height,
        )
        body += _panel(panel, plot, rows_are, width)
        top = plot.bottom + _AXIS * panel.measured + _GAP
    return body, top - _GAP


def _beside(shown: Sequence[Row], width: float) -> _Rows:
    """Rows with as much room at both sides as their words need, within bounds."""
    longest = max(text_width(text, TEXT * BOLD) for row in shown for text in _names(row))
    widest = max(
        max(text_width(words, TEXT * BOLD), text_width(figures, SMALL))
        for words, figures in map(_figures, shown)
    )
    return _Rows(
        height=38.0,
        bar=19.0,
        half=15.0,
        names=_ICON + min(longest + 14, _MOST_NAME, 0.3 * width),
        figures=min(widest + 20, 0.34 * width),
    )


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
            title=f"Change against the {opposite}",
            axis=Axis(title="", unit="change"),
            neutral=0.0,
            furthest=_FURTHEST_CHANGE,
            marks=tuple(_relative(row) for row in relative if not is_rate(row)),
        ),
        _Panel(
            title=f"Change against the {opposite} in percentage points",
            axis=Axis(title="", unit="points"),
            neutral=0.0,
            furthest=_FURTHEST_POINTS,
            marks=tuple(_relative(row) for row in relative if is_rate(row)),
        ),
        _Panel(
            title="Value as a share of its limit",
            axis=Axis(title="", unit="share"),
            neutral=0.0,
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


def _panel(panel: _Panel, plot: Plot, rows_are: _Rows, width: float) -> Iterable[Node]:
    title = panel.title + (_KEY if rows_are.beside else "")
    yield label(title, 8, plot.top - 12, size=SMALL, colour="muted", width=width - 16)
    low, high = panel.furthest
    numbers = [panel.neutral, *(number for mark in panel.marks for number in mark.numbers)]
    x = scale(panel.axis, [min(max(n, low), high) for n in numbers], plot.left, plot.right)
    bars = [plot.top + place * rows_are.height + rows_are.bar for place in range(len(panel.marks))]
    if panel.measured:
        for mark, bar in zip(panel.marks, bars, strict=True):
            yield from _allowed(mark, bar, rows_are.half, x)
        yield from _lines(panel, plot, rows_are, bars, x)
    for mark, bar in zip(panel.marks, bars, strict=True):
        if panel.measured and mark.edge is not None:
            at, half = x.at(mark.edge), rows_are.half
            yield line(at, bar - half, at, bar + half, "limit", thick=2)
        if mark.value is not None:
            yield from _interval(mark, _colour(mark.row), bar, x)
        words = _words_beside if rows_are.beside else _words_about
        yield from words(mark.row, bar, plot, width)


def _lines(
    panel: _Panel, plot: Plot, rows_are: _Rows, bars: Sequence[float], x: Scale
) -> Iterable[Node]:
    """The axis, and where nothing has changed: behind all rows, or behind their bars alone."""
    rows = [(plot.top, plot.bottom)]
    if not rows_are.beside:
        rows = [(bar - rows_are.half, bar + rows_are.half) for bar in bars]
    yield from across(panel.axis, x, plot, rows=rows)
    at = x.at(panel.neutral)
    for top, bottom in rows:
        yield line(at, top, at, bottom, "muted")


def _allowed(mark: _Mark, bar: float, half: float, x: Scale) -> Iterable[Node]:
    if mark.edge is None:
        return
    edge = x.at(mark.edge)
    start, stop = (x.start, edge) if mark.row.better == "lower" else (edge, x.stop)
    yield node(
        "rect",
        x=start,
        y=bar - half,
        width=max(0.0, stop - start),
        height=2 * half,
        **fill("allowed"),
    )


def _colour(row: Row) -> str:
    return "inconclusive" if row.waived else verdict_colour(row.name)


def _words_beside(row: Row, bar: float, plot: Plot, width: float) -> Iterable[Node]:
    """Names at the left of the bar, the verdict and its numbers at the right."""
    name, case = _names(row)
    words, figures = _figures(row)
    room = plot.left - _ICON - 8
    yield from sign(row.name, _colour(row), 16, bar)
    yield label(name, _ICON, bar - 3, width=room, bold=True)
    yield label(case, _ICON, bar + 12, width=room, colour="muted", size=SMALL)
    left, room = plot.right + 12, width - plot.right - 12 - 4
    yield label(words, left, bar - 3, colour=_colour(row), bold=True, width=room)
    if figures:
        yield label(figures, left, bar + 12, colour="muted", size=SMALL, width=room)


def _words_about(row: Row, bar: float, plot: Plot, width: float) -> Iterable[Node]:
    """Names and the verdict above the bar, its numbers below."""
    name, case = _names(row)
    words, figures = _figures(row)
    right = width - 8
    room = right - _ICON - text_width(words, TEXT * BOLD) - 8
    yield from sign(row.name, _colour(row), 16, bar - 25)
    yield label(name, _ICON, bar - 28, width=room, bold=True)
    yield label(words, right, bar - 28, anchor="end", colour=_colour(row), bold=True)
    yield label(case, _ICON, bar - 14, width=right - _ICON, colour="muted", size=SMALL)
    if figures:
        room = right - plot.left
        yield label(figures, plot.left, bar + 21, colour="muted", size=SMALL, width=room)


def _interval(mark: _Mark, colour: str, middle: float, x: Scale) -> Iterable[Node]:
    """The estimate as a diamond on its interval; an end that is out of sight is an arrow."""
    value = mark.value if mark.value is not None else 0.0
    low = -math.inf if mark.low is None else mark.low
    high = math.inf if mark.high is None else mark.high
    start, stop = x.at(low), x.at(high)
    if start == stop:
        # All of it lies beyond one end: an arrow with a shaft.
        start, stop = (start - _SHAFT, stop) if low > x.low else (start, stop + _SHAFT)
    yield line(start, middle, stop, middle, colour, thick=2.5)
    for end, other, at, step in ((low, high, start, 1), (high, low, stop, -1)):
        if x.holds(end):
            corners = [(at, middle - 5), (at, middle + 5)]
        elif x.holds(other) or (end < x.low) is (step > 0):
            corners = [(at + 6 * step, middle - 5), (at, middle), (at + 6 * step, middle + 5)]
        else:
            continue
        yield node("path", d=path(corners), stroke_width=2.5, **stroke(colour))
    if x.holds(value):
        at = x.at(value)
        diamond = [(at - 6, middle), (at, middle - 6), (at + 6, middle), (at, middle + 6)]
        yield node("path", d=path(diamond, closed=True), **fill(colour))
