"""What every chart has: the outer element, a plot with its axes, names, a legend."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from lens_gate.render.charts.marks import Axis, Role
from lens_gate.render.charts.scale import Scale, ticks, written_tick
from lens_gate.render.charts.svg import Node, fitted, node, number, text_width, written
from lens_gate.render.charts.theme import ALONE, fill, stroke

TEXT = 12.0
SMALL = 11.0
# How much wider bold letters are.
BOLD = 1.08
# So far beyond the plot's right edge the words of an axis may reach.
_BESIDE = 14.0
DASHES: dict[Role, str | None] = {"head": None, "control": "5 3", "stored": "2 2"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Plot:
    """The rectangle of a chart in which numbers are drawn, in pixels."""

    left: float
    top: float
    width: float
    height: float

    @property
    def right(self) -> float:
        """Its right edge."""
        return self.left + self.width

    @property
    def bottom(self) -> float:
        """Its lower edge."""
        return self.top + self.height


def chart(
    title: str,
    about: str,
    body: Iterable[Node | None],
    *,
    width: float,
    height: float,
    x: Scale | None = None,
    plot: Plot | None = None,
    alone: bool = False,
) -> str:
    """The outer element; ``title`` and ``about`` are what a screen reader says.

    ``x`` and ``plot`` are told as ``data-`` attributes, by which a script finds the number under
    the pointer.
    """
    data: dict[str, str] = {}
    if x is not None:
        data = {"data_x": " ".join((f"{x.low:.9g}", f"{x.high:.9g}", x.kind))}
    if plot is not None:
        sides = (plot.left, plot.top, plot.width, plot.height)
        data["data_plot"] = " ".join(map(number, sides))
    tree = node(
        "svg",
        node("title", title),
        node("desc", about),
        node("style", ALONE) if alone else None,
        *body,
        xmlns="http://www.w3.org/2000/svg",
        viewBox=f"0 0 {number(width)} {number(height)}",
        width=width,
        height=height,
        role="img",
        class_="lens-chart",
        font_family="system-ui, sans-serif",
        font_size=TEXT,
        aria_label=title,
        **data,
    )
    return written(tree)


def label(  # noqa: PLR0913  # where a text stands and how it looks; most calls name one or two
    text: str,
    x: float,
    y: float,
    *,
    width: float = 2000,
    anchor: str = "start",
    colour: str = "ink",
    size: float = TEXT,
    bold: bool = False,
    halo: bool = False,
) -> Node:
    """A text at a place; cut to a width, it shows the whole of it under the pointer.

    A ``halo`` keeps it legible on lines and marks.
    """
    shown = fitted(text, width, size * (BOLD if bold else 1.0))
    return node(
        "text",
        shown,
        node("title", text) if shown.endswith("…") else None,
        x=x,
        y=y,
        text_anchor=anchor if anchor != "start" else None,
        font_size=size if size != TEXT else None,
        font_weight="600" if bold else None,
        **(fill(colour) | ({"class_": f"lens-fill-{colour} lens-halo"} if halo else {})),
    )


def across(
    axis: Axis,
    x: Scale,
    plot: Plot,
    *,
    whole: bool = False,
    rows: Sequence[tuple[float, float]] = (),
) -> Iterable[Node]:
    """The axis below a plot, with its lines; ``whole``: it counts, and has no part of one.

    The lines go through the plot, or only through these ``rows`` of it, each from here to there.
    """
    widest = max((text_width(written_tick(v, axis), SMALL) for v in (x.low, x.high)), default=0.0)
    for value in ticks(x, max(46.0, widest + 10), whole=whole):
        at, words = x.at(value), written_tick(value, axis)
        for top, bottom in rows or [(plot.top, plot.bottom)]:
            yield line(at, top, at, bottom, "grid")
        yield label(
            words,
            min(at, plot.right + _BESIDE - text_width(words, SMALL) / 2),
            plot.bottom + 15,
            anchor="middle",
            colour="muted",
            size=SMALL,
        )
    if axis.title:
        yield label(
            axis.title,
            plot.right,
            plot.bottom + 31,
            width=plot.width,
            anchor="end",
            colour="muted",
            size=SMALL,
        )


def upwards(axis: Axis, y: Scale, plot: Plot) -> Iterable[Node]:
    """The axis at the left of a plot, with its lines."""
    for value in ticks(y, 28.0):
        at = y.at(value)
        yield line(plot.left, at, plot.right, at, "grid")
        yield label(
            written_tick(value, axis),
            plot.left - 7,
            at + 4,
            anchor="end",
            colour="muted",
            size=SMALL,
        )
    if axis.title:
        yield label(axis.title, plot.left, plot.top - 9, colour="muted", size=SMALL)


def margin_for(axis: Axis, low: float, high: float) -> float:
    """How wide an axis at the left must be for its numbers."""
    widest = max(text_width(written_tick(value, axis), SMALL) for value in (low, high))
    return widest + 14


def line(
    x1: float,
    y1: float,
    x2: float,
    y2: float,
    colour: str,
    *,
    dash: str | None = None,
    thick: float = 1.0,
    name: str = "",
) -> Node:
    """A straight line."""
    return node(
        "line",
        node("title", name) if name else None,
        x1=x1,
        y1=y1,
        x2=x2,
        y2=y2,
        stroke_width=thick if thick != 1.0 else None,
        stroke_dasharray=dash,
        **stroke(colour),
    )


def limit_line(limit: float, axis: Axis, x: Scale, plot: Plot) -> Iterable[Node]:
    """A limit: an upright line with its words above the plot."""
    at, words = x.at(limit), f"limit {written_tick(limit, axis)}"
    half = text_width(words, SMALL) / 2
    place = min(max(at, plot.left + half), plot.right - half)
    yield line(at, plot.top - 4, at, plot.bottom, "limit", dash="6 3", thick=1.5)
    yield label(words, place, plot.top - 8, anchor="middle", colour="limit", size=SMALL)


def legend(
    entries: Sequence[tuple[str, str, str | None]], x: float, y: float, *, width: float = 190
) -> Iterable[Node]:
    """Names beside a piece of their line: (name, colour, dashes), from left to right.

    A name is cut to ``width``.
    """
    for name, colour, dash in entries:
        shown = fitted(name, width, SMALL)
        yield line(x, y - 4, x + 20, y - 4, colour, dash=dash, thick=2.5)
        yield label(name, x + 26, y, width=width, size=SMALL)
        x += 26 + text_width(shown, SMALL) + 16


def nothing(title: str, *, width: float, height: float = 60) -> str:
    """The chart of no numbers: it says so."""
    words = label("nothing to show", width / 2, height / 2 + 4, anchor="middle", colour="muted")
    return chart(title, "There are no numbers to show.", [words], width=width, height=height)
