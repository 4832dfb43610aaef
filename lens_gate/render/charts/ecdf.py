"""Distributions: the share of requests that are at most so long, with their bands."""

import math
from collections.abc import Iterable, Sequence
from itertools import chain

from lens_gate.render.charts.frame import (
    DASHES,
    Plot,
    across,
    chart,
    legend,
    limit_line,
    margin_for,
    nothing,
    upwards,
)
from lens_gate.render.charts.marks import Axis, Curve
from lens_gate.render.charts.scale import Scale, scale, written_tick
from lens_gate.render.charts.svg import Node, node, path
from lens_gate.render.charts.theme import fill, stroke

_SHARE = Axis(title="share of requests", unit="share")
# Steps that end within this part of a pixel of the one before are not seen.
_SEEN = 0.4


def ecdf(
    curves: Sequence[Curve],
    axis: Axis,
    *,
    title: str,
    limit: float | None = None,
    width: float = 640,
    height: float = 270,
) -> str:
    """Curves of one metric, the head's drawn last; a limit stands as an upright line."""
    curves = [curve for curve in curves if curve.xs]
    if not curves:
        return nothing(title, width=width)
    plot = Plot(left=margin_for(_SHARE, 0, 1), top=34, width=0, height=height - 34 - 40)
    plot = Plot(left=plot.left, top=plot.top, width=width - plot.left - 16, height=plot.height)
    every = chain.from_iterable(curve.xs for curve in curves)
    x = scale(axis, [*every, *([] if limit is None else [limit])], plot.left, plot.right)
    y = scale(Axis(title="", low=0.0, high=1.0), (), plot.bottom, plot.top)
    behind_first = sorted(curves, key=lambda curve: curve.role == "head")
    body = [
        *across(axis, x, plot),
        *upwards(Axis(title="", unit="share"), y, plot),
        *(band for curve in behind_first for band in _band(curve, x, y)),
        *(_line(curve, x, y) for curve in behind_first),
        *([] if limit is None else limit_line(limit, axis, x, plot)),
        *legend([(c.name, c.role, DASHES[c.role]) for c in curves], plot.left, 14),
    ]
    return chart(
        title, _about(curves, axis, limit), body, width=width, height=height, x=x, plot=plot
    )


def _band(curve: Curve, x: Scale, y: Scale) -> Iterable[Node]:
    if curve.low and curve.high:
        lower = list(_steps(curve.xs, curve.low, x, y))
        upper = list(_steps(curve.xs, curve.high, x, y))
        outline = path([*upper, *reversed(lower)], closed=True)
        yield node("path", d=outline, fill_opacity=0.16, **fill(curve.role))


def _line(curve: Curve, x: Scale, y: Scale) -> Node:
    return node(
        "path",
        node("title", curve.name),
        d=path(_steps(curve.xs, curve.ys, x, y)),
        stroke_width=2,
        stroke_dasharray=DASHES[curve.role],
        stroke_linejoin="round",
        **stroke(curve.role),
    )


def _steps(
    xs: Sequence[float], ys: Sequence[float], x: Scale, y: Scale
) -> Iterable[tuple[float, float]]:
    """The corners of a step function, those left out that fall on the pixel before."""
    at = y.at(0.0)
    yield x.start, at
    last_x = last_y = -math.inf
    final = len(xs) - 1
    for index, (value, share) in enumerate(zip(xs, ys, strict=True)):
        here, level = x.at(value), y.at(share)
        near = abs(here - last_x) < _SEEN and abs(level - last_y) < _SEEN
        if near and index != final:
            continue
        yield here, at
        yield here, level
        at, last_x, last_y = level, here, level
    yield x.stop, at


def _about(curves: Sequence[Curve], axis: Axis, limit: float | None) -> str:
    parts = []
    for curve in curves:
        points = ", ".join(
            f"{words} at most {written_tick(_reached(curve, share), axis)}"
            for words, share in (("half", 0.5), ("95 % of them", 0.95))
        )
        parts.append(f"{curve.name}: {points}.")
    if limit is not None:
        parts.append(f"The limit is {written_tick(limit, axis)}.")
    return f"Cumulative distribution of {axis.title or title_of(axis)}. {' '.join(parts)}"


def title_of(axis: Axis) -> str:
    """What an axis without a title shows."""
    return "the values" if axis.unit == "" else f"values in {axis.unit}"


def _reached(curve: Curve, share: float) -> float:
    """The first value at which the curve has come to this share."""
    found = (x for x, y in zip(curve.xs, curve.ys, strict=True) if y >= share - 1e-12)
    return next(found, curve.xs[-1])
