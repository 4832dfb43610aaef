"""The looks at a duet: when it was looked at, what was open then, and what stopping saved."""

from collections.abc import Iterable, Sequence
from itertools import accumulate

from lens_gate.records.look import LookReport
from lens_gate.render.charts.frame import SMALL, Plot, across, chart, label, line, nothing
from lens_gate.render.charts.marks import Axis
from lens_gate.render.charts.scale import Scale, scale
from lens_gate.render.charts.svg import Node, node, path, text_width
from lens_gate.render.charts.theme import fill, stroke
from lens_gate.render.figures import counted, counted_pairs
from lens_gate.units import format_share


def looks(
    taken: Sequence[LookReport],
    *,
    planned: int,
    title: str,
    in_blocks: bool = False,
    width: float = 640,
    height: float = 150,
) -> str:
    """Pairs from left to right: the checks that were open, a mark for each look.

    ``planned`` is N. What lies between the last look and N was not sent. Looks at the new pairs of
    a confirming block stand in the description alone.
    """
    own = [look for look in taken if not look.confirming]
    if not own:
        return nothing(title, width=width)
    plot = Plot(left=56, top=26, width=width - 56 - 24, height=height - 26 - 40)
    most = max(own[0].open + len(own[0].decided), 1)
    x = scale(
        Axis(title="", low=0.0, high=float(max(planned, own[-1].pairs))), (), plot.left, plot.right
    )
    y = scale(Axis(title="", low=0.0, high=float(most)), (), plot.bottom, plot.top + 10)
    noun = "pairs of blocks" if in_blocks else "pairs"
    body = [
        *across(Axis(title=noun), x, plot, whole=True),
        *_unsent(own[-1].pairs, planned, x, plot),
        label("open", plot.left - 8, plot.top + 14, anchor="end", colour="muted", size=SMALL),
        label("checks", plot.left - 8, plot.top + 28, anchor="end", colour="muted", size=SMALL),
        _open(own, most, x, y),
        *(mark for place, look in enumerate(own) for mark in _look(own, place, look, x, y)),
        line(plot.left, plot.bottom, plot.right, plot.bottom, "muted"),
    ]
    about = _about(taken, planned, in_blocks=in_blocks)
    return chart(title, about, body, width=width, height=height, x=x, plot=plot)


def _unsent(done: int, planned: int, x: Scale, plot: Plot) -> Iterable[Node]:
    if planned <= done:
        return
    start, stop = x.at(done), x.at(planned)
    yield node(
        "rect",
        x=start,
        y=plot.top,
        width=stop - start,
        height=plot.height,
        fill_opacity=0.5,
        **fill("grid"),
    )
    if stop - start > text_width("not sent", SMALL) + 8:
        middle = (start + stop) / 2
        yield label(
            "not sent",
            middle,
            plot.top + plot.height / 2 + 4,
            anchor="middle",
            colour="muted",
            size=SMALL,
        )


def _open(own: Sequence[LookReport], most: int, x: Scale, y: Scale) -> Node:
    level, corners = float(most), [(x.at(0.0), y.at(most))]
    for look in own:
        corners += [(x.at(look.pairs), y.at(level)), (x.at(look.pairs), y.at(look.open))]
        level = float(look.open)
    return node("path", d=path(corners), stroke_width=2, **stroke("head"))


def _look(
    own: Sequence[LookReport], place: int, look: LookReport, x: Scale, y: Scale
) -> Iterable[Node]:
    at = x.at(look.pairs)
    spent = list(accumulate(one.share for one in own))[place]
    decided = counted(len(look.decided), "check")
    words = (
        f"look {place + 1}, after {look.pairs}: {decided} decided, {look.open} open; "
        f"{format_share(spent)} of the error budget so far"
    )
    failed = any(verdict == "fail" for verdict in look.decided.values())
    colour = "fail" if failed else "pass" if look.decided else "control"
    yield node(
        "circle",
        node("title", words),
        cx=at,
        cy=y.at(look.open),
        r=5 if look.decided else 3.5,
        **fill(colour),
    )
    yield label(str(look.open), at + 8, y.at(look.open) - 6, size=SMALL, colour="muted")


def _about(taken: Sequence[LookReport], planned: int, *, in_blocks: bool) -> str:
    parts = []
    for place, look in enumerate(taken):
        after = counted_pairs(look.pairs, in_blocks=in_blocks, new=look.confirming)
        decided = len(look.decided)
        parts.append(f"Look {place + 1} after {after}: {decided} decided, {look.open} open.")
    return f"{' '.join(parts)} Planned were {counted_pairs(planned, in_blocks=in_blocks)}."
