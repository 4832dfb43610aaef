"""A metric over runs: points with intervals, levels between change points, a limit."""

import math
from collections.abc import Iterable, Sequence

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
from lens_gate.render.charts.marks import Axis, Level, Point
from lens_gate.render.charts.scale import Scale, scale, written_tick
from lens_gate.render.charts.svg import Node, node, path, text_width
from lens_gate.render.charts.theme import fill, stroke

_MOST_DOTS = 1500


def series(
    points: Sequence[Point],
    axis: Axis,
    *,
    title: str,
    band: tuple[float, float] | None = None,
    levels: Sequence[Level] = (),
    limit: float | None = None,
    width: float = 640,
    height: float = 240,
) -> str:
    """Points from left to right by ``at``, joined; ``axis`` is the upright one.

    ``band`` is a range in which new points are expected. A change point is where one of ``levels``
    follows another: an upright line marks it.
    """
    points = sorted(points, key=lambda point: point.at)
    if not points:
        return nothing(title, width=width)
    ends = (end for point in points for end in (point.value, point.low, point.high))
    wanted = [end for end in (*ends, limit, *(band or ())) if end is not None]
    y = scale(axis, wanted, height - 34, 34)
    left = margin_for(axis, y.low, y.high)
    plot = Plot(left=left, top=34, width=width - left - 16, height=height - 68)
    x = _time(points, plot)
    body = [
        *upwards(axis, y, plot),
        *(_band(band, y, plot) if band else ()),
        *_dates(points, x, plot),
        *_changes(levels, axis, x, y, plot),
        _joined(points, x, y),
        *(mark for point in _thinned(points, x) for mark in _dot(point, axis, x, y)),
        *(_limit(limit, axis, y, plot) if limit is not None else ()),
    ]
    about = _about(points, axis, levels, limit)
    return chart(title, about, body, width=width, height=height, x=x, plot=plot)


def _time(points: Sequence[Point], plot: Plot) -> Scale:
    first, last = points[0].at, points[-1].at
    room = (last - first) * 0.02 or 1.0
    return Scale(
        kind="linear", low=first - room, high=last + room, start=plot.left, stop=plot.right
    )


def _band(band: tuple[float, float], y: Scale, plot: Plot) -> Iterable[Node]:
    top, bottom = y.at(band[1]), y.at(band[0])
    height = max(1.0, bottom - top)
    yield node("rect", x=plot.left, y=top, width=plot.width, height=height, **fill("allowed"))


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


def _changes(levels: Sequence[Level], axis: Axis, x: Scale, y: Scale, plot: Plot) -> Iterable[Node]:
    for place, level in enumerate(levels):
        at = y.at(level.value)
        words = written_tick(level.value, axis)
        yield line(x.at(level.first), at, x.at(level.last), at, "stored", thick=2.5, name=words)
        if place:
            edge = (x.at(levels[place - 1].last) + x.at(level.first)) / 2
            was = written_tick(levels[place - 1].value, axis)
            yield line(
                edge,
                plot.top,
                edge,
                plot.bottom,
                "stored",
                dash="3 3",
                name=f"changed from {was} to {words}",
            )


def _joined(points: Sequence[Point], x: Scale, y: Scale) -> Node:
    line_of = path((x.at(point.at), y.at(point.value)) for point in points)
    return node("path", d=line_of, stroke_opacity=0.45, stroke_width=1.2, **stroke("control"))


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
    points: Sequence[Point], axis: Axis, levels: Sequence[Level], limit: float | None
) -> str:
    first, last = points[0], points[-1]
    runs = f"{len(points)} run{'' if len(points) == 1 else 's'}"
    start, stop = (f"{written_tick(one.value, axis)} ({one.label})" for one in (first, last))
    parts = [f"{runs}: from {start} to {stop}."]
    if len(levels) > 1:
        stretches = ", then ".join(written_tick(level.value, axis) for level in levels)
        parts.append(f"It lay at {stretches}.")
    if limit is not None:
        parts.append(f"The limit is {written_tick(limit, axis)}.")
    return " ".join(parts)
