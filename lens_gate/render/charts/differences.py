"""Pairs one by one: how much more the head took than the control, in the order of sending."""

from collections.abc import Iterable, Sequence

from lens_gate.render.charts.frame import (
    Plot,
    across,
    chart,
    legend,
    line,
    margin_for,
    nothing,
    upwards,
)
from lens_gate.render.charts.marks import Axis, Pair, Span
from lens_gate.render.charts.scale import Scale, scale, written_tick
from lens_gate.render.charts.svg import Node, node
from lens_gate.render.charts.theme import fill
from lens_gate.render.figures import NOTHING

_MOST_DOTS = 4000
_TOP = 42.0
_MARGIN_DASH = "6 3"


def differences(
    pairs: Sequence[Pair],
    axis: Axis,
    *,
    title: str,
    span: Span | None = None,
    margin: float | None = None,
    in_blocks: bool = False,
    width: float = 640,
    height: float = 240,
) -> str:
    """A dot for each pair about the line of no change; ``axis`` is that of the changes.

    ``span`` is the estimate with its interval, ``margin`` the change that is allowed (negative
    where more is better). ``in_blocks``: the pairs are pairs of blocks.
    """
    if not pairs:
        return nothing(title, width=width)
    marked = [margin] if margin is not None else []
    estimate = [end for end in (span.value, span.low, span.high) if end is not None] if span else []
    wanted = [0.0, *(pair.change for pair in pairs), *marked, *estimate]
    y = scale(axis, wanted, height - 40, _TOP)
    left = margin_for(axis, y.low, y.high)
    plot = Plot(left=left, top=_TOP, width=width - left - 16, height=height - _TOP - 40)
    last = max(pair.number for pair in pairs)
    x = scale(Axis(title="", low=0, high=last + 1), (), plot.left, plot.right)
    body = [
        *across(_order(in_blocks=in_blocks), x, plot, whole=True),
        *upwards(axis, y, plot),
        *(_estimate(span, y, plot) if span else ()),
        line(plot.left, y.at(0.0), plot.right, y.at(0.0), "ink"),
        *(_dot(pair, axis, x, y) for pair in pairs[:_MOST_DOTS]),
        *(_margin(margin, y, plot) if margin is not None else ()),
        *legend(list(_keys(span, margin, axis)), plot.left, 14, width=320),
    ]
    about = _about(pairs, axis, span, margin)
    return chart(title, about, body, width=width, height=height, x=x, plot=plot)


def _dot(pair: Pair, axis: Axis, x: Scale, y: Scale) -> Node:
    words = f"pair {pair.number + 1}{f' ({pair.name})' if pair.name else ''}: " + written_tick(
        pair.change, axis
    )
    inside = y.holds(pair.change)
    return node(
        "circle",
        node("title", words),
        cx=x.at(pair.number + 0.5),
        cy=y.at(pair.change),
        r=3 if inside else 2,
        fill_opacity=0.75,
        **fill("stored" if pair.confirming else "head"),
    )


def _estimate(span: Span, y: Scale, plot: Plot) -> Iterable[Node]:
    low = y.low if span.low is None else span.low
    high = y.high if span.high is None else span.high
    top, bottom = y.at(high), y.at(low)
    yield node(
        "rect",
        x=plot.left,
        y=top,
        width=plot.width,
        height=max(1.0, bottom - top),
        fill_opacity=0.14,
        **fill("head"),
    )
    yield line(plot.left, y.at(span.value), plot.right, y.at(span.value), "head", thick=1.5)


def _margin(margin: float, y: Scale, plot: Plot) -> Iterable[Node]:
    at = y.at(margin)
    yield line(plot.left, at, plot.right, at, "limit", dash=_MARGIN_DASH, thick=1.5)


def _keys(
    span: Span | None, margin: float | None, axis: Axis
) -> Iterable[tuple[str, str, str | None]]:
    """The numbers of the lines, above the plot: within it dots would lie on them."""
    if span is not None:
        ends = [NOTHING if x is None else written_tick(x, axis) for x in (span.low, span.high)]
        words = f"estimate {written_tick(span.value, axis)} [{', '.join(ends)}]"
        yield words, "head", None
    if margin is not None:
        yield f"allowed {written_tick(margin, axis)}", "limit", _MARGIN_DASH


def _order(*, in_blocks: bool) -> Axis:
    noun = "pairs of blocks" if in_blocks else "pairs"
    return Axis(title=f"{noun}, in the order of sending")


def _about(pairs: Sequence[Pair], axis: Axis, span: Span | None, margin: float | None) -> str:
    more = sum(pair.change > 0 for pair in pairs)
    parts = [f"{len(pairs)} pairs; in {more} of them the head's value is the higher one."]
    if span is not None:
        parts.append(f"The estimate is {written_tick(span.value, axis)}.")
    if margin is not None:
        parts.append(f"Allowed is {written_tick(margin, axis)}.")
    return " ".join(parts)
