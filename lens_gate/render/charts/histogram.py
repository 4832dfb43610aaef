"""Histograms: the share of requests in each bin, with intervals; arms side by side in a bin."""

from collections.abc import Iterable, Sequence
from itertools import chain

from lens_gate.render.charts.frame import (
    Plot,
    across,
    chart,
    legend,
    limit_line,
    line,
    margin_for,
    nothing,
    upwards,
)
from lens_gate.render.charts.marks import Axis, Bars
from lens_gate.render.charts.scale import Scale, scale, written_tick
from lens_gate.render.charts.svg import Node, node
from lens_gate.render.charts.theme import fill
from lens_gate.units import format_share

_SHARE = Axis(title="share of requests", unit="share")


def histogram(
    bars: Sequence[Bars],
    axis: Axis,
    *,
    title: str,
    limit: float | None = None,
    width: float = 640,
    height: float = 240,
) -> str:
    """The arms' bars side by side in each bin, with the intervals of their shares."""
    bars = [one for one in bars if one.shares]
    if not bars:
        return nothing(title, width=width)
    tallest = max(chain.from_iterable((*one.shares, *one.high) for one in bars))
    top = min(1.0, tallest * 1.05) or 1.0
    left = margin_for(_SHARE, 0, top)
    plot = Plot(left=left, top=34, width=width - left - 16, height=height - 34 - 40)
    edges = list(chain.from_iterable(one.edges for one in bars))
    ends = (min(edges), max(edges))
    x = scale(axis, [*ends, *([] if limit is None else [limit])], plot.left, plot.right)
    y = scale(Axis(title="", low=0.0, high=top), (), plot.bottom, plot.top)
    body = [
        *across(axis, x, plot),
        *upwards(Axis(title="", unit="share"), y, plot),
        *chain.from_iterable(
            _bars(one, place, len(bars), axis, x, y) for place, one in enumerate(bars)
        ),
        line(plot.left, plot.bottom, plot.right, plot.bottom, "muted"),
        *([] if limit is None else limit_line(limit, axis, x, plot)),
        *legend([(one.name, one.role, None) for one in bars], plot.left, 14),
    ]
    return chart(title, _about(bars, axis), body, width=width, height=height, x=x, plot=plot)


def _bars(one: Bars, place: int, of: int, axis: Axis, x: Scale, y: Scale) -> Iterable[Node]:
    bins = zip(one.edges, one.edges[1:], one.shares, strict=False)
    for index, (first, last, share) in enumerate(bins):
        start, stop = x.at(first), x.at(last)
        each = max(0.6, (stop - start) * 0.9 / of)
        left = start + (stop - start) * 0.05 + place * each
        words = (
            f"{one.name}: {format_share(share)} between {written_tick(first, axis)} and "
            f"{written_tick(last, axis)}"
        )
        if share > 0:
            yield node(
                "rect",
                node("title", words),
                x=left,
                y=y.at(share),
                width=each,
                height=y.at(0.0) - y.at(share),
                fill_opacity=0.85 if one.role == "head" else 0.55,
                **fill(one.role),
            )
        if one.low and one.high and one.high[index] > 0:
            middle = left + each / 2
            yield line(middle, y.at(one.low[index]), middle, y.at(one.high[index]), "ink")


def _about(bars: Sequence[Bars], axis: Axis) -> str:
    parts = []
    for one in bars:
        fullest = max(range(len(one.shares)), key=one.shares.__getitem__)
        first, last = one.edges[fullest], one.edges[fullest + 1]
        parts.append(
            f"{one.name}: most, {format_share(one.shares[fullest])}, between "
            f"{written_tick(first, axis)} and {written_tick(last, axis)}."
        )
    return f"Histogram of {axis.title or 'the values'}. {' '.join(parts)}"
