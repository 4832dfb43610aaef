"""Bars made of pieces: what a bill or a request's time went to."""

from collections.abc import Iterable, Sequence

from lens_gate.render.charts.frame import SMALL, Plot, across, chart, label, nothing
from lens_gate.render.charts.marks import Axis, Stack
from lens_gate.render.charts.scale import Scale, scale, written_tick
from lens_gate.render.charts.svg import Node, fitted, node, text_width
from lens_gate.render.charts.theme import PARTS, fill
from lens_gate.units import format_share

_ROW = 30.0
_BAR = 18.0
_WIDEST_NAME = 190.0


def stacked(stacks: Sequence[Stack], axis: Axis, *, title: str, width: float = 640) -> str:
    """A bar for each stack, its pieces in their order, the whole written at its end."""
    stacks = [stack for stack in stacks if any(part.amount > 0 for part in stack.parts)]
    if not stacks:
        return nothing(title, width=width)
    names = list(dict.fromkeys(part.name for stack in stacks for part in stack.parts))
    keys = list(_keys(names, 16, width - 16))
    top = keys[-1][2] + 16
    left = 8 + min(_WIDEST_NAME, max(text_width(stack.name, 12) for stack in stacks)) + 8
    wholes = [sum(part.amount for part in stack.parts) for stack in stacks]
    room = max(text_width(written_tick(whole, axis), SMALL) for whole in wholes) + 10
    plot = Plot(left=left, top=top, width=width - left - room - 8, height=len(stacks) * _ROW)
    x = scale(
        Axis(title=axis.title, unit=axis.unit, low=0.0, high=axis.high or max(wholes)),
        (),
        plot.left,
        plot.right,
    )
    body = [
        *across(axis, x, plot),
        *(mark for name, at, y in keys for mark in _key(name, names.index(name), at, y)),
        *(
            mark
            for place, stack in enumerate(stacks)
            for mark in _stack(stack, plot.top + place * _ROW, names, axis, x)
        ),
    ]
    return chart(
        title, _about(stacks, axis), body, width=width, height=plot.bottom + 40, x=x, plot=plot
    )


def _keys(names: Sequence[str], left: float, right: float) -> Iterable[tuple[str, float, float]]:
    """Where each name of the legend stands, in as many lines as they need."""
    x, y = left, 16.0
    for name in names:
        wide = 16 + text_width(fitted(name, 150, SMALL), SMALL) + 14
        if x + wide > right and x > left:
            x, y = left, y + 18
        yield name, x, y
        x += wide


def _key(name: str, place: int, x: float, y: float) -> Iterable[Node]:
    yield node("rect", x=x, y=y - 9, width=10, height=10, rx=2, **fill(f"part-{place % PARTS}"))
    yield label(name, x + 15, y, width=150, size=SMALL)


def _stack(stack: Stack, top: float, names: Sequence[str], axis: Axis, x: Scale) -> Iterable[Node]:
    middle = top + _ROW / 2 + 4
    whole, before = sum(part.amount for part in stack.parts), 0.0
    yield label(stack.name, x.start - 8, middle, width=_WIDEST_NAME, anchor="end")
    for part in stack.parts:
        if part.amount > 0:
            share = format_share(part.amount / whole)
            words = f"{stack.name}, {part.name}: {written_tick(part.amount, axis)} ({share})"
            start, stop = x.at(before), x.at(before + part.amount)
            yield node(
                "rect",
                node("title", words),
                x=start,
                y=top + (_ROW - _BAR) / 2,
                width=max(0.5, stop - start),
                height=_BAR,
                **fill(f"part-{names.index(part.name) % PARTS}"),
            )
            if stop - start > text_width(share, 10) + 6:
                yield label(
                    share, (start + stop) / 2, middle - 1, anchor="middle", colour="ground", size=10
                )
            before += part.amount
    yield label(written_tick(whole, axis), x.at(before) + 6, middle, colour="muted", size=SMALL)


def _about(stacks: Sequence[Stack], axis: Axis) -> str:
    return " ".join(
        f"{stack.name}: "
        + ", ".join(f"{part.name} {written_tick(part.amount, axis)}" for part in stack.parts)
        + "."
        for stack in stacks
    )
