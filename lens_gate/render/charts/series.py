"""A metric over runs: points with intervals, levels between change points, breaks, a limit."""

import math
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from itertools import groupby, pairwise

from lens_gate.render.charts.frame import (
    SMALL,
    Plot,
    chart,
    label,
    line,
    margin_for,
    nothing,
    upwards,
)
from lens_gate.render.charts.marks import Axis, Break, Level, Point
from lens_gate.render.charts.scale import Scale, scale, written_tick
from lens_gate.render.charts.svg import Node, node, path, text_width
from lens_gate.render.charts.theme import fill, stroke
from lens_gate.render.escape import one_line
from lens_gate.render.figures import counted

_MOST_DOTS = 1500
_BREAK = "break"
_MOST_WORDS = 300


def series(
    points: Sequence[Point],
    axis: Axis,
    *,
    title: str,
    levels: Sequence[Level] = (),
    breaks: Sequence[Break] = (),
    limit: float | None = None,
    width: float = 640,
    height: float = 240,
) -> str:
    """Points from left to right by ``at``, joined; ``axis`` is the upright one.

    A change point is where one of ``levels`` follows another: an upright dashed line marks it. At
    ``breaks`` the line of points ends and begins anew; a double line and its word mark them.
    """
    points = sorted(points, key=lambda point: point.at)
    if not points:
        return nothing(title, width=width)
    ends = (end for point in points for end in (point.value, point.low, point.high))
    wanted = [end for end in (*ends, limit) if end is not None]
    y = scale(axis, wanted, height - 34, 34)
    left = margin_for(axis, y.low, y.high)
    plot = Plot(left=left, top=34, width=width - left - 16, height=height - 68)
    x = _time(points, plot)
    body = [
        *upwards(axis, y, plot),
        *_dates(points, x, plot),
        *_levels(levels, axis, x, y),
        *_changes(levels, breaks, axis, x, plot),
        *_breaks(breaks, x, plot),
        *_joined(points, breaks, x, y),
        *(mark for point in _thinned(points, x) for mark in _dot(point, axis, x, y)),
        *(_limit(limit, axis, y, plot) if limit is not None else ()),
    ]
    about = _about(points, axis, levels, breaks, limit)
    return chart(title, about, body, width=width, height=height, x=x, plot=plot)


def _time(points: Sequence[Point], plot: Plot) -> Scale:
    first, last = points[0].at, points[-1].at
    room = (last - first) * 0.02 or 1.0
    return Scale(
        kind="linear", low=first - room, high=last + room, start=plot.left, stop=plot.right
    )


def _dates(points: Sequence[Point], x: Scale, plot: Plot) -> Iterable[Node]:
    """Labels of as many points as there is room for, the last one among them."""
    free = math.inf
    yield line(plot.left, plot.bottom, plot.right, plot.bottom, "muted")
    for point in reversed(points):
        half = text_width(point.label, SMALL) / 2
        at = min(max(x.at(point.at), plot.left + half - 20), plot.right - half + 12)
        if at + half + 12 <= free:
            yield label(
                point.label, at, plot.bottom + 16, anchor="middle", colour="muted", size=SMALL
            )
            free = at - half


def _levels(levels: Sequence[Level], axis: Axis, x: Scale, y: Scale) -> Iterable[Node]:
    for level in levels:
        at = y.at(level.value)
        words = written_tick(level.value, axis)
        yield line(x.at(level.first), at, x.at(level.last), at, "stored", thick=2.5, name=words)


def _changes(
    levels: Sequence[Level], breaks: Sequence[Break], axis: Axis, x: Scale, plot: Plot
) -> Iterable[Node]:
    """Where one level follows another, unless the two do not compare."""
    for before, level in pairwise(levels):
        if any(before.last < one.at <= level.first for one in breaks):
            continue
        at = (x.at(before.last) + x.at(level.first)) / 2
        was, now = (written_tick(one.value, axis) for one in (before, level))
        name = f"changed from {was} to {now}"
        yield line(at, plot.top, at, plot.bottom, "stored", dash="3 3", name=name)


def _breaks(breaks: Sequence[Break], x: Scale, plot: Plot) -> Iterable[Node]:
    free = -math.inf
    for one in sorted(breaks, key=lambda one: one.at):
        if not x.holds(one.at):
            continue
        at, half = x.at(one.at), text_width(_BREAK, SMALL) / 2
        name = one_line(f"{_BREAK}: {one.name}", _MOST_WORDS) if one.name else _BREAK
        lines = (line(at + k, plot.top, at + k, plot.bottom, "ink") for k in (-2, 2))
        yield node("g", node("title", name), *lines)
        if at - half >= free:
            yield label(_BREAK, at, 14, anchor="middle", colour="ink", size=SMALL)
            free = at + half + 6


def _joined(points: Sequence[Point], breaks: Sequence[Break], x: Scale, y: Scale) -> Iterable[Node]:
    """A line through the points of each stretch."""
    ends = sorted(one.at for one in breaks)
    for _, part in groupby(points, key=lambda point: bisect_right(ends, point.at)):
        d = path((x.at(point.at), y.at(point.value)) for point in part)
        yield node("path", d=d, stroke_opacity=0.45, stroke_width=1.2, **stroke("control"))


def _thinned(points: Sequence[Point], x: Scale) -> Iterable[Point]:
    """All of them, or of thousands those that do not lie on the one before; the head always."""
    last = -math.inf
    for point in points:
        here = x.at(point.at)
        if len(points) <= _MOST_DOTS or point.role == "head" or here - last >= 0.5:
            yield point
            last = here


def _dot(point: Point, axis: Axis, x: Scale, y: Scale) -> Iterable[Node]:
    at, colour = x.at(point.at), "head" if point.role == "head" else "control"
    words = f"{point.label}: {written_tick(point.value, axis)}"
    if point.low is not None and point.high is not None:
        ends = f"{written_tick(point.low, axis)} to {written_tick(point.high, axis)}"
        words = f"{words} ({ends})"
        yield line(at, y.at(point.low), at, y.at(point.high), colour)
    size = 4.5 if point.role == "head" else 2.6
    yield node("circle", node("title", words), cx=at, cy=y.at(point.value), r=size, **fill(colour))


def _limit(limit: float, axis: Axis, y: Scale, plot: Plot) -> Iterable[Node]:
    at, words = y.at(limit), f"limit {written_tick(limit, axis)}"
    yield line(plot.left, at, plot.right, at, "limit", dash="6 3", thick=1.5)
    yield label(words, plot.right, at - 5, anchor="end", colour="limit", size=SMALL, halo=True)


def _about(
    points: Sequence[Point],
    axis: Axis,
    levels: Sequence[Level],
    breaks: Sequence[Break],
    limit: float | None,
) -> str:
    first, last = points[0], points[-1]
    start, stop = (f"{written_tick(one.value, axis)} ({one.label})" for one in (first, last))
    parts = [f"{counted(len(points), 'run')}: from {start} to {stop}."]
    if len(levels) > 1:
        stretches = ", then ".join(written_tick(level.value, axis) for level in levels)
        parts.append(f"It lay at {stretches}.")
    if breaks:
        parts.append(f"Runs do not compare across {counted(len(breaks), 'break')}.")
    if limit is not None:
        parts.append(f"The limit is {written_tick(limit, axis)}.")
    return " ".join(parts)
